"""Data room, first step: what a sample is, and how images and label maps are paired by name.

In: dictionaries name -> path, as the index modules (cityscapes.py, gta5.py ...) find them. Out:
`Pairing`, the samples of a split together with everything that did not fit. `strict` turns it
into the sample list that training and evaluation use, or raises a message that says the fix.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segibn.data.wrong_folder import one_deeper
from segibn.errors import DatasetError
from segibn.files import list_files, warn_once
from segibn.text import counted, did_you_mean, listed, nfc, printable


class SplitAbsentError(DatasetError):
    """Nothing of a split is there, neither images nor labels."""


SHOWN = 3
"""How many names a message lists before it says how many more there are."""
_TRY_OUT = "\nTo try things out: segibn sample-data --output DIR paints frames in this layout."


@dataclass(frozen=True)
class SamplePaths:
    """One frame on disk.

    Attributes:
        name: unique within its data set, without the suffixes of the layout.
        image: the RGB frame.
        target: its label map as the data set stores it, or None where a split has none.
    """

    name: str
    image: Path
    target: Path | None


@dataclass(frozen=True)
class Orphan:
    """A file without its partner: the sample's name, the file, and the partner it should have."""

    name: str
    path: Path
    partner: str


@dataclass(frozen=True)
class Pairing:
    """The frames of one split, and what is wrong or missing about them.

    Attributes:
        samples: complete samples in the order of their names.
        images_without_target: images that have no label map.
        targets_without_image: label maps that have no image.
        official_count: how many frames the official split has, where that is known.
    """

    samples: tuple[SamplePaths, ...]
    images_without_target: tuple[Orphan, ...] = ()
    targets_without_image: tuple[Orphan, ...] = ()
    official_count: int | None = None

    def keep(self, wanted: Callable[[str], bool]) -> "Pairing":
        """Return the part of it whose names are wanted; the official count stays."""
        return Pairing(
            tuple(sample for sample in self.samples if wanted(sample.name)),
            tuple(orphan for orphan in self.images_without_target if wanted(orphan.name)),
            tuple(orphan for orphan in self.targets_without_image if wanted(orphan.name)),
            self.official_count,
        )

    @property
    def orphans(self) -> tuple[Orphan, ...]:
        """All files that stand alone, images first."""
        return self.images_without_target + self.targets_without_image


@dataclass(frozen=True)
class Source:
    """What the messages about a data set say: its layout, and where to get it.

    Attributes:
        title: the data set's name in messages.
        layout: the tree below the data sets' root, one line each.
        where: address and licence in a line or two.
        official_counts: split -> number of frames in the official release.
    """

    title: str
    layout: str
    where: str
    official_counts: Mapping[str, int] = field(default_factory=dict)

    def require(self, *folders: Path) -> None:
        """Check that the folders of a split are there.

        Raises:
            SplitAbsentError: none of them is.
            DatasetError: some are missing; both say the layout and where to get the data.
        """
        gone = [folder for folder in folders if not folder.is_dir()]
        if gone:
            raise self.missing(gone[0], there=[one for one in folders if one not in gone])

    def missing(self, looked_for: Path, *, there: Collection[Path] = ()) -> DatasetError:
        """Make the error for a folder that is not there; ``there``: those of the split that are."""
        kind = DatasetError if there else SplitAbsentError
        if deeper := one_deeper(looked_for):
            return kind(f"{self.title}: no folder {looked_for}\n{deeper}")
        half = f" ({listed(there)} is there: one archive of two, it seems)" if there else ""
        beside = looked_for.parent
        if not there and beside.is_dir():  # another split, most likely
            names = sorted(one.name for one in beside.iterdir() if one.is_dir())
            half = f" ({beside} has {listed(names)})" if names else ""
        return kind(
            f"{self.title}: no folder {looked_for}{half}\n{self.advice}\n"
            "The folder above the data sets is --datasets DIR or the environment variable "
            "SEGIBN_DATASETS; datasets/README.md shows the whole tree."
            + (_TRY_OUT if self.title in ("GTA5", "Cityscapes") else "")
        )

    def unknown_split(self, split: str, known: Collection[str]) -> DatasetError:
        """The error for a split name that the data set does not have."""
        names = ", ".join(known) or "none"
        hint = did_you_mean(split, known)
        names = f"{hint} It has {names}" if hint else f"; it has {names}"
        return DatasetError(
            f"{self.title} has no split '{printable(split)}'{names}, and 'a+b' joins two"
        )

    @property
    def advice(self) -> str:
        """The layout and the origin, as messages show them."""
        lines = "\n".join("  " + line for line in self.layout.strip("\n").splitlines())
        return f"The layout expected there:\n{lines}\nWhere to get it: {self.where}"


def pair_by_name(
    images: Mapping[str, Path],
    targets: Mapping[str, Path] | None,
    *,
    target_of: Callable[[str], str],
    image_of: Callable[[str], str],
    official_count: int | None = None,
) -> Pairing:
    """Pair images with label maps of the same name.

    Args:
        images: name -> image path.
        targets: name -> label map path, or None for a split without labels.
        target_of: where the label map of a name belongs, for messages.
        image_of: where the image of a name belongs, for messages.
        official_count: frames in the official split, where known.

    Returns:
        The pairing, samples in the order of their names.
    """
    if targets is None:
        samples = tuple(SamplePaths(name, images[name], None) for name in sorted(images))
        return Pairing(samples, official_count=official_count)
    both = sorted(images.keys() & targets.keys())
    alone = sorted(images.keys() - targets.keys())
    lost = sorted(targets.keys() - images.keys())
    return Pairing(
        samples=tuple(SamplePaths(name, images[name], targets[name]) for name in both),
        images_without_target=tuple(Orphan(n, images[n], target_of(n)) for n in alone),
        targets_without_image=tuple(Orphan(n, targets[n], image_of(n)) for n in lost),
        official_count=official_count,
    )


def join_splits(split: str, find_one: Callable[[str], Pairing]) -> Pairing:
    """Find each split of 'train+val' and put their samples one after the other.

    Raises:
        DatasetError: a split is named twice, or two splits share a sample name.
    """
    parts = [part.strip() for part in split.split("+")]
    if len(set(parts)) != len(parts) or not all(parts):
        raise DatasetError(f"split '{split}': name each split once, as in 'train+val'")
    found = [find_one(part) for part in parts]
    if len(found) == 1:
        return found[0]
    counts = [pairing.official_count for pairing in found]
    joined = Pairing(
        tuple(sample for pairing in found for sample in pairing.samples),
        tuple(orphan for pairing in found for orphan in pairing.images_without_target),
        tuple(orphan for pairing in found for orphan in pairing.targets_without_image),
        None if None in counts else sum(count or 0 for count in counts),
    )
    _require_unique(joined.samples, split)
    return joined


def strict(pairing: Pairing, source: Source, split: str, folder: Path) -> list[SamplePaths]:
    """Return the samples of a pairing in which nothing is wrong.

    A copy that holds only a part of an official split is allowed, and logged as a warning.

    Raises:
        DatasetError: no samples at all, or an image or label map without its partner.
    """
    if pairing.orphans:
        raise DatasetError(_orphan_message(pairing, source, split))
    if not pairing.samples:
        raise DatasetError(
            f"{source.title}: split '{split}' is empty under {folder}\n{source.advice}"
        )
    if note := partial_note(pairing):
        warn_once(f"{source.title}, split '{split}' under {folder}: {note}")
    return list(pairing.samples)


def partial_note(pairing: Pairing) -> str:
    """Say how many frames of the official split are here, or nothing if all are."""
    found, official = len(pairing.samples), pairing.official_count
    if official is None or found == official:
        return ""
    return f"{counted(found, 'frame')} here, the official split has {official:,}"


def names_in(
    folder: Path,
    suffix: str | tuple[str, ...],
    *,
    recursive: bool = False,
    keep_folders: bool = False,
) -> dict[str, Path]:
    """Return the files of a folder whose name ends in ``suffix``, by their name without it.

    Args:
        folder: where to look.
        suffix: one, or several of which each will do; in any case.
        recursive: look into subfolders too.
        keep_folders: whether a name begins with its subfolders, ``119/005506``.

    Raises:
        DatasetError: two files have the same name, or names that differ in nothing but case.
    """
    endings = (suffix,) if isinstance(suffix, str) else suffix
    found: dict[str, Path] = {}
    for path in list_files(folder, endings, recursive=recursive):
        own = max((end for end in endings if path.name.lower().endswith(end.lower())), key=len)
        whole = path.relative_to(folder).as_posix() if keep_folders else path.name
        name = nfc(whole[: len(whole) - len(own)])
        if name in found:
            raise DatasetError(f"two files for '{name}': {found[name]} and {path}; remove one")
        found[name] = path
    refuse_twins(found)
    return found


def refuse_twins(found: Mapping[str, Path]) -> None:
    """Raise DatasetError for names that many file systems take for one."""
    seen: dict[str, str] = {}
    for name, path in found.items():
        twin = seen.setdefault(name.casefold(), name)
        if twin is not name:
            both = f"{found[twin]} and {path}"
            raise DatasetError(f"{both} differ in nothing but case; rename or remove one")


def _require_unique(samples: Iterable[SamplePaths], split: str) -> None:
    """Raise if two samples of joined splits share a name."""
    seen: dict[str, Path] = {}
    for sample in samples:
        if sample.name in seen:
            raise DatasetError(
                f"split '{split}': sample '{sample.name}' stands in two of them: "
                f"{seen[sample.name]} and {sample.image}"
            )
        seen[sample.name] = sample.image


def _orphan_message(pairing: Pairing, source: Source, split: str) -> str:
    """Name both paths of the first missing partners and how many there are."""
    lines = [
        f"{source.title}: {counted(len(pairing.orphans), 'file')} of split '{split}' "
        "without a partner:"
    ]
    for orphan in pairing.images_without_target[:SHOWN]:
        lines.append(f"  image {orphan.path} has no label map {orphan.partner}")
    for orphan in pairing.targets_without_image[:SHOWN]:
        lines.append(f"  label map {orphan.path} has no image {orphan.partner}")
    lines.append(
        "Unpack the missing archive again, or name the frames to use in a text file (`names_file` "
        "in a config, NAME:SPLIT@FILE on the command line)."
    )
    return "\n".join(lines)
