"""KITTI's semantic segmentation benchmark (2015), ``000000_10``, with Cityscapes' label ids."""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes

SOURCE = DatasetSource(
    name="kitti",
    title="KITTI semantic segmentation",
    layout="""
kitti/{training,testing}/image_2/<number>_10.png
kitti/training/semantic/<number>_10.png
""",
    where="https://www.cvlibs.net/datasets/kitti/eval_semantics.php (registration; CC BY-NC-SA "
    "3.0): data_semantics.zip, unpacked into kitti/",
    splits={"training": 200, "testing": 200},
    unlabelled=("testing",),
    images=Place("{split}/image_2", ".png"),
    targets=Place("{split}/semantic", ".png"),
    tables=on_schemes(CITYSCAPES),
    scored_as=CITYSCAPES,
)
