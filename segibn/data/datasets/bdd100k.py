"""Data room: the indexes of BDD100K, drivable area (100k frames) and semantic segmentation (10k).

In: the folder ``bdd100k`` and a split. Out: samples named by id, ``0004a4c0-d4dff0ad``. Both tasks
exist in the layout of the 2018 release and in that of 2021. For drivable area the two releases
number the classes differently; `labels/drivable_encoding.py` tells them apart.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from segibn.data.datasets.shipped_lists import read_names
from segibn.data.samples import Pairing, Source, join_splits, names_in, pair_by_name
from segibn.errors import DatasetError

_WHERE = (
    "https://bdd-data.berkeley.edu (registration; UC Regents licence: educational, research and "
    "not-for-profit use): "
)

DRIVABLE = Source(
    title="BDD100K drivable area",
    layout="""
bdd100k/images/100k/{train,val,test}/<id>.jpg
bdd100k/drivable_maps/labels/{train,val}/<id>_drivable_id.png    (2018 release), or
bdd100k/labels/drivable/masks/{train,val}/<id>.png               (2021 release)
""",
    where=_WHERE + "'100K Images' and 'Drivable Area' (2018: 'Drivable Maps'), unpacked into "
    "bdd100k/",
    official_counts={"train": 70_000, "val": 10_000, "test": 20_000},
)
SEMSEG = Source(
    title="BDD100K semantic segmentation",
    layout="""
bdd100k/images/10k/{train,val,test}/<id>.jpg                     (2021 release) with
bdd100k/labels/sem_seg/{masks or colormaps}/{train,val}/<id>.png, or
bdd100k/seg/images/{train,val,test}/<id>.jpg                     (2018 release) with
bdd100k/seg/labels/{train,val}/<id>_train_id.png
""",
    where=_WHERE + "'10K Images' and 'Segmentation', unpacked into bdd100k/",
    official_counts={"train": 7_000, "val": 1_000, "test": 2_000, "night": 87},
)
SPLITS = ("train", "val", "test")
SEMSEG_SPLITS = (*SPLITS, "night")
"""``night`` is BDD100K-night (Sakaridis et al.): night frames of train and val whose labels are
right, as those of many are not. It is not for networks that were trained on ``train``."""
UNLABELLED = ("test",)


@dataclass(frozen=True)
class _Layout:
    """Where one release keeps its files, below ``bdd100k``; ``{split}`` is filled in."""

    release: str
    images: str
    targets: str
    target_suffix: str


_DRIVABLE_LAYOUTS = (
    _Layout("2018", "images/100k/{split}", "drivable_maps/labels/{split}", "_drivable_id.png"),
    _Layout("2021", "images/100k/{split}", "labels/drivable/masks/{split}", ".png"),
    _Layout("2021", "images/100k/{split}", "labels/drivable/colormaps/{split}", ".png"),
)
_SEMSEG_LAYOUTS = (
    _Layout("2021", "images/10k/{split}", "labels/sem_seg/masks/{split}", ".png"),
    _Layout("2021", "images/10k/{split}", "labels/sem_seg/colormaps/{split}", ".png"),
    _Layout("2018", "seg/images/{split}", "seg/labels/{split}", "_train_id.png"),
)


def find_drivable(root: Path, split: str, encoding: str = "auto") -> Pairing:
    """Pair the 100k frames of a split with their drivable maps.

    Args:
        root: the folder ``bdd100k``.
        split: 'train', 'val', 'test', or several joined by '+'.
        encoding: '2018' or '2021' prefers that release where both are there; 'auto' refuses then.

    Raises:
        DatasetError: unknown split, folder missing, or both releases there and 'auto'.
    """
    root = _own_folder(Path(root))

    def find_one(part: str) -> Pairing:
        present = _present(root, part, _DRIVABLE_LAYOUTS, DRIVABLE)
        releases = sorted({layout.release for layout in present})
        if encoding == "auto" and len(releases) > 1:
            folders = " and ".join(layout.targets.format(split=part) for layout in present)
            raise DatasetError(
                f"{DRIVABLE.title}: {root} holds both releases ({folders}); say which to use: "
                "`encoding: '2018'` or `encoding: '2021'` in the config"
            )
        wanted = [layout for layout in present if layout.release == encoding] or present
        return _find_one(root, part, wanted[0], DRIVABLE)

    return join_splits(split, find_one)


def find_semseg(root: Path, split: str) -> Pairing:
    """Pair the 10k frames of a split with their label maps; the 2021 layout comes first.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    root = _own_folder(Path(root))

    def find_one(part: str) -> Pairing:
        if part == "night":
            whole = join_splits("+".join(_labelled_parts(root)), find_one)
            names = read_names("bdd100k_night.txt")
            return replace(whole.keep(names.__contains__), official_count=len(names))
        if part not in SPLITS:
            raise SEMSEG.unknown_split(part, SEMSEG_SPLITS)
        return _find_one(root, part, _present(root, part, _SEMSEG_LAYOUTS, SEMSEG)[0], SEMSEG)

    return join_splits(split, find_one)


def _labelled_parts(root: Path) -> list[str]:
    """Which of train and val is there; train if neither is, for the message."""
    return [
        split
        for split in ("train", "val")
        if any((root / layout.images.format(split=split)).is_dir() for layout in _SEMSEG_LAYOUTS)
    ] or ["train"]


def _own_folder(root: Path) -> Path:
    """The archives unpack as ``bdd100k/...``: inside a folder bdd100k that makes one too many."""
    nested = root / "bdd100k"
    return nested if nested.is_dir() and not (root / "images").is_dir() else root


def _present(root: Path, split: str, layouts: tuple[_Layout, ...], source: Source) -> list[_Layout]:
    """The layouts whose folders exist for a split, in the given order."""
    if split not in SPLITS:
        raise source.unknown_split(split, SPLITS)
    with_images = [lay for lay in layouts if (root / lay.images.format(split=split)).is_dir()]
    with_targets = [lay for lay in layouts if (root / lay.targets.format(split=split)).is_dir()]
    if not with_images:
        folder = root / (with_targets or layouts)[0].images.format(split=split)
        there = [root / layout.targets.format(split=split) for layout in with_targets]
        raise source.missing(folder, there=there)
    if split in UNLABELLED:
        return with_images[:1]
    whole = [layout for layout in with_images if layout in with_targets]
    if not whole:
        there = [root / layout.images.format(split=split) for layout in with_images[:1]]
        raise source.missing(root / with_images[0].targets.format(split=split), there=there)
    return whole


def _find_one(root: Path, split: str, layout: _Layout, source: Source) -> Pairing:
    images = root / layout.images.format(split=split)
    targets = root / layout.targets.format(split=split)
    return pair_by_name(
        names_in(images, ".jpg"),
        None if split in UNLABELLED else names_in(targets, layout.target_suffix),
        target_of=lambda name: str(targets / f"{name}{layout.target_suffix}"),
        image_of=lambda name: str(images / f"{name}.jpg"),
        official_count=source.official_counts[split],
    )
