"""What a benchmark wants to be sent: names, values and sizes of label maps.

Legend of this package: a *key* names a frame as the benchmark's evaluator does (a BDD100K id, a
Cityscapes ``<city>_<sequence>_<frame>``); sizes are (H, W).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segibn.labels.label_set import IGNORE_INDEX, LabelSet

Size = tuple[int, int]


@dataclass(frozen=True)
class Format:
    """A benchmark's format and what its public evaluator makes of a file.

    Attributes:
        name: on the command line.
        title: for messages.
        labels: the table that writes train ids as the values in the files.
        size: of every official test frame.
        num_frames: in the official test set.
        member: name of a frame's file, with ``{key}``.
        member_name: base names that the evaluator takes for a map; group 1 is the key.
        image_name: names of test frames; group 1 is the key.
        key_form: how keys look, in words.
        targets: which of a frame's label maps is its ground truth, see
            ``evaluation.matching.ENCODINGS``.
        ids: returns the keys of the official test set; None where no list is published.
        missing_is_void: True: a labelled frame without a map scores as all void; False: the
            evaluator stops.
        one_folder: True: all maps lie in one folder of the zip.
        has_rle: whether run-length JSON is read as well.
    """

    name: str
    title: str
    labels: LabelSet
    size: Size
    num_frames: int
    member: str
    member_name: re.Pattern[str]
    image_name: re.Pattern[str]
    key_form: str
    targets: str = "train_ids"
    ids: Callable[[], list[str]] | None = None
    missing_is_void: bool = False
    one_folder: bool = False
    has_rle: bool = False

    @property
    def is_drivable(self) -> bool:
        """Whether the classes are background, direct and alternative."""
        return self.labels.num_classes == 3

    @cached_property
    def knows(self) -> np.ndarray:
        """(256,) bool: values that a map may hold."""
        return self.labels.lookup >= 0

    @cached_property
    def is_void(self) -> np.ndarray:
        """(256,) bool: values that are allowed, but wrong on every labelled pixel."""
        return self.labels.lookup == IGNORE_INDEX

    def key_of_member(self, base_name: str) -> str | None:
        """Return the frame that a file belongs to; None for a name that the evaluator ignores."""
        match = self.member_name.fullmatch(base_name)
        return match[1] if match else None

    def key_of_image(self, file_name: str) -> str | None:
        """Return the key of a test frame; None if it is not named as the benchmark's frames."""
        match = self.image_name.fullmatch(file_name)
        return match[1] if match else None
