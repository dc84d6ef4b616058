"""Which of BDD100K's two drivable encodings a folder uses: pixel counts in, "2018" or "2021" out.

The encodings hold the same three values in another order (2018: 0 background, 1 direct,
2 alternative; 2021: 0 direct, 1 alternative, 2 background), so reading one as the other raises
no error by itself and gives a wrong score. Two things tell them apart: the file suffix
``_drivable_id.png``, which only the 2018 release uses, and background being the most common value
(83 % of BDD100K's pixels).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segibn.errors import DatasetError

DRIVABLE_ENCODINGS = ("2018", "2021")
SUFFIX_2018 = "_drivable_id"
# Most common raw value -> the encoding in which that value is background.
_ENCODING_OF_MAJORITY = {0: "2018", 2: "2021"}


@dataclass(frozen=True)
class EncodingEvidence:
    """What a folder's names and pixels say about its encoding."""

    folder: str
    role: str
    """"target" or "pred", as in the option that settles it."""
    pixels_per_value: NDArray[np.int64]
    """(3,) pixels of the raw values 0, 1, 2 over all files."""
    has_2018_suffix: bool
    """Whether every file is named ``*_drivable_id.png``."""

    @property
    def from_data(self) -> str | None:
        """Encoding in which the most common value is background; None if there is none."""
        return _ENCODING_OF_MAJORITY.get(int(np.argmax(self.pixels_per_value)))

    def describe(self) -> str:
        """Say which share of the pixels each value has, for messages."""
        total = max(int(self.pixels_per_value.sum()), 1)
        shares = ", ".join(
            f"{value}: {100 * int(count) / total:.1f} %"
            for value, count in enumerate(self.pixels_per_value)
        )
        return f"{self.folder} holds the values {shares}"


def decide_encoding(evidence: EncodingEvidence, requested: str = "auto") -> str:
    """Decide how to read a folder; names and pixels must not contradict each other.

    An encoding given for predictions is believed, whatever the pixels say: a poor predictor may
    paint everything as road. For targets it is checked.

    Args:
        evidence: of one folder.
        requested: "auto", "2018" or "2021".

    Returns:
        "2018" or "2021".

    Raises:
        DatasetError: the evidence contradicts itself or the request, or does not suffice.
    """
    option = f"--{evidence.role}-encoding"
    from_data = evidence.from_data
    if requested != "auto":
        if requested not in DRIVABLE_ENCODINGS:
            raise ValueError(f"unknown drivable encoding {requested!r}; use auto, 2018 or 2021")
        if evidence.role == "target" and from_data not in (None, requested):
            raise DatasetError(
                f"{option} {requested}, but {evidence.describe()}: background is the most common "
                f"value of a ground truth, so this is the {from_data} encoding"
            )
        return requested
    if evidence.has_2018_suffix:
        if from_data == "2021":
            raise DatasetError(
                f"files named *{SUFFIX_2018}.png are in the 2018 encoding (0 is background), but "
                f"{evidence.describe()}, as in the 2021 encoding; say which it is with {option}"
            )
        return "2018"
    if from_data is None:
        raise DatasetError(
            f"cannot tell the drivable encoding: {evidence.describe()}, and 1 is background in "
            f"neither; say which it is with {option} 2018 or 2021"
        )
    return from_data
