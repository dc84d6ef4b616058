"""The model card: what a template asks for, filled from a run; nothing in it is made up.

In: fields by name (of the run and of its scores). Out: Markdown, begun by the YAML by which the
Hugging Face hub lists and finds it. What nobody states is "not stated".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from segibn.errors import SegibnError
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Scores, format_percent
from segibn.files.writing import read_json
from segibn.report.templates import render_markdown
from segibn.text import markdown, markdown_code, markdown_table

NOT_STATED = "not stated"
_TEMPLATE = "model_card.md"
_TASK = "image-segmentation"
_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "openrail", "unknown", "other"),
)
"""Those of the hub's identifiers that people write."""
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


def fill(fields: Mapping[str, str]) -> tuple[str, list[str]]:
    """Fill the template -> its text, and the names of the fields that are "not stated".

    Plain text is escaped; ``Markup`` is Markdown that stays as it is.
    """
    unstated = []

    def state(name: str, _what: str) -> str:
        if value := fields.get(name):
            return value
        unstated.append(name)
        return NOT_STATED

    return render_markdown(_TEMPLATE, state=state), unstated


def empty_card() -> str:
    """Return the template as a form: every field says in brackets what belongs there."""
    return render_markdown(_TEMPLATE, state=lambda _name, what: f"[{what}]")


def header(
    name: str,
    licence: str,
    datasets: Sequence[str],
    tags: Sequence[str],
    scores: Sequence[CardScore],
) -> str:
    """Return the hub's YAML between two lines of dashes; each score becomes a result, in per cent.

    Args:
        name: of the network.
        licence: as people write it, "" if nobody said; one that the hub does not know is "other"
            with this name.
        datasets: names of those it was trained on.
        tags: beside those of the task.
        scores: of this network.
    """
    content: dict[str, Any] = {
        **_licence(licence),
        "library_name": "segibn",
        "pipeline_tag": _TASK,
        "tags": list(dict.fromkeys(["semantic-segmentation", "ibn-net", *map(slug, tags)])),
        "datasets": list(dict.fromkeys(datasets)),
    }
    if scores:
        content["metrics"] = ["mean_iou", "accuracy"]
        results = [_result(score) for score in scores]
        content["model-index"] = [{"name": name, "results": results}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n\n"


def slug(text: str) -> str:
    """Return words as the hub writes them: ``CC BY-NC 4.0`` -> cc-by-nc-4.0."""
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-")


def _licence(text: str) -> dict[str, str]:
    known = slug(text) or "unknown"
    if known in _LICENCES:
        return {"license": known}
    return {"license": "other", "license_name": known}


def _result(score: CardScore) -> dict[str, Any]:
    found = [
        ("mean_iou", "mIoU in %", score.miou),
        ("accuracy", "pixel accuracy in %", score.pixel_accuracy),
    ]
    return {
        "task": {"type": _TASK, "name": "Semantic segmentation"},
        "dataset": {"type": slug(score.name), "name": score.name},
        "metrics": [
            {"type": kind, "name": title, "value": round(100 * value, 2)}
            for kind, title, value in found
            if value is not None
        ],
    }


def read_scores(path: Path, checkpoint_sha256: str) -> list[CardScore]:
    """Read what a JSON of ``evaluate``, or rows of ``cross-domain``, say of a checkpoint.

    Raises:
        SegibnError: no scores file, or none of this checkpoint.
    """
    content, short = read_json(path), checkpoint_sha256[:12]
    if isinstance(content, list):
        rows = [row for row in content if _sha256(row) == checkpoint_sha256]
        if not rows:
            raise SegibnError(f"{path} has no row of this checkpoint ({short}...)")
        return [_card_score(row, row.get("test"), path) for row in rows]
    scores = Scores.from_dict(content, str(path))
    other = _sha256(content)
    if other not in (None, checkpoint_sha256):
        raise SegibnError(
            f"{path} holds the scores of another checkpoint ({other[:12]}..., the card's is "
            f"{short}...); score this one: segibn evaluate RUN --output FILE.json"
        )
    interval, frames = None, scores.frame_counts
    if frames is not None and len(frames.counts) >= 2:
        bounds = bootstrap_intervals(frames.counts, scores.conditions.policy, Resampling()).miou
        interval = (float(bounds[0]), float(bounds[1]))
    plain = scores.to_dict()
    plain["signature"] = content.get("signature", scores.signature)
    return [_card_score(plain, scores.conditions.evaluation_set, path, interval)]


def _card_score(
    row: Mapping[str, Any], name: object, path: Path, interval: tuple[float, float] | None = None
) -> CardScore:
    try:
        return CardScore(
            str(name),
            int(row["num_images"]),
            row["miou"],
            interval,
            row["pixel_accuracy"],
            str(row["signature"]),
            dict(row["iou"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise SegibnError(f"{path}: a row lacks what a score needs ({error!r})") from error


def _sha256(content: Any) -> str | None:
    return content.get("checkpoint_sha256") if isinstance(content, Mapping) else None


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
