"""Data room: the index of ACDC, the Adverse Conditions Dataset (Sakaridis et al., ICCV 2021).

In: the folder ``acdc`` and a split. Out: samples named ``GOPR0475_frame_000041``. A split is all
four conditions, as the benchmark pools them, or one of them: ``val`` or ``val-night``. The frames
of the same places in good weather (``*_ref``) are not indexed.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits
from segibn.errors import DatasetError

SOURCE = Source(
    title="ACDC",
    layout="""
acdc/rgb_anon/{fog,night,rain,snow}/{train,val,test}/<recording>/<frame>_rgb_anon.png
acdc/gt/{fog,night,rain,snow}/{train,val}/<recording>/<frame>_gt_labelTrainIds.png
""",
    where="https://acdc.vision.ee.ethz.ch (registration; non-commercial use): "
    "rgb_anon_trainvaltest.zip and gt_trainval.zip, unpacked into acdc/",
)
CONDITIONS = ("fog", "night", "rain", "snow")
UNLABELLED = ("test",)

_PARTS = {
    f"{split}-{condition}": (split, condition)
    for split in ("train", "val", "test")
    for condition in CONDITIONS
}
SPLITS = ("train", "val", "test", *_PARTS)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    if split in _PARTS:
        return _find_condition(root, *_PARTS[split])
    there = [name for name in CONDITIONS if (root / "rgb_anon" / name / split).is_dir()]
    if there and len(there) < len(CONDITIONS):
        gone = next(name for name in CONDITIONS if name not in there)
        raise DatasetError(
            f"{SOURCE.title}: no folder {root / 'rgb_anon' / gone / split}, but split '{split}' is "
            f"all four conditions; take '{split}-{there[0]}' for one of those that are there"
        )
    names = "+".join(f"{split}-{condition}" for condition in CONDITIONS)
    return join_splits(names, lambda part: _find_condition(root, *_PARTS[part]))


def _find_condition(root: Path, split: str, condition: str) -> Pairing:
    targets = Place(root / "gt" / condition / split, "_gt_labelTrainIds.png")
    return pair_folders(
        SOURCE,
        Place(root / "rgb_anon" / condition / split, "_rgb_anon.png"),
        None if split in UNLABELLED else targets,
    )
