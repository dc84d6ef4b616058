"""Result tables for Markdown files: rendered from ``results/`` between two markers.

In: ``results/<name>/cross_domain.json`` (rows) and ``conditions.json`` beside it, or the rows of
``fine_tune.json``, ``appearance.json``, ``feature_divergence.json`` or ``inference.json``, or one
file ``results/<name>.json``. Out: the text between ``<!-- results:<name> -->`` and
``<!-- /results -->``; nothing there is typed by hand.
"""

import re
from pathlib import Path

from segibn.errors import SegibnError
from segibn.evaluation.appearance import format_appearance
from segibn.evaluation.cross_domain import format_cross_domain
from segibn.evaluation.feature_divergence import format_divergence
from segibn.evaluation.fine_tune import format_fine_tune
from segibn.evaluation.inference_table import format_inference
from segibn.files import read_json
from segibn.report import recipes
from segibn.report.generalisation import KIND, render_generalisation
from segibn.report.memory import render_memory
from segibn.report.models import render_models
from segibn.report.precision import render_precision
from segibn.report.timings import render_timings

ROWS_FILE = "cross_domain.json"
CONDITIONS_FILE = "conditions.json"
FINE_TUNE_FILE = "fine_tune.json"
APPEARANCE_FILE = "appearance.json"
DIVERGENCE_FILE = "feature_divergence.json"
INFERENCE_FILE = "inference.json"

_BLOCK = re.compile(
    r"(?P<open><!-- results:(?P<name>[\w./-]+) -->\n)(?P<body>.*?)(?P<close><!-- /results -->)",
    re.DOTALL,
)
_OPEN = re.compile(r"<!-- results:[^>]*-->")


def render_cross_domain(folder: Path) -> str:
    """Render the cross-domain table of a results folder as Markdown.

    Raises:
        SegibnError: the rows are missing or malformed.
    """
    rows = read_json(folder / ROWS_FILE)
    conditions_file = folder / CONDITIONS_FILE
    conditions = read_json(conditions_file) if conditions_file.exists() else {}
    return format_cross_domain(
        rows, conditions.get("dataset_of"), conditions.get("published_note", "")
    )


def render_folder(folder: Path) -> str:
    """Render the table of a results folder, of whichever kind its rows are.

    Raises:
        SegibnError: the rows are missing or malformed.
    """
    if (folder / APPEARANCE_FILE).is_file():
        return format_appearance(read_json(folder / APPEARANCE_FILE))
    if (folder / DIVERGENCE_FILE).is_file():
        return format_divergence(read_json(folder / DIVERGENCE_FILE)["rows"])
    if (folder / INFERENCE_FILE).is_file():
        return format_inference(read_json(folder / INFERENCE_FILE))
    if (folder / FINE_TUNE_FILE).is_file():
        return format_fine_tune(read_json(folder / FINE_TUNE_FILE))
    return render_cross_domain(folder)


def fill_tables(text: str, results: Path, source: str = "text") -> str:
    """Return the text with every marked table rendered anew.

    Args:
        text: Markdown.
        results: the folder ``results/``.
        source: file name for messages.

    Raises:
        SegibnError: a marker without its end, or without its results.
    """
    if len(_OPEN.findall(text)) != len(_BLOCK.findall(text)):
        raise SegibnError(
            f"{source}: each <!-- results:NAME --> stands on a line of its own and is followed "
            "by <!-- /results -->"
        )

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        file = results / f"{name}.json"
        if file.is_file():
            return match["open"] + _render_file(file) + match["close"]
        folder = results / name
        is_recipes = folder.name == recipes.NAME and not folder.is_dir()
        body = recipes.render_recipes(folder.parent) if is_recipes else render_folder(folder)
        return match["open"] + body + match["close"]

    return _BLOCK.sub(fill, text)


def _render_file(file: Path) -> str:
    content = read_json(file)
    if isinstance(content, list):
        return render_timings(file)
    if content.get("kind") == "precision":
        return render_precision(content)
    if content.get("kind") == KIND:
        return render_generalisation(file)
    return render_memory(file) if content.get("kind") == "memory" else render_models(file)
