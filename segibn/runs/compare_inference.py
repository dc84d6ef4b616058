"""Trained networks x ways in which frames reach them: a table of scores."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segibn import distributed
from segibn.config.data import DatasetConfig
from segibn.evaluation.inference_table import format_inference
from segibn.files.writing import write_json, write_text
from segibn.inference.config import InferenceConfig
from segibn.runs.cross_domain import headline
from segibn.runs.evaluate import circumstances, score_run
from segibn.runs.loading import device_of, load_checkpoint

ROWS_FILE, MARKDOWN_FILE, CONDITIONS_FILE = "inference.json", "inference.md", "conditions.json"


def compare_inference(
    sources: Sequence[str | Path],
    sets: Mapping[str, DatasetConfig],
    ways: Mapping[str, InferenceConfig],
    datasets_root: Path,
    output: Path | None = None,
    device: str | None = None,
) -> tuple[str, str]:
    """Score every run on every set in every way -> the table, and the way of the highest score.

    On every rank, the first writes rows, table and conditions to ``output``, if there is one.
    ``sets`` and ``ways``: by their names in the table.
    """
    place = device_of(device)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frames: dict[str, list[str]] = {}
    seen: dict[str, dict[str, Any]] = {}
    with distributed.process_group(place):
        for run in map(load_checkpoint, sources):
            record = run.record()
            for (label, dataset), (name, way) in itertools.product(sets.items(), ways.items()):
                placed = run.asked(way, place)
                scores = score_run(placed, dataset, datasets_root)
                found = scores.to_dict()
                seen_as = found["conditions"]["inference"]
                rows.append(headline(record, label, found, way=name, inference=seen_as))
                conditions = circumstances(place, placed.options)
                seen[name] = placed.options.to_dict()
                frames[label] = list(scores.frames)
    table = format_inference(rows)
    if output is not None and distributed.is_main():
        conditions.pop("inference")
        write_json(output / ROWS_FILE, rows)
        write_json(output / CONDITIONS_FILE, conditions | {"frames": frames, "ways": seen})
        write_text(output / MARKDOWN_FILE, table)
    return table, max(rows, key=lambda row: row["miou"])["way"]
