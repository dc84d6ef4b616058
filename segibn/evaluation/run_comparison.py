"""Whether run B is better than run A: two scores files in, differences with intervals out."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from segibn.errors import SegibnError
from segibn.evaluation import resampling
from segibn.evaluation.confusion import Counts
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import FIELDS, iou_of, miou_of
from segibn.evaluation.resampling import DEFAULT, Resampling
from segibn.evaluation.scores import Scores, format_percent, json_number
from segibn.evaluation.signatures import differing_fields, parse_signature
from segibn.text import counted, listed


@dataclass(frozen=True)
class NamedScores:
    """Scores and what they are called in the outputs."""

    title: str
    scores: Scores


@dataclass(frozen=True)
class Difference:
    """One line: a class, or the mean. Fractions; NaN where undefined."""

    name: str
    a: float
    b: float
    low: float
    high: float
    p: float  # of the permutation test, two-sided; of classes adjusted for their number (Holm)

    @property
    def difference(self) -> float:
        """B minus a."""
        return self.b - self.a

    def to_dict(self, p_name: str) -> dict[str, float | None]:
        """Return plain JSON values; undefined numbers become None."""
        found = {key: getattr(self, key) for key in ("a", "b", "difference", "low", "high")}
        return {key: json_number(value) for key, value in (found | {p_name: self.p}).items()}

    def is_shown(self, level: float) -> bool:
        """Whether interval and test agree that the runs differ."""
        return self.p <= 1 - level and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Comparison:
    """Run B against run A."""

    a: NamedScores
    b: NamedScores
    classes: tuple[Difference, ...]
    mean: Difference  # of mIoU, over the frames that were compared
    num_frames: int
    policy: str
    how: Resampling
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One sentence: is B better than A?"""
        gap, p = 100 * self.mean.difference, self.mean.p
        bounds = f"{100 * self.mean.low:+.2f} .. {100 * self.mean.high:+.2f}"
        numbers = f"{gap:+.2f} points of mIoU ({bounds}), p = {p:.2g}"
        if not self.mean.is_shown(self.how.level):
            return f"no difference is shown between {self.b.title} and {self.a.title}: {numbers}"
        word = "better" if gap > 0 else "worse"
        return f"{self.b.title} is {word} than {self.a.title} on such frames: {numbers}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; undefined numbers become None."""
        return {
            "a": self.a.title,
            "b": self.b.title,
            "signatures": [self.a.scores.signature, self.b.scores.signature],
            "warnings": list(self.warnings),
            "verdict": self.verdict,
            "frames": self.num_frames,
            "policy": self.policy,
            **asdict(self.how),
            "miou": self.mean.to_dict("p"),
            "classes": {row.name: row.to_dict("p_holm") for row in self.classes},
        }


def compare_runs(
    a: NamedScores,
    b: NamedScores,
    how: Resampling = DEFAULT,
    *,
    common_frames: bool = False,
    any_conditions: bool = False,
) -> Comparison:
    """Compare run ``b`` with the reference ``a``, class by class.

    ``common_frames`` compares the frames that both have instead of refusing other sets;
    ``any_conditions`` compares under different signatures, by the policy of ``a``, and says so.
    """
    b = _in_order(b, a)
    warnings = _differing_conditions(a, b, any_conditions, common_frames)
    warnings += [f"{run.title}: {run.scores.doubt}" for run in (a, b) if run.scores.doubt]
    (left, right), more = _same_frames(a, b, common_frames)
    policy = a.scores.conditions.policy
    bounds = resampling.difference_intervals(left, right, policy, how)
    p = resampling.permutation_test(left, right, policy, how)
    totals = [counts.sum(axis=0) for counts in (left, right)]
    adjusted = resampling.holm_adjusted(p.iou)
    columns = [*(iou_of(total, policy) for total in totals), *bounds.iou, adjusted]
    rows = zip(a.scores.class_names, np.stack(columns, axis=1).tolist(), strict=True)
    classes = tuple(Difference(name, *row) for name, row in rows)
    mean_a, mean_b = (float(miou_of(total, policy)) for total in totals)
    low, high = bounds.miou.tolist()
    mean = Difference("mIoU", mean_a, mean_b, low, high, float(p.miou))
    return Comparison(a, b, classes, mean, len(left), policy, how, (*warnings, *more))


def _in_order(b: NamedScores, a: NamedScores) -> NamedScores:
    """Return ``b`` with its classes in the order of ``a``: networks of others have an order of their own."""
    names, scores = a.scores.class_names, b.scores
    if scores.class_names == names:
        return b
    if sorted(scores.class_names) != sorted(names):
        alone = [
            listed(set(x) - set(y)) or "none" for x, y in ((names, scores.class_names), (scores.class_names, names))
        ]
        raise SegibnError(
            f"{a.title} and {b.title} score different classes: {alone[0]} only in the first, "
            f"{alone[1]} only in the other"
        )
    order = [scores.class_names.index(name) for name in names]
    frames = scores.frame_counts and replace(scores.frame_counts, counts=scores.frame_counts.counts[..., order])
    confusion = scores.confusion[order][:, [*order, len(names)]]
    return replace(b, scores=replace(scores, class_names=names, confusion=confusion, frame_counts=frames))


def format_comparison(comparison: Comparison) -> str:
    """Return a text table in per cent and points, warnings first, the verdict last."""
    how = comparison.how
    lines = [f"WARNING: {warning}" for warning in comparison.warnings]
    lines += [f"A  {comparison.a.title}", f"B  {comparison.b.title}"]
    interval = f"{100 * how.level:g} % interval"
    lines.append(f"{'IoU':<16} {'A %':>7} {'B %':>7} {'B - A':>7} {interval:>18} {'p':>8}")
    for row in (*comparison.classes, comparison.mean):
        bounds = f"{_points(row.low)} .. {_points(row.high)}"
        mark = "  *" if row.is_shown(how.level) else ""
        scores = f"{format_percent(row.a):>7} {format_percent(row.b):>7}"
        p = "-" if np.isnan(row.p) else f"{row.p:.4f}"
        numbers = f"{scores} {_points(row.difference):>7} {bounds:>18} {p:>8}"
        lines.append(f"{row.name:<16} {numbers}{mark}")
    lines.append(
        f"{counted(comparison.num_frames, 'frame')}, {how.resamples} resamples, seed {how.seed}: "
        "bootstrap intervals, permutation test (classes adjusted by Holm). Both say what the "
        "choice of frames can do, not what another training would give."
    )
    signatures = dict.fromkeys(run.scores.signature for run in (comparison.a, comparison.b))
    return "\n".join([*lines, *signatures, comparison.verdict])


def _differing_conditions(a: NamedScores, b: NamedScores, allowed: bool, other_frames_allowed: bool) -> list[str]:
    signatures = a.scores.signature, b.scores.signature
    ours, theirs = map(parse_signature, signatures)
    # The number of frames is looked at with the frames; another version alone is only said.
    ignored = ["n", "v", *(["res"] if other_frames_allowed else [])]
    differing = [
        f"{key} {ours.get(key, '-')} against {theirs.get(key, '-')}" for key in differing_fields(signatures, ignored)
    ]
    text = f"{a.title} and {b.title} were scored under different conditions: "
    if differing and not allowed:
        raise SegibnError(f"{text}{'; '.join(differing)}. Score both alike, or insist with --any-conditions")
    warnings = [f"{text}{'; '.join(differing)}"] if differing else []
    if ours.get("v") != theirs.get("v"):
        versions = f"{ours.get('v')} and {theirs.get('v')}"
        warnings.append(f"scored by versions {versions}; CHANGELOG.md says what moved numbers")
    return warnings


def _same_frames(a: NamedScores, b: NamedScores, common: bool) -> tuple[list[Counts], list[str]]:
    """Counts, (n, 4, K), of the frames that both have, in one order, and what is to be said."""
    found: list[FrameCounts] = []
    for named in (a, b):
        if named.scores.frame_counts is None:
            raise SegibnError(
                f"{named.title} holds no counts of single frames: it is from an older version or a "
                "table; score the run again with segibn evaluate or segibn score"
            )
        found.append(named.scores.frame_counts)
    ours, theirs = (set(counts.names) for counts in found)
    alone = [
        f"only {named.title} has {listed(sorted(names), 8)}"
        for named, names in ((a, ours - theirs), (b, theirs - ours))
        if names
    ]
    names = [name for name in found[0].names if name in theirs]
    if alone and not (common and names):
        raise SegibnError(
            f"the frames differ: {'; '.join(alone)}. {len(names)} are common to both"
            + ("; --common-frames compares these" if names else "")
        )
    counts = [one.of(names).counts for one in found]
    other = np.flatnonzero((counts[0] != counts[1])[:, FIELDS.index("target")].any(axis=-1))
    if other.size:
        raise SegibnError(
            f"{a.title} and {b.title} were scored against different truth (other labels, or "
            f"another size) on {listed([names[place] for place in other], 8)}"
        )
    said = f"only {counted(len(names), 'frame')} that both have are compared: {'; '.join(alone)}"
    return counts, [said] if alone else []


def _points(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:+.2f}"
