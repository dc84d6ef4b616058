"""The networks that are at hand: shipped ones, trained runs, published weights. No torch."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from segibn.config.shipped import shipped_networks
from segibn.description import KEY
from segibn.evaluation.scores import format_percent
from segibn.files.writing import read_json
from segibn.models.weights.sources import PUBLISHED
from segibn.runs.find import find_checkpoint, find_runs
from segibn.text import byte_count, counted


class Row(NamedTuple):
    """A network as it is listed."""

    name: str
    classes: str
    size: str
    scores: str
    licence: str


def shipped() -> Iterator[Row]:
    """Yield the networks that ship with the package, as their cards describe them."""
    from safetensors import safe_open

    for name, path in shipped_networks().items():
        with safe_open(path, "np") as file:
            said = json.loads(file.metadata()[KEY])
        card = yaml.safe_load(path.with_suffix(".md").read_text(encoding="utf-8").split("---\n")[1])
        results = [result for model in card["model-index"] for result in model["results"]]
        scores = [
            f"{result['dataset']['name']} {metric['value']:.1f}"
            for result in results
            for metric in result["metrics"]
            if metric["type"] == "mean_iou"
        ]
        licence = card.get("license_name") or card["license"]
        yield _row(name, len(said["class_names"]), path, scores, licence)


def trained() -> Iterator[Row]:
    """Yield the runs below ./runs and the folders of SEGIBN_RUNS, with the scores they keep."""
    for name, folder in find_runs().items():
        found = [
            (path.stem, read_json(path)) for path in sorted((folder / "scores").glob("*.json"))
        ]
        scores = [f"{title} {format_percent(content['miou'])}" for title, content in found]
        classes = max((len(content["class_names"]) for _, content in found), default=0)
        yield _row(name, classes, find_checkpoint(folder), scores, "")


def published() -> Iterator[Row]:
    """Yield the ImageNet backbones that ``model.weights`` can have downloaded."""
    for (release, network, ibn), source in PUBLISHED.items():
        name = network if ibn == "none" else f"{network}, IBN-{ibn}"
        error = "" if source.top1_error is None else f"top-1 error {source.top1_error:.2f} %"
        yield Row(f"{name} ({release})", "1000", "", error, source.licence)


def _row(name: str, classes: int, path: Path, scores: list[str], licence: str) -> Row:
    known: Any = counted(classes, "class", "classes") if classes else ""
    size = byte_count(path.stat().st_size)
    return Row(name, known, size, ", ".join(scores) or "not scored", licence)
