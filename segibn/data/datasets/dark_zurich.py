"""Dark Zurich (Sakaridis et al., ICCV 2019): its night frames, ``GOPR0356_frame_000321``."""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes, train_id_table

SOURCE = DatasetSource(
    name="dark_zurich",
    title="Dark Zurich",
    layout="""
dark_zurich/rgb_anon/{val,test}/night/<recording>/<frame>_rgb_anon.png
dark_zurich/gt/val/night/<recording>/<frame>_gt_labelTrainIds.png
""",
    where="https://www.trace.ethz.ch/publications/2019/GCMA_UIoU/ (non-commercial use): "
    "Dark_Zurich_val_anon.zip and Dark_Zurich_test_anon_withoutGt.zip, unpacked into dark_zurich/",
    splits={"val": None, "test": None},
    unlabelled=("test",),
    images=Place("rgb_anon/{split}/night", "_rgb_anon.png"),
    targets=Place("gt/{split}/night", "_gt_labelTrainIds.png"),
    tables=on_schemes(train_id_table("dark_zurich")),
    scored_as=CITYSCAPES,
)
