"""Data room: use a part of a split: the samples that a text file names, or a fixed share.

In: a pairing or a list of samples. Out: fewer of them, the same on every machine and run.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from segibn.data.samples import Orphan, Pairing, SamplePaths, shorten
from segibn.errors import DatasetError


def narrow(samples: Iterable[SamplePaths], names_file: Path) -> list[SamplePaths]:
    """Keep the samples that a text file names, in the order of the file.

    Args:
        samples: the samples of a split.
        names_file: one sample name a line; ``#`` starts a comment, blank lines are skipped.

    Raises:
        DatasetError: the file is missing or empty, names a sample twice or one that is not there.
    """
    return list(narrow_pairing(Pairing(tuple(samples)), names_file).samples)


def narrow_pairing(pairing: Pairing, names_file: Path) -> Pairing:
    """As `narrow`, on a pairing: orphans that the file does not name are no mistake."""
    names = read_names(names_file)
    wanted = set(names)
    by_name = {sample.name: sample for sample in pairing.samples}
    known = by_name.keys() | {orphan.name for orphan in pairing.orphans}
    if unknown := [name for name in names if name not in known]:
        example = f"; a name looks like '{min(known)}'" if known else ""
        raise DatasetError(
            f"{names_file}: {len(unknown)} of its {len(names)} names are not among the "
            f"{len(known)} samples of this split: {shorten(unknown)}{example}"
        )
    return replace(
        pairing,
        samples=tuple(by_name[name] for name in names if name in by_name),
        images_without_target=_only(pairing.images_without_target, wanted),
        targets_without_image=_only(pairing.targets_without_image, wanted),
        official_count=None,
    )


def read_names(names_file: Path) -> list[str]:
    """Return the sample names that a text file lists, in its order.

    Raises:
        DatasetError: no such file, no name in it, or a name twice.
    """
    try:
        text = Path(names_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{names_file}: cannot read this list of sample names ({error})") from (
            error
        )
    names = [word for line in text.splitlines() if (word := line.split("#", 1)[0].strip())]
    if not names:
        raise DatasetError(f"{names_file}: lists no sample; write one sample name a line")
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
        raise DatasetError(f"{names_file}: lists {shorten(twice)} more than once")
    return names


def take_fraction(samples: list[SamplePaths], fraction: float) -> list[SamplePaths]:
    """Keep a share of the samples, drawn with a fixed seed: the same on every machine and run.

    Shares are nested: all samples are put into one order, of which a share is the beginning, so
    that a smaller one is part of every larger one.

    Args:
        samples: in a fixed order.
        fraction: in (0, 1]; at least one sample is kept.

    Returns:
        The samples drawn, in their old order.
    """
    if fraction >= 1:
        return samples
    count = max(1, round(fraction * len(samples)))
    chosen = np.random.Generator(np.random.PCG64(0)).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(chosen)]


def _only(orphans: Iterable[Orphan], wanted: Collection[str]) -> tuple[Orphan, ...]:
    return tuple(orphan for orphan in orphans if orphan.name in wanted)
