"""What a report is made of, as plain values: the page's side of the wall to configs and networks.

Legend: K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.scores import Scores
from segibn.report.charts import Curve


@dataclass(frozen=True)
class FrameView:
    """One frame with its truth and prediction, encoded for the page.

    Attributes:
        name: of the frame in its set.
        kind: "worst" or "best".
        place: 1 for the worst or the best one of all.
        miou: of this frame over the classes in its truth or prediction, a fraction.
        wrong: share of its valid pixels that are predicted wrong, a fraction.
        size: (H, W) of the embedded pictures.
        image: JPEG.
        truth: palette PNG, index = train id, K = not scored; colours as in ``distinct_colors``.
        prediction: likewise.
        errors: palette PNG; 0 right, 1 wrong, 2 not scored.
        iou: train id -> IoU in this frame of each class that its truth or prediction holds.
        truth_share: train id -> share of the valid pixels of this frame.
        confusions: (target, pred) -> pixels of the whole frame, the wrong ones.
    """

    name: str
    kind: str
    place: int
    miou: float
    wrong: float
    size: tuple[int, int]
    image: bytes
    truth: bytes
    prediction: bytes
    errors: bytes
    iou: Mapping[int, float]
    truth_share: Mapping[int, float]
    confusions: Mapping[tuple[int, int], int]


@dataclass(frozen=True, eq=False)
class RunEntry:
    """One run, or one evaluation of it; whatever is missing is left out of the page.

    Attributes:
        title: of its own on the page.
        facts: short (what, value) pairs under the title, such as ("network", "resnet18, IBN-a").
        provenance: (what, value) pairs that say how it came to be: command, revision, date.
        class_names: K names.
        palette: (K, 3) uint8 RGB.
        scores: of the evaluation.
        curve: of the training.
        profile: what ``profile.json`` of the run holds.
        frames: the worst, then the best.
        ranked_of: number of frames that these were chosen from.
        notes: sentences about what is not there.
        no_frames: why there are no frames, and which command shows them.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    provenance: Sequence[tuple[str, str]] = ()
    class_names: tuple[str, ...] = ()
    palette: NDArray[np.uint8] | None = None
    scores: Scores | None = None
    curve: Curve | None = None
    profile: Mapping[str, Any] | None = None
    frames: Sequence[FrameView] = ()
    ranked_of: int = 0
    notes: Sequence[str] = ()
    no_frames: str = ""


@dataclass(frozen=True, eq=False)
class CrossDomain:
    """The rows of ``cross_domain.json`` and what stands beside them."""

    rows: Sequence[Mapping[str, Any]]
    dataset_of: Mapping[str, str] = field(default_factory=dict)
    published_note: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """All of a page.

    Attributes:
        title: of the page.
        command: that wrote it.
        created: when, as text.
        version: of segibn.
        runs: in the order that they were given.
        tables: cross-domain tables.
        comparisons: as ``segibn compare --output`` writes them.
        colors: name of a class -> RGB, for tables without runs.
    """

    title: str
    command: str
    created: str
    version: str
    runs: Sequence[RunEntry]
    tables: Sequence[CrossDomain] = ()
    comparisons: Sequence[Mapping[str, Any]] = ()
    colors: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
