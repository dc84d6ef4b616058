"""Cityscapes in its official layout; samples named ``aachen_000000_000019``."""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes

SOURCE = DatasetSource(
    name="cityscapes",
    title="Cityscapes",
    layout="""
cityscapes/leftImg8bit/{train,val,test}/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
cityscapes/gtFine/{train,val}/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png
(frames may be .jpg too)
""",
    where="https://www.cityscapes-dataset.com (registration; research licence): "
    "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked into cityscapes/",
    splits={"train": 2975, "val": 500, "test": 1525},
    unlabelled=("test",),  # whose published label maps are empty dummies
    # People convert the frames to save space.
    images=Place("leftImg8bit/{split}", ("_leftImg8bit.png", "_leftImg8bit.jpg")),
    targets=Place("gtFine/{split}", "_gtFine_labelIds.png"),
    tables=on_schemes(CITYSCAPES),
    is_sampled=True,
)
