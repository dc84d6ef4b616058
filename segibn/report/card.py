"""The model card: what a template asks for, filled from a run; nothing in it is made up.

In: fields by name (of the run and of its scores). Out: Markdown, begun by the YAML by which the
Hugging Face hub lists and finds it. What nobody states is "not stated".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from segibn.report.card_scores import NOT_STATED, CardScore
from segibn.report.templates import render_markdown

_TEMPLATE = "model_card.md"
_TASK = "image-segmentation"
_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "openrail", "unknown", "other"),
)
"""Those of the hub's identifiers that people write."""


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
