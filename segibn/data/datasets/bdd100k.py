"""What BDD100K's two tasks share: frames ``0004a4c0-d4dff0ad`` of the 2018 or 2021 release."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place

WHERE = (
    "https://bdd-data.berkeley.edu (registration; UC Regents licence: educational, research and not-for-profit use): "
)


@dataclass(frozen=True)
class Layout:
    """Where one release keeps its files; ``{split}`` is filled in."""

    release: str
    images: str
    targets: str
    target_suffix: str

    def places(self) -> dict[str, Place]:
        """What `DatasetSource.pair` takes; some copies repeat frames in folders further below."""
        return {
            "images": Place(self.images, ".jpg", recursive=False),
            "targets": Place(self.targets, self.target_suffix, recursive=False),
        }


def own_folder(root: Path) -> Path:
    """The archives unpack as ``bdd100k/...``: inside a folder bdd100k that makes one too many."""
    nested = root / "bdd100k"
    return nested if nested.is_dir() and not (root / "images").is_dir() else root


def layouts_present(root: Path, split: str, layouts: tuple[Layout, ...], source: DatasetSource) -> Sequence[Layout]:
    """The layouts whose folders exist for a split, in the given order; if none, what is nearest."""

    def is_there(folder: str) -> bool:
        return (root / folder.format(split=split)).is_dir()

    with_images = [one for one in layouts if is_there(one.images)]
    with_targets = [one for one in layouts if is_there(one.targets)]
    whole = [one for one in with_images if one in with_targets and split not in source.unlabelled]
    return whole or (with_images or with_targets or layouts)[:1]
