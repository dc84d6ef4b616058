"""Evaluation, step 3: a confusion and its conditions in, a report with a signature out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import segibn
from segibn.errors import SegibnError
from segibn.evaluation import metrics
from segibn.evaluation.confusion import Counts
from segibn.evaluation.frame_counts import FrameCounts, counts_from
from segibn.evaluation.metrics import Floats, class_counts, policy_named
from segibn.text import printable


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a score was measured: the fields of its signature."""

    evaluation_set: str
    policy: str = "cityscapes"  # key in ``metrics.POLICIES``
    resolution: str = ""  # size (H x W) of the maps that were compared, "mixed" when frames differ; found if empty
    inference: str = "whole"  # how a frame met the network: "whole", "whole@512x1024", "slide769", or "files"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False


@dataclass(frozen=True, eq=False)
class LabelConfusion:
    """Counts over a data set's own label ids, ignored ones included."""

    label_ids: tuple[int, ...]
    counts: Counts  # (L, L) pixel counts, rows target


@dataclass(frozen=True, eq=False)
class Scores:
    """What one evaluation found: counts, their conditions, and every number derived from them."""

    confusion: Counts  # (K, K+1) pixel counts, rows target; the last column counts void predictions
    class_names: tuple[str, ...]
    conditions: Conditions
    num_images: int  # frames that were counted, over all ranks
    frames: tuple[str, ...] = ()
    label_confusion: LabelConfusion | None = None
    frame_counts: FrameCounts | None = None  # what each frame added, where that was kept
    details: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values: results of ``measures.METRICS`` by name, and "intervals"."""
    version: str = segibn.__version__
    reading_doubt: str = ""  # why the files may not hold what they were read as; see ``encodings``

    def __post_init__(self) -> None:
        policy_named(self.conditions.policy)
        k, shape = len(self.class_names), np.shape(self.confusion)
        if shape != (k, k + 1):
            raise ValueError(f"{k} class names need a confusion of {(k, k + 1)}; got {shape}")
        by_frame, counts = self.frame_counts, class_counts(self.confusion)
        if by_frame and not np.array_equal(by_frame.counts.sum(axis=0), counts):
            raise ValueError("the counts of the frames do not add up to those of the set")

    @property
    def iou(self) -> Floats:
        """IoU of each class, (K,) fractions; see ``metrics.iou_of`` for undefined ones."""
        return metrics.compute_iou(self.confusion, self.conditions.policy)

    @property
    def miou(self) -> float:
        """Mean IoU under the policy, a fraction."""
        return metrics.compute_miou(self.confusion, self.conditions.policy)

    @property
    def pixel_accuracy(self) -> float:
        """Share of valid pixels predicted right, a fraction."""
        return float(metrics.accuracy_of(class_counts(self.confusion), self.conditions.policy))

    @property
    def class_accuracy(self) -> Floats:
        """Recall of each class, (K,) fractions, NaN without target pixels."""
        return metrics.recall_of(class_counts(self.confusion), self.conditions.policy)

    @property
    def averaged(self) -> NDArray[np.bool_]:
        """Which classes enter the mean IoU, (K,)."""
        return metrics.averaged_of(class_counts(self.confusion), self.conditions.policy)

    @property
    def rates(self) -> dict[str, Any]:
        """Precision, F1, frequency-weighted and per-image mIoU; see ``metrics.rates``."""
        by_frame = None if self.frame_counts is None else self.frame_counts.counts
        return metrics.rates(class_counts(self.confusion), self.conditions.policy, by_frame)

    @property
    def doubt(self) -> str:
        """Why the score is probably not what was meant; empty where nothing speaks against it."""
        return self.reading_doubt or metrics.doubt_of_counts(self.confusion)

    @property
    def signature(self) -> str:
        """One line that names every condition; equal signatures are comparable."""
        given = self.conditions
        parts = {
            "set": given.evaluation_set,
            "n": self.num_images,
            "K": len(self.class_names),
            "absent": policy_named(given.policy).absent,
            "void-pred": policy_named(given.policy).void_prediction,
            "res": given.resolution or "unknown",
            "infer": given.inference,
            "scales": ",".join(str(float(scale)) for scale in given.scales),
            "flip": "yes" if given.flip else "no",
            "v": self.version,
        }
        return "|".join(["miou", *(f"{key}:{value}" for key, value in parts.items())])

    def to_dict(self, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return plain JSON values and ``extra`` (command, ...); undefined numbers become None."""
        names = self.class_names
        averaged = [name for name, enters in zip(names, self.averaged, strict=True) if enters]
        own: dict[str, Any] = {
            "signature": self.signature,
            "miou": json_number(self.miou),
            "pixel_accuracy": json_number(self.pixel_accuracy),
            "mean_class_accuracy": json_number(metrics.mean_defined(self.class_accuracy)),
            "num_images": self.num_images,
            "conditions": asdict(self.conditions) | {"scales": list(self.conditions.scales)},
            "version": self.version,
            "iou": by_name(names, self.iou),
            "class_accuracy": by_name(names, self.class_accuracy),
            "averaged_classes": averaged,
        }
        for key, value in self.rates.items():
            own[key] = json_number(value) if isinstance(value, float) else by_name(names, value)
        own |= {"class_names": list(names), "confusion": self.confusion.tolist()}
        by_label, by_frame = self.label_confusion, self.frame_counts
        where_known = {
            "doubt": self.doubt,
            "frames": list(self.frames),
            "label_ids": by_label and list(by_label.label_ids),
            "label_confusion": by_label and by_label.counts.tolist(),
            "details": dict(self.details),
            "frame_counts": by_frame and by_frame.to_dict(),
        }
        own |= {key: value for key, value in where_known.items() if value}
        if clash := sorted(own.keys() & (extra or {}).keys()):
            raise ValueError(f"extra fields would overwrite the score's own: {', '.join(clash)}")
        return own | dict(extra or {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "scores") -> "Scores":
        """Rebuild from ``to_dict`` or its JSON; a SegibnError where that is not of its form."""
        try:
            given = dict(data["conditions"])
            scales, flip = tuple(map(float, given.pop("scales"))), bool(given.pop("flip"))
            texts = dict(zip(given, _texts(given.values()), strict=True))
            conditions = Conditions(**texts, scales=scales, flip=flip)
            by_label = None
            if "label_confusion" in data:
                label_ids = tuple(counts_from(data["label_ids"]).tolist())
                by_label = LabelConfusion(label_ids, counts_from(data["label_confusion"]))
            names, by_frame = _texts(data["class_names"]), data.get("frame_counts")
            if by_frame is not None:
                by_frame = FrameCounts.from_dict(by_frame, len(names))
            return cls(
                confusion=counts_from(data["confusion"]),
                class_names=names,
                conditions=conditions,
                num_images=int(data["num_images"]),
                frames=tuple(map(str, data.get("frames", ()))),
                label_confusion=by_label,
                frame_counts=by_frame,
                details=dict(data.get("details", {})),
                version=_texts([data["version"]])[0],
                reading_doubt=_texts([data.get("doubt", "")])[0],
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            text = f"{source} is not a segibn scores file: {printable(error)}"
            raise SegibnError(text) from error

    def format_table(self) -> str:
        """Return a text table in per cent: one row a class, then means and the signature."""
        pixels = self.confusion.sum(axis=1)
        total = max(int(pixels.sum()), 1)
        width = max(14, *(len(name) for name in self.class_names))
        lines = [f"{'class':<{width}} {'IoU %':>7} {'recall %':>9} {'pixels %':>9}"]
        columns = self.class_names, self.iou, self.class_accuracy, pixels, self.averaged
        for name, iou, recall, count, averaged in zip(*columns, strict=True):
            mark = "" if averaged else "  not averaged"
            numbers = f"{format_percent(iou):>7} {format_percent(recall):>9}"
            lines.append(f"{name:<{width}} {numbers} {100 * int(count) / total:9.3f}{mark}")
        lines.append("-" * (width + 28))
        for name, value in (("mIoU", self.miou), ("pixel accuracy", self.pixel_accuracy)):
            lines.append(f"{name:<{width}} {format_percent(value):>7}")
        return "\n".join([*lines, self.signature])


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    """Texts of a file that are safe to print; a ValueError for anything else."""
    texts = tuple(values)
    for text in texts:
        if not isinstance(text, str) or printable(text) != text:
            raise ValueError(f"{printable(repr(text)[:80])} is no text, or not printable")
    return tuple(map(str, texts))


def json_number(value: float) -> float | None:
    """Return a plain float, None for NaN (JSON has no NaN)."""
    return None if math.isnan(value) else float(value)


def by_name(names: Sequence[str], values: NDArray[np.float64]) -> dict[str, float | None]:
    """Class name -> plain float, None for NaN."""
    return {name: json_number(value) for name, value in zip(names, values, strict=True)}


def format_percent(value: float | None) -> str:
    """Format a fraction as per cent with two digits, "-" for None and NaN."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.2f}"
