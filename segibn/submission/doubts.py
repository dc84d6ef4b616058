"""Values that a benchmark accepts and that were perhaps not meant: pixel counts in, notes out."""

import numpy as np
from numpy.typing import NDArray

from segibn.submission.format import Format

_LAST_TRAIN_ID = 18


def doubts_about(form: Format, pixels: NDArray[np.int64]) -> list[str]:
    """List the doubts about the values of all maps together.

    Args:
        form: the benchmark's format.
        pixels: (256,) pixels of each value.
    """
    total = int(pixels.sum())
    if not total:
        return []
    notes = []
    if form.is_drivable:
        background = int(form.labels.inverse[0])
        if int(np.argmax(pixels)) != background:
            shares = ", ".join(f"{v}: {100 * n / total:.1f} %" for v, n in enumerate(pixels[:3]))
            notes.append(
                f"the file holds the values {shares}, but background, usually the largest part, is "
                f"{background} here: is it another release's encoding?"
            )
    elif form.targets == "label_ids" and not pixels[_LAST_TRAIN_ID + 1 :].any():
        notes.append(
            f"no value is above {_LAST_TRAIN_ID}: are these train ids? The benchmark takes label "
            "ids (7 road ... 33 bicycle)"
        )
    void = int(pixels[form.is_void].sum())
    if void:
        share = 100 * void / total
        notes.append(f"{share:.2f} % of the pixels are predicted void, which is always wrong")
    return notes
