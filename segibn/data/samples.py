"""What a sample is, and how images and label maps are paired by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from segibn.errors import DatasetError
from segibn.text import counted


class SplitAbsentError(DatasetError):
    """Nothing of a split is there, neither images nor labels."""


SHOWN = 3  # names that a message lists before it says how many more there are


@dataclass(frozen=True)
class SamplePaths:
    """One frame on disk: the RGB image, and its label map where the split has one."""

    name: str  # unique within its data set, without the suffixes of the layout
    image: Path
    target: Path | None


@dataclass(frozen=True)
class Orphan:
    """A file without the partner that it should have."""

    name: str
    path: Path
    partner: str
    is_image: bool


@dataclass(frozen=True)
class Pairing:
    """The complete samples of a split in the order of their names, and the files that lack one."""

    samples: tuple[SamplePaths, ...]
    orphans: tuple[Orphan, ...] = ()  # images first
    official_count: int | None = None  # how many frames the official split has, where that is known

    def keep(self, wanted: Callable[[str], bool]) -> "Pairing":
        """Return the part of it whose names are wanted; the official count stays."""
        samples = tuple(sample for sample in self.samples if wanted(sample.name))
        orphans = tuple(orphan for orphan in self.orphans if wanted(orphan.name))
        return Pairing(samples, orphans, self.official_count)

    @property
    def partial_note(self) -> str:
        """How many frames of the official split are here; "" where all are."""
        found, official = len(self.samples), self.official_count
        if official is None or found == official:
            return ""
        return f"{counted(found, 'frame')} here, the official split has {official:,}"


def pair_by_name(
    images: Mapping[str, Path],
    targets: Mapping[str, Path] | None,
    *,
    target_of: Callable[[str], str],
    image_of: Callable[[str], str],
    official_count: int | None = None,
) -> Pairing:
    """Pair images with label maps, if any, by name; the functions say where a partner belongs."""
    if targets is None:
        samples = tuple(SamplePaths(name, images[name], None) for name in sorted(images))
        return Pairing(samples, official_count=official_count)
    orphans = [Orphan(name, images[name], target_of(name), True) for name in sorted(images.keys() - targets.keys())]
    orphans += [Orphan(name, targets[name], image_of(name), False) for name in sorted(targets.keys() - images.keys())]
    samples = tuple(SamplePaths(name, images[name], targets[name]) for name in sorted(images.keys() & targets.keys()))
    return Pairing(samples, tuple(orphans), official_count)


def join_splits(split: str, find_one: Callable[[str], Pairing]) -> Pairing:
    """Join the splits of 'train+val'; DatasetError: one is named twice, or two share a name."""
    parts = [part.strip() for part in split.split("+")]
    if len(set(parts)) != len(parts) or not all(parts):
        raise DatasetError(f"split '{split}': name each split once, as in 'train+val'")
    found = [find_one(part) for part in parts]
    if len(found) == 1:
        return found[0]
    counts = [pairing.official_count for pairing in found]
    samples = tuple(chain.from_iterable(pairing.samples for pairing in found))
    orphans = chain.from_iterable(pairing.orphans for pairing in found)
    seen: dict[str, Path] = {}
    for name, image in ((sample.name, sample.image) for sample in samples):
        if name in seen:
            raise DatasetError(f"split '{split}': sample '{name}' stands in two of them: {seen[name]} and {image}")
        seen[name] = image
    images_first = tuple(sorted(orphans, key=lambda orphan: not orphan.is_image))
    return Pairing(samples, images_first, None if None in counts else sum(counts))


def refuse_twins(found: Mapping[str, Path]) -> None:
    """Raise DatasetError for names that many file systems take for one."""
    seen: dict[str, str] = {}
    for name, path in found.items():
        twin = seen.setdefault(name.casefold(), name)
        if twin is not name:
            raise DatasetError(f"{found[twin]} and {path} differ in nothing but case; rename or remove one")
