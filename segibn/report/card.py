"""The model card: fields of a run and its scores in, Markdown out; "not stated" where none is.

It begins with the YAML by which the Hugging Face hub lists and finds it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from segibn.errors import SegibnError
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.rows import check_rows
from segibn.evaluation.scores import Scores, format_percent
from segibn.files.writing import read_json
from segibn.report.templates import render_markdown
from segibn.text import markdown, markdown_code, markdown_table

NOT_STATED = "not stated"
_TASK = "image-segmentation"
_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "openrail", "unknown", "other"),
)  # those of the hub's identifiers that people write
_METRICS = {"mean_iou": ("mIoU in %", "miou"), "accuracy": ("pixel accuracy in %", "pixel_accuracy")}
POOR_IOU = 0.1  # classes below this are named under the card's limits

Score = Mapping[str, Any]
"""What a row of ``cross_domain.json`` says of one set (test, num_images, miou, pixel_accuracy, iou,
signature), and maybe the "interval": (low, high) of 95 % of the resamples of its frames."""


def fill(fields: Mapping[str, str]) -> tuple[str, list[str]]:
    """Fill the template -> its text, and the names of the fields that are "not stated"."""
    unstated = []

    def state(name: str, _what: str) -> str:
        if value := fields.get(name):
            return value
        unstated.append(name)
        return NOT_STATED

    return render_markdown("model_card.md", state=state), unstated


def header(name: str, licence: str, datasets: Sequence[str], tags: Sequence[str], scores: Sequence[Score]) -> str:
    """Return the hub's YAML between two lines of dashes; each score becomes a result, in per cent.

    ``licence``: as people write it, "" if nobody said; ``datasets``: those it was trained on.
    """
    known = slug(licence) or "unknown"
    content: dict[str, Any] = {
        "license": known if known in _LICENCES else "other",
        **({} if known in _LICENCES else {"license_name": known}),
        "library_name": "segibn",
        "pipeline_tag": _TASK,
        "tags": list(dict.fromkeys(["semantic-segmentation", "ibn-net", *map(slug, tags)])),
        "datasets": list(dict.fromkeys(datasets)),
    }
    if scores:
        content["metrics"] = list(_METRICS)
        content["model-index"] = [{"name": name, "results": [_result(score) for score in scores]}]
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)}---\n\n"


def slug(text: str) -> str:
    """Words as the hub writes them: ``CC BY-NC 4.0`` -> cc-by-nc-4.0."""
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-")


def _result(score: Score) -> dict[str, Any]:
    return {
        "task": {"type": _TASK, "name": "Semantic segmentation"},
        "dataset": {"type": slug(score["test"]), "name": score["test"]},
        "metrics": [
            {"type": kind, "name": title, "value": round(100 * score[key], 2)}
            for kind, (title, key) in _METRICS.items()
            if score[key] is not None
        ],
    }


def read_scores(path: Path, checkpoint_sha256: str) -> list[Score]:
    """Read what a JSON of ``evaluate`` or ``cross-domain`` says of a checkpoint, or SegibnError."""
    content, short = read_json(path), checkpoint_sha256[:12]
    if isinstance(content, list):
        rows = [row for row in content if _sha256(row) == checkpoint_sha256]
        if not rows:
            raise SegibnError(f"{path} has no row of this checkpoint ({short}...)")
        check_rows(rows, str(path), ("num_images", "signature", "iou"))
        return rows
    scores = Scores.from_dict(content, str(path))
    other = _sha256(content)
    if other not in (None, checkpoint_sha256):
        raise SegibnError(
            f"{path} holds the scores of another checkpoint ({other[:12]}..., the card's is "
            f"{short}...); score this one: segibn evaluate RUN --output FILE.json"
        )
    found = scores.to_dict() | {"test": scores.conditions.evaluation_set}
    frames = scores.frame_counts
    if frames is not None and len(frames.counts) >= 2:
        bounds = bootstrap_intervals(frames.counts, scores.conditions.policy, Resampling()).miou
        found["interval"] = (float(bounds[0]), float(bounds[1]))
    return [found | {"signature": content.get("signature", scores.signature)}]


def _sha256(content: Any) -> str | None:
    return content.get("checkpoint_sha256") if isinstance(content, Mapping) else None


def score_fields(scores: Sequence[Score]) -> dict[str, str]:
    """Fields that show scores, as Markdown; none without any."""
    if not scores:
        return {}
    tests = [score["test"] for score in scores]
    ious = [dict(score["iou"]) for score in scores]
    names = list(dict.fromkeys(name for iou in ious for name in iou))
    has_interval = any("interval" in score for score in scores)
    rows = [["data", "frames", "mIoU %", "95 % interval", "pixel accuracy %"], *map(_row, scores)]
    if not has_interval:
        rows = [[*row[:3], row[4]] for row in rows]
    table = markdown_table(rows[0], rows[1:], right=1)
    lines = [[name, *(format_percent(iou.get(name)) for iou in ious)] for name in names]
    note = "Intervals: bootstrap over the frames of each set; what another training would give is another matter."
    limits = [f"It was scored on {', '.join(tests)}, and on nothing else."]
    for test, iou in zip(tests, ious, strict=True):
        if poor := [name for name, value in iou.items() if value is not None and value < POOR_IOU]:
            limits.append(f"On {test} the IoU is below 10 % for: {', '.join(poor)}.")
    fields = {
        "scores": [*table, "", note] if has_interval else table,
        "signatures": [f"- {markdown_code(score['signature'])}" for score in scores],
        "class_scores": markdown_table(["class", *tests], lines, right=1),
        "known_limits": [f"- {markdown(line)}" for line in limits],
    }
    return {name: Markup("\n".join(lines)) for name, lines in fields.items()}


def _row(score: Score) -> list[str]:
    miou, accuracy = format_percent(score["miou"]), format_percent(score["pixel_accuracy"])
    interval = " to ".join(map(format_percent, score.get("interval", ()))) or NOT_STATED
    return [score["test"], str(score["num_images"]), miou, interval, accuracy]
