"""A data set that lies elsewhere than its name says, one level up or down or renamed: the fix."""

from collections.abc import Callable
from pathlib import Path

from segibn.data.samples import Pairing
from segibn.errors import DatasetError
from segibn.text import printable

_MOST_FOLDERS = 200  # that are looked into: a folder of frames may have thousands


class OtherSetError(DatasetError):
    """The folder holds a data set of a similar name, which is read otherwise."""


def where_instead(root: Path, subfolder: str, find: Callable[[Path], Pairing]) -> str:
    """Say where a data set is that is not in ``root / subfolder``, and what to do; "" if nowhere.

    ``find`` pairs the wanted split's files in a folder; OtherSetError: it holds a set like it.
    """
    expected = root / subfolder
    here = root.absolute()
    below = subfolders(here)
    nested = [folder / subfolder for folder in below]
    for folder in [here, here.parent, here.parent.parent, *nested, *below, *subfolders(here / subfolder)]:
        if not _is_there(folder, find):
            continue
        if folder.name == subfolder and folder.parent.resolve() != expected.resolve():
            return (
                f"{printable(folder)} is the set itself: --datasets (or SEGIBN_DATASETS) takes the "
                f"folder above {subfolder}/: use --datasets {printable(folder.parent)}"
            )
        inside = here in folder.parents
        target = expected if inside else folder.parent / subfolder
        use = "" if inside else f", and use --datasets {printable(target.parent)}"
        return f"{printable(folder)} holds it: rename it to {printable(target)} or link it{use}"
    return ""


def one_deeper(missing: Path) -> str:
    """Say that a folder lies in one of its archive's name, as unpackers make them; "" if not."""
    above = next((path for path in missing.parents if path.is_dir()), Path())
    rest = missing.relative_to(above)
    for folder in subfolders(above):
        if (folder / rest).is_dir():
            return f"{printable(folder / rest)} is there: move what is in {printable(folder)} to {printable(above)}"
    return ""


def subfolders(folder: Path) -> list[Path]:
    """Return the first folders in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())[:_MOST_FOLDERS]
    except OSError:
        return []


def _is_there(folder: Path, find: Callable[[Path], Pairing]) -> bool:
    try:
        return bool(folder.is_dir() and find(folder).samples)
    except OtherSetError:
        raise
    except (DatasetError, OSError):
        return False
