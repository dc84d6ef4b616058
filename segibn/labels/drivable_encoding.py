"""Which of its two official encodings a set of BDD100K drivable maps uses: paths in, the year out.

Read the wrong way they train without a complaint. Two things tell them apart: the suffix
``_drivable_id.png`` of 2018, and the upper third, where sky and buildings are background.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segibn.errors import DatasetError
from segibn.files.pictures import read_label_map
from segibn.text import counted, printable

DRIVABLE_ENCODINGS = ("2018", "2021")
MAX_FILES = 32  # how many maps are read, evenly chosen: enough, since each one nearly always decides alone

_SUFFIX_2018 = "_drivable_id.png"
_BACKGROUND = {"2018": 0, "2021": 2}
_MEANING = {"2018": "0 background, 1 direct, 2 alternative", "2021": "0 direct, 1 alternative, 2 background"}
_TOLD, _CERTAIN = 0.7, 0.95  # share of the upper thirds; that of BDD100K's own frames is 0.99
_SLACK = 0.1  # between the shares of background above and below


@dataclass(frozen=True)
class Decision:
    """How drivable maps are read: the year, and what speaks against it or does not confirm it."""

    encoding: str
    doubt: str = ""
    is_contradicted: bool = False
    """Whether the other encoding's background fills the upper thirds, and not what is below."""


def decide_drivable_encoding(
    paths: Sequence[Path], given: str = "auto", *, option: str = "`encoding:`", also_allowed: Collection[int] = ()
) -> Decision:
    """Decide from names and values of label maps, at most `MAX_FILES` of which are read.

    ``given``: '2018' or '2021', believed, and doubted where the files differ; 'auto' for what they
    tell. ``also_allowed``: values beside 0, 1 and 2. DatasetError: the files do not tell it.
    """
    if not paths:
        raise DatasetError("drivable encoding: no label maps to tell it from")
    such = f"drivable maps such as {printable(paths[0])}"
    counts = _counts(paths)
    upper, lower = np.sum(list(counts.values()), axis=0)
    if strange := set(np.flatnonzero(upper + lower).tolist()) - {0, 1, 2, *also_allowed}:
        known = "both official encodings have only 0, 1 and 2"
        raise DatasetError(f"{such} hold the values {sorted(strange)}; {known}")
    found, shares = _told_by_values(upper[:3], lower[:3])
    seen = f"the upper thirds of {such} are {shares}"
    named = "2018" if all(path.name.endswith(_SUFFIX_2018) for path in paths) else None
    year = _told(named, found, seen, option) if given == "auto" else given
    read = f"read in the {year} encoding ({_MEANING[year]})"
    if found is None:
        told = "the names say" if given == "auto" else "was said"
        return Decision(year, f"{read} as {told}; the values do not confirm it: {seen}")
    if found != year:
        doubt = f"{read} as said, but {seen}, which is that of {found} ({_MEANING[found]})"
        return Decision(year, doubt, _is_certain(upper, lower, _BACKGROUND[found]))
    other = "2021" if year == "2018" else "2018"
    odd = [path for path, of in counts.items() if _is_certain(of[0], of[1], _BACKGROUND[other])]
    if not odd:
        return Decision(year)
    return Decision(
        year,
        f"{read}, but {counted(len(odd), 'map')} of the {len(counts)} looked at would be of "
        f"{other} by the same sign ({printable(odd[0])}): are these files of two releases?",
    )


def _told(named: str | None, found: str | None, seen: str, option: str) -> str:
    year = named or found
    if year is None:
        raise DatasetError(
            f"{seen}, where one value should be the background, so the encoding cannot be told; "
            f"say it with {option}: 2018 ({_MEANING['2018']}) or 2021 ({_MEANING['2021']})"
        )
    if found not in (None, year):
        raise DatasetError(
            f"files named *{_SUFFIX_2018} are of the 2018 encoding ({_MEANING['2018']}), but "
            f"{seen}, which is that of {found} ({_MEANING[found]}); say which it is with {option}"
        )
    return year


def _counts(paths: Sequence[Path]) -> dict[Path, NDArray[np.int64]]:
    """Pixels of each value in the upper and in the lower part of chosen maps, (2, 256) each."""
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(MAX_FILES, len(paths))).astype(int))
    counts = {}
    for path in (paths[place] for place in chosen):
        label_map = read_label_map(path)
        height = max(1, label_map.shape[0] // 3)
        parts = label_map[:height], label_map[height:]
        counts[path] = np.array([np.bincount(part.ravel(), minlength=256) for part in parts])
    return counts


def _is_certain(upper: NDArray[np.int64], lower: NDArray[np.int64], value: int) -> bool:
    share, below = (part[value] / max(1, part.sum()) for part in (upper, lower))
    return bool(share > _CERTAIN and share - below > _SLACK)


def _told_by_values(upper: NDArray[np.int64], lower: NDArray[np.int64]) -> tuple[str | None, str]:
    """Year whose background fills the upper thirds, and the shares there in words."""
    shares = upper / max(1, upper.sum())
    below = lower / max(1, lower.sum())
    text = ", ".join(f"{100 * share:.1f} % value {value}" for value, share in enumerate(shares))
    for year, value in _BACKGROUND.items():
        # Background does not become rarer towards the sky: a road that fills a frame cut below the
        # horizon does, and is not taken for it.
        if shares[value] > _TOLD and shares[value] >= below[value] - _SLACK:
            return year, text
    return None, text
