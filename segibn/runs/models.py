"""The networks that are at hand: shipped ones, trained runs, published weights. No torch."""

import json
from collections.abc import Iterator

import yaml

from segibn.config.shipped import shipped_networks
from segibn.description import KEY
from segibn.evaluation.scores import format_percent
from segibn.files.writing import read_json
from segibn.models.weights.sources import PUBLISHED
from segibn.runs.find import find_checkpoint, find_runs
from segibn.text import byte_count, counted

Row = tuple[str, ...]
"""Name, classes, size, scores, licence; "" where nothing is known."""


def shipped() -> Iterator[Row]:
    """Yield the networks that ship with the package, as their cards describe them."""
    from safetensors import safe_open

    for name, path in shipped_networks().items():
        with safe_open(path, "np") as file:
            said = json.loads(file.metadata()[KEY])
        card = yaml.safe_load(path.with_suffix(".md").read_text(encoding="utf-8").split("---\n")[1])
        found = [
            f"{result['dataset']['name']} {result['metrics'][0]['value']:.1f}"
            for model in card["model-index"]
            for result in model["results"]
        ]
        classes = counted(len(said["class_names"]), "class", "classes")
        licence = card.get("license_name", card["license"])
        yield name, classes, byte_count(path.stat().st_size), ", ".join(found), licence


def trained() -> Iterator[Row]:
    """Yield the runs below ./runs and the folders of SEGIBN_RUNS, with the scores they keep."""
    for name, folder in find_runs().items():
        scores = {path.stem: read_json(path) for path in sorted(folder.glob("scores/*.json"))}
        known = max((len(content["class_names"]) for content in scores.values()), default=0)
        found = [f"{title} {format_percent(content['miou'])}" for title, content in scores.items()]
        size = byte_count(find_checkpoint(folder).stat().st_size)
        yield name, counted(known, "class", "classes") if known else "", size, ", ".join(found) or "not scored", ""


def published() -> Iterator[Row]:
    """Yield the ImageNet backbones that ``model.weights`` can have downloaded."""
    for (release, network, ibn), source in PUBLISHED.items():
        name = network if ibn == "none" else f"{network}, IBN-{ibn}"
        error = "" if source.top1_error is None else f"top-1 error {source.top1_error:.2f} %"
        yield f"{name} ({release})", "1000 classes", "", error, source.licence
