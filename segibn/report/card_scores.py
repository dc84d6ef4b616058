"""Scores files -> the tables of a model card; every figure is one of the files'.

In: what ``segibn evaluate --output`` writes, or the rows of a ``cross_domain.json``, of which those
of the card's own checkpoint are taken. Out: ``CardScore``, and the fields that show them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from segibn.errors import SegibnError
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores, format_percent
from segibn.files import read_json
from segibn.text import markdown, markdown_code, markdown_table

NOT_STATED = "not stated"
POOR_IOU = 0.1
"""Classes below this are named under the card's limits."""


@dataclass(frozen=True)
class CardScore:
    """One set that the network was scored on; fractions."""

    name: str
    num_images: int
    miou: float | None
    interval: tuple[float, float] | None
    """95 % of the resamples of its frames; None where the file does not keep frames apart."""
    pixel_accuracy: float | None
    signature: str
    iou: Mapping[str, float | None]


def read_scores(path: Path, checkpoint_sha256: str) -> list[CardScore]:
    """Read what a JSON of ``evaluate``, or rows of ``cross-domain``, say of a checkpoint.

    Raises:
        SegibnError: no scores file, or none of this checkpoint.
    """
    content = read_json(path)
    if isinstance(content, list):
        rows = [row for row in content if _sha256(row) == checkpoint_sha256]
        if not rows:
            raise SegibnError(f"{path} has no row of this checkpoint ({checkpoint_sha256[:12]}...)")
        return [_from_row(row, path) for row in rows]
    scores = Scores.from_dict(content, str(path))
    other = _sha256(content)
    if other not in (None, checkpoint_sha256):
        raise SegibnError(
            f"{path} holds the scores of another checkpoint ({other[:12]}..., the card's is "
            f"{checkpoint_sha256[:12]}...); score this one: segibn evaluate RUN --output FILE.json"
        )
    return [_from_scores(scores, content)]


def score_fields(scores: Sequence[CardScore]) -> dict[str, str]:
    """Fields that show scores, as Markdown; none without any."""
    if not scores:
        return {}
    names = list(dict.fromkeys(name for score in scores for name in score.iou))
    head = ["data", "frames", "mIoU %", "95 % interval", "pixel accuracy %"]
    table = markdown_table(head, map(_row, scores), right=1)
    classes = markdown_table(
        ["class", *(score.name for score in scores)],
        [[name, *(format_percent(score.iou.get(name)) for score in scores)] for name in names],
        right=1,
    )
    note = (
        "Intervals: bootstrap over the frames of each set; what another training would give is "
        "another matter."
    )
    fields = {
        "scores": [*table, "", note],
        "signatures": [f"- {markdown_code(score.signature)}" for score in scores],
        "class_scores": classes,
        "known_limits": [f"- {markdown(line)}" for line in _limits(scores)],
    }
    return {name: Markup("\n".join(lines)) for name, lines in fields.items()}


def _row(score: CardScore) -> list[str]:
    miou, accuracy = map(format_percent, (score.miou, score.pixel_accuracy))
    interval = NOT_STATED
    if score.interval is not None:
        interval = " to ".join(map(format_percent, score.interval))
    return [score.name, str(score.num_images), miou, interval, accuracy]


def _limits(scores: Sequence[CardScore]) -> list[str]:
    lines = [f"It was scored on {', '.join(score.name for score in scores)}, and on nothing else."]
    for score in scores:
        poor = [name for name, iou in score.iou.items() if iou is not None and iou < POOR_IOU]
        if poor:
            lines.append(f"On {score.name} the IoU is below 10 % for: {', '.join(poor)}.")
    return lines


def _from_scores(scores: Scores, content: Mapping[str, Any]) -> CardScore:
    interval = None
    kept = scores.frame_counts
    if kept is not None and len(kept.counts) >= 2:
        bounds = bootstrap_intervals(kept.counts, scores.conditions.policy, Resampling()).miou
        interval = (float(bounds[0]), float(bounds[1]))
    plain = scores.to_dict()
    return CardScore(
        scores.conditions.evaluation_set,
        scores.num_images,
        plain["miou"],
        interval,
        plain["pixel_accuracy"],
        str(content.get("signature", scores.signature)),
        plain["iou"],
    )


def _from_row(row: Mapping[str, Any], path: Path) -> CardScore:
    try:
        return CardScore(
            str(row["test"]),
            int(row["num_images"]),
            row["miou"],
            None,
            row["pixel_accuracy"],
            str(row["signature"]),
            dict(row["iou"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise SegibnError(f"{path}: a row lacks what a score needs ({error!r})") from error


def _sha256(content: Any) -> str | None:
    return content.get("checkpoint_sha256") if isinstance(content, Mapping) else None
