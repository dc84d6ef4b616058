"""What a report is made of, as plain values; K classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.config.schema import RunConfig
from segibn.evaluation.scores import Scores
from segibn.report.curve import Curve

Color = tuple[int, int, int]  # RGB, 0 to 255
GREY: Color = (128, 128, 128)


@dataclass(frozen=True)
class FrameView:
    """One frame with its truth and prediction, encoded for the page."""

    name: str
    kind: str  # "worst" or "best"
    place: int  # 1 for the worst or the best one of all
    miou: float  # of this frame over the classes in its truth or prediction, a fraction
    wrong: float  # share of its valid pixels that are predicted wrong, a fraction
    size: tuple[int, int]  # (H, W) of the embedded pictures
    image: bytes  # JPEG
    truth: bytes  # palette PNG, index = train id, K = not scored; colours as in ``distinct_colors``
    prediction: bytes  # likewise
    errors: bytes  # palette PNG; 0 right, 1 wrong, 2 not scored
    iou: Mapping[int, float]  # train id -> IoU in this frame, of classes in truth or prediction
    truth_share: Mapping[int, float]  # train id -> share of the valid pixels of this frame
    confusions: Mapping[tuple[int, int], int]  # wrong (target, pred) -> pixels of the whole frame

    @property
    def told(self) -> str:
        """How well it was predicted."""
        return f"mIoU {100 * self.miou:.1f} %, {100 * self.wrong:.1f} % of pixels wrong"


@dataclass(eq=False)
class Source:
    """One run, or one evaluation of it; whatever is missing is left out of the page."""

    title: str  # of its own on the page
    scores: Scores | None = None
    curve: Curve | None = None
    palette: NDArray[np.uint8] | None = None  # (K, 3) RGB
    facts: Sequence[tuple[str, str]] = ()  # such as ("network", "resnet18, IBN-a")
    provenance: Sequence[tuple[str, str]] = ()  # likewise: command, revision, date
    frames: Sequence[FrameView] = ()  # the worst, then the best
    notes: list[str] = field(default_factory=list)  # sentences about what is not there
    no_frames: str = ""  # why there are none, and which command shows them
    folder: Path | None = None  # of the run; None for a scores file alone
    config: RunConfig | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)  # how its training was started
    record: Mapping[str, Any] = field(default_factory=dict)  # what the scores file says beside them
    scores_file: Path | None = None

    @property
    def checkpoint(self) -> Path | None:
        """The run's last checkpoint, where it is there."""
        path = self.folder and self.folder / "checkpoints" / "last.pt"
        return path if path and path.is_file() else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """None without scores."""
        return () if self.scores is None else self.scores.class_names

    @property
    def colors(self) -> list[Color]:
        """Of the classes; none without a palette."""
        rows = [] if self.palette is None else self.palette.tolist()
        return [(red, green, blue) for red, green, blue in rows]


@dataclass(frozen=True, eq=False)
class CrossDomain:
    """The rows of ``cross_domain.json`` and what stands beside them."""

    rows: Sequence[Mapping[str, Any]]
    # as in conditions.json: domain -> data set that published numbers are looked for under
    dataset_of: Mapping[str, str] = field(default_factory=dict)
    published_note: str = ""  # a sentence in place of published numbers, likewise


@dataclass(frozen=True, eq=False)
class Stressed:
    """The rows of ``stress.json``, and ``ood.json`` where it stands beside."""

    rows: Sequence[Mapping[str, Any]]
    # network -> folder of frames -> score -> AUROC, AUPRC, FPR95, fractions or None
    ood: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]] = field(default_factory=dict)


@dataclass(eq=False)
class Report:
    """All that a page shows."""

    runs: list[Source] = field(default_factory=list)  # in the order that they were given
    tables: list[CrossDomain] = field(default_factory=list)
    stressed: list[Stressed] = field(default_factory=list)
    comparisons: list[Mapping[str, Any]] = field(default_factory=list)  # of ``segibn compare``
