"""Data room: the index of Dark Zurich (Sakaridis et al., ICCV 2019), its labelled night frames.

In: the folder ``dark_zurich`` and a split. Out: samples named ``GOPR0356_frame_000321``. The
training frames have no labels and are not indexed.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits

SOURCE = Source(
    title="Dark Zurich",
    layout="""
dark_zurich/rgb_anon/{val,test}/night/<recording>/<frame>_rgb_anon.png
dark_zurich/gt/val/night/<recording>/<frame>_gt_labelTrainIds.png
""",
    where="https://www.trace.ethz.ch/publications/2019/GCMA_UIoU/ (non-commercial use): "
    "Dark_Zurich_val_anon.zip and Dark_Zurich_test_anon_withoutGt.zip, unpacked into dark_zurich/",
)
SPLITS = ("val", "test")
UNLABELLED = ("test",)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    targets = Place(root / "gt" / split / "night", "_gt_labelTrainIds.png")
    return pair_folders(
        SOURCE,
        Place(root / "rgb_anon" / split / "night", "_rgb_anon.png"),
        None if split in UNLABELLED else targets,
    )
