"""Folders of results: the files that hold rows of scores, and their tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from segibn.evaluation.cross_domain import format_cross_domain
from segibn.evaluation.feature_divergence import format_divergence
from segibn.evaluation.inference_table import format_inference
from segibn.evaluation.stress import format_stress
from segibn.files.writing import read_json

ROWS_FILE = "cross_domain.json"
CONDITIONS_FILE = "conditions.json"
STRESS_FILE = "stress.json"
OOD_FILE = "ood.json"  # beside it, where unknown objects were scored too

_TABLES: dict[str, Callable[[Any], str]] = {
    STRESS_FILE: format_stress,
    "feature_divergence.json": lambda content: format_divergence(content["rows"]),
    "inference.json": format_inference,
}


def render_folder(folder: Path) -> str:
    """Render the table of a results folder, of whichever kind its rows are, as Markdown."""
    for name, table in _TABLES.items():
        if (folder / name).is_file():
            return table(read_json(folder / name))
    rows, conditions_file = read_json(folder / ROWS_FILE), folder / CONDITIONS_FILE
    given = read_json(conditions_file) if conditions_file.exists() else {}
    return format_cross_domain(rows, given.get("dataset_of"), given.get("published_note", ""))
