"""Does a score of the logits find what a network never saw: AUROC, AUPRC and FPR95 over pixels.

Label maps of SegmentMeIfYouCan (arXiv 2104.14812) and of Fishyscapes (arXiv 1904.03215): 0 known, 1
out of distribution, 255 left out.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segibn.errors import DatasetError
from segibn.evaluation.errors import detection
from segibn.files.folders import collect_passed_over, list_files
from segibn.text import printable

Scores = NDArray[np.floating]

LEVELS = 1 << 20
_SMIYC = "_labels_semantic.png"
_FISHYSCAPES = "_labels.png"
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def _softmax(logits: Scores) -> Scores:
    grown = np.exp(logits - logits.max(0))
    return np.asarray(grown / grown.sum(0))


def _entropy(logits: Scores) -> Scores:
    probability = _softmax(logits)
    return np.asarray(-(probability * np.log(np.maximum(probability, 1e-30))).sum(0))


def _energy(logits: Scores) -> Scores:
    top = logits.max(0)
    return np.asarray(-top - np.log(np.exp(logits - top).sum(0)))


OOD_SCORES: Mapping[str, Callable[[Scores], Scores]] = {
    "max-softmax": lambda logits: 1 - _softmax(logits).max(0),
    "max-logit": lambda logits: -logits.max(0),
    "energy": _energy,
    "entropy": _entropy,
}
"""Name -> logits (K, H, W) to a score (H, W), higher where a pixel is less known.

Maximum softmax: Hendrycks and Gimpel, arXiv 1610.02136; maximum logit: Hendrycks et al., arXiv 1911.11132; energy:
Liu et al., arXiv 2010.03759, temperature 1."""


def find_ood(folder: Path) -> list[tuple[Path, Path]]:
    """Pair frames and label maps of a folder in either layout; DatasetError: there are none, or one is alone.

    SegmentMeIfYouCan: ``images/NAME.*`` and ``labels_masks/NAME_labels_semantic.png``. Fishyscapes, Lost and
    Found: ``NUMBER_NAME_labels.png`` anywhere, ``NAME_leftImg8bit.png`` anywhere.
    """
    with collect_passed_over():  # frames of other kinds are looked for below
        files = list_files(folder, (".png",), recursive=True)
    maps = [path for path in files if path.name.endswith(_SMIYC)]
    ending, prefix = (_SMIYC, "") if maps else (_FISHYSCAPES, "_leftImg8bit")
    maps = maps or [path for path in files if path.name.endswith(_FISHYSCAPES)]
    if not maps:
        raise DatasetError(
            f"{printable(folder)}: no *{_SMIYC} (SegmentMeIfYouCan) and no *{_FISHYSCAPES} (Fishyscapes) in it"
        )
    taken = set(maps)
    frames = {path.stem: path for path in list_files(folder, _PICTURES, recursive=True) if path not in taken}
    pairs = []
    for path in maps:
        name = path.name.removesuffix(ending)
        names = (name, f"{name}{prefix}", f"{name.partition('_')[2]}{prefix}")
        image = next((frames[one] for one in names if one in frames), None)
        if image is None:
            raise DatasetError(
                f"{printable(path)} has no frame below {printable(folder)}: {names[0]}.* or {names[2]}.*"
            )
        pairs.append((image, path))
    return pairs


class OodTally:
    """Pixels that are known, and that are not, by the level of each score; exact sums."""

    def __init__(self) -> None:
        self.counts = {name: np.zeros((2, LEVELS), np.int64) for name in OOD_SCORES}

    def add(self, logits: Scores, truth: NDArray[np.uint8]) -> None:
        """Count a frame: logits (K, H, W), truth (H, W) of 0, 1 and 255."""
        valid = truth <= 1
        known = truth[valid].astype(np.int64)
        for name, score in OOD_SCORES.items():
            place = ordered_levels(score(logits)[valid])
            self.counts[name] += np.bincount(known * LEVELS + place, minlength=2 * LEVELS).reshape(2, LEVELS)

    def result(self) -> dict[str, dict[str, float | None]]:
        """Return AUROC, AUPRC and FPR95 of each score; fractions, None without unknown pixels."""
        return {name: detection(counts[0], counts[1]) for name, counts in self.counts.items()}


def ordered_levels(values: Scores) -> NDArray[np.int64]:
    """Place numbers of any size on `LEVELS` that keep their order: of x / (1 + |x|), closest near 0."""
    squashed = values / (1 + np.abs(values))
    return np.asarray(((squashed.astype(np.float64) + 1) / 2 * (LEVELS - 1)).astype(np.int64))
