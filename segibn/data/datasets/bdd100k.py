"""What BDD100K's two tasks share: frames in the folders of the 2018 or of the 2021 release.

Samples are named by id, ``0004a4c0-d4dff0ad``.
"""

from dataclasses import dataclass
from pathlib import Path

from segibn.data.datasets.source import DatasetSource
from segibn.data.samples import Pairing, names_in, pair_by_name

WHERE = (
    "https://bdd-data.berkeley.edu (registration; UC Regents licence: educational, research and "
    "not-for-profit use): "
)


@dataclass(frozen=True)
class Layout:
    """Where one release keeps its files, below ``bdd100k``; ``{split}`` is filled in."""

    release: str
    images: str
    targets: str
    target_suffix: str


def own_folder(root: Path) -> Path:
    """The archives unpack as ``bdd100k/...``: inside a folder bdd100k that makes one too many."""
    nested = root / "bdd100k"
    return nested if nested.is_dir() and not (root / "images").is_dir() else root


def layouts_present(
    root: Path, split: str, layouts: tuple[Layout, ...], source: DatasetSource
) -> list[Layout]:
    """The layouts whose folders exist for a split, in the given order; DatasetError if none."""
    with_images = [lay for lay in layouts if (root / lay.images.format(split=split)).is_dir()]
    with_targets = [lay for lay in layouts if (root / lay.targets.format(split=split)).is_dir()]
    if not with_images:
        folder = root / (with_targets or layouts)[0].images.format(split=split)
        there = [root / layout.targets.format(split=split) for layout in with_targets]
        raise source.missing(folder, there=there)
    if split in source.unlabelled:
        return with_images[:1]
    whole = [layout for layout in with_images if layout in with_targets]
    if not whole:
        there = [root / layout.images.format(split=split) for layout in with_images[:1]]
        raise source.missing(root / with_images[0].targets.format(split=split), there=there)
    return whole


def pair_layout(root: Path, split: str, layout: Layout, source: DatasetSource) -> Pairing:
    """Pair the files of a split that lie as a layout says."""
    images = root / layout.images.format(split=split)
    targets = root / layout.targets.format(split=split)
    return pair_by_name(
        names_in(images, ".jpg"),
        None if split in source.unlabelled else names_in(targets, layout.target_suffix),
        target_of=lambda name: str(targets / f"{name}{layout.target_suffix}"),
        image_of=lambda name: str(images / f"{name}.jpg"),
        official_count=source.splits[split],
    )
