"""Data room: pair the images below one folder with the label maps below another.

In: two folders and how the names in them end. Out: a `Pairing`. Most index modules need no more:
the label map of ``images/a/b_rgb.png`` is ``labels/a/b_gt.png``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segibn.data.samples import Pairing, Source, names_in, pair_by_name


@dataclass(frozen=True)
class Place:
    """A folder, searched with those below it, and how the names of its files end."""

    folder: Path
    suffix: str | tuple[str, ...]
    """One, or several of which each will do; messages name the first."""

    def path_of(self, below: Path | str, name: str) -> str:
        """Where the file of a name belongs, for messages."""
        suffix = self.suffix if isinstance(self.suffix, str) else self.suffix[0]
        return str(self.folder / below / f"{name}{suffix}")


def pair_folders(
    source: Source,
    images: Place,
    targets: Place | None,
    official_count: int | None = None,
    *,
    keep_folders: bool = False,
) -> Pairing:
    """Pair by name, the suffix of each place left out.

    Args:
        source: its messages.
        images: where the images are.
        targets: where the label maps are; None for a split without.
        official_count: frames in the official split, where known.
        keep_folders: whether names begin with their subfolders, for data sets that number the
            frames of each folder anew.

    Raises:
        DatasetError: a folder is missing, or two files of one place have the same name.
    """
    folders = [images.folder] if targets is None else [images.folder, targets.folder]
    source.require(*folders)
    frames = names_in(images.folder, images.suffix, recursive=True, keep_folders=keep_folders)
    if targets is None:
        return pair_by_name(
            frames, None, target_of=str, image_of=str, official_count=official_count
        )
    maps = names_in(targets.folder, targets.suffix, recursive=True, keep_folders=keep_folders)
    return pair_by_name(
        frames,
        maps,
        target_of=lambda name: _partner(name, frames, images, targets),
        image_of=lambda name: _partner(name, maps, targets, images),
        official_count=official_count,
    )


def _partner(name: str, found: Mapping[str, Path], here: Place, there: Place) -> str:
    """Where the partner of a file belongs: the same folder below the other place."""
    below = found[name].parent.relative_to(here.folder)
    return there.path_of(below, Path(name).name)
