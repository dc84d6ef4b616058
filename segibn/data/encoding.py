"""Data room: which of its two official encodings a folder of BDD100K drivable maps uses.

2018: 0 background, 1 direct, 2 alternative. 2021: 0 direct, 1 alternative, 2 background. The files
look alike, and read the wrong way they train without a complaint. What tells them apart is the
upper third of a frame: sky and buildings, hence background. In: label map paths. Out: the year.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segibn.errors import DatasetError
from segibn.files import read_label_map

MAX_FILES = 32
"""How many maps are read, evenly chosen: enough, since each one nearly always decides alone."""

_BACKGROUND = {"2018": 0, "2021": 2}


def detect_drivable_encoding(paths: Sequence[Path]) -> str:
    """Tell the encoding from the values in the files.

    Args:
        paths: label maps; at most `MAX_FILES` of them are read.

    Returns:
        '2018' or '2021'.

    Raises:
        DatasetError: no paths, values that belong to neither encoding, maps that do not tell, or
            files named ``_drivable_id.png`` (2018) that hold the numbers of 2021.
    """
    if not paths:
        raise DatasetError("drivable encoding: no label maps to tell it from")
    counts = _upper_third_counts(paths)
    if strange := [int(value) for value in np.flatnonzero(counts) if value > 2]:
        raise DatasetError(
            f"drivable maps such as {paths[0]} hold the values {strange}; both official encodings "
            "have only 0, 1 and 2"
        )
    shares = counts[:3] / max(1, counts.sum())
    for year, background in _BACKGROUND.items():
        if shares[background] > 0.5:
            _check_file_names(paths, year, shares)
            return year
    raise DatasetError(
        f"drivable maps such as {paths[0]}: their upper thirds do not show one value for the "
        f"background ({_describe(shares)}), so the encoding cannot be told"
    )


def check_drivable_encoding(paths: Sequence[Path], expected: str) -> str:
    """Check that the files hold the encoding expected of them.

    Args:
        paths: label maps.
        expected: '2018', '2021', or 'auto' for whatever they hold.

    Returns:
        The encoding of the files.

    Raises:
        DatasetError: the data contradicts ``expected``, or is in neither encoding.
    """
    found = detect_drivable_encoding(paths)
    if expected not in ("auto", found):
        raise DatasetError(
            f"drivable maps such as {paths[0]} are in the {found} encoding "
            f"({_meaning(found)}), not in that of {expected} ({_meaning(expected)}); "
            f"set `encoding: '{found}'`, or 'auto'"
        )
    return found


def _upper_third_counts(paths: Sequence[Path]) -> np.ndarray:
    """Pixels of each value (256,) in the upper thirds of evenly chosen maps."""
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(MAX_FILES, len(paths))).astype(int))
    counts = np.zeros(256, np.int64)
    for i in chosen:
        label_map = read_label_map(paths[i])
        upper = label_map[: max(1, label_map.shape[0] // 3)]
        counts += np.bincount(upper.ravel(), minlength=256)
    return counts


def _check_file_names(paths: Sequence[Path], year: str, shares: np.ndarray) -> None:
    if year == "2021" and all(path.name.endswith("_drivable_id.png") for path in paths):
        raise DatasetError(
            f"{paths[0]}: the name _drivable_id.png belongs to the 2018 encoding, but the upper "
            f"thirds of the maps are {_describe(shares)}, which is that of 2021 "
            f"({_meaning('2021')}); rename the files or write them again"
        )


def _describe(shares: np.ndarray) -> str:
    return ", ".join(f"{100 * share:.1f} % value {value}" for value, share in enumerate(shares))


def _meaning(year: str) -> str:
    names = {"2018": ("background", "direct", "alternative"),
             "2021": ("direct", "alternative", "background")}  # fmt: skip
    return ", ".join(f"{value} {name}" for value, name in enumerate(names[year]))
