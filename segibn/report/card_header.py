"""The YAML that a model card begins with, by which the Hugging Face hub lists and finds it.

In: names and scores of a card. Out: a block between two lines of dashes, in the hub's own terms
(its model card metadata). What nobody states is left out, or "unknown" where the hub has that.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from segibn.report.card_scores import CardScore

_TASK = "image-segmentation"
_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0"),
    *("cc-by-nc-nd-4.0", "openrail", "unknown", "other"),
)
"""Those of the hub's identifiers that people write."""


def header(
    name: str,
    licence: str,
    datasets: Sequence[str],
    tags: Sequence[str],
    scores: Sequence[CardScore],
) -> str:
    """Return the block, with a line break after it.

    Args:
        name: of the network.
        licence: as people write it, "" if nobody said; one that the hub does not know is "other"
            with this name.
        datasets: names of those it was trained on.
        tags: beside those of the task.
        scores: each becomes a result, in per cent.
    """
    content: dict[str, Any] = {
        **_licence(licence),
        "library_name": "segibn",
        "pipeline_tag": _TASK,
        "tags": list(dict.fromkeys(["semantic-segmentation", "ibn-net", *tags])),
        "datasets": list(dict.fromkeys(datasets)),
    }
    if scores:
        content["metrics"] = ["mean_iou", "accuracy"]
        results = [_result(score) for score in scores]
        content["model-index"] = [{"name": name, "results": results}]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n\n"


def _licence(text: str) -> dict[str, str]:
    known = slug(text)
    if not text:
        return {"license": "unknown"}
    if known in _LICENCES:
        return {"license": known}
    return {"license": "other", "license_name": known}


def slug(text: str) -> str:
    """Return words as the hub writes them: lower case, hyphens; ``CC BY-NC 4.0``: cc-by-nc-4.0."""
    return re.sub(r"[^\w.]+", "-", text.lower()).strip("-")


def _result(score: CardScore) -> dict[str, Any]:
    found = {"mean_iou": ("mIoU in %", score.miou)}
    found["accuracy"] = ("pixel accuracy in %", score.pixel_accuracy)
    return {
        "task": {"type": _TASK, "name": "Semantic segmentation"},
        "dataset": {"type": slug(score.name), "name": score.name},
        "metrics": [
            {"type": kind, "name": title, "value": round(100 * value, 2)}
            for kind, (title, value) in found.items()
            if value is not None
        ],
    }
