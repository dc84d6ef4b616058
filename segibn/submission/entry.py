"""One label map in a submission: its name there, its frame, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Load = Callable[[], tuple[list[str], np.ndarray | None]]
"""Returns faults (plurals that name no file) and the (H, W) uint8 values, None if unreadable."""


@dataclass(frozen=True)
class Entry:
    """One label map in a file.

    Attributes:
        name: in the file, for messages.
        key: of its frame.
        load: reads it.
        is_counted: False for a map that a later one of the same frame replaces.
    """

    name: str
    key: str
    load: Load
    is_counted: bool = True
