"""Changes of appearance and unknown objects, as HTML: what ``segibn stress`` wrote."""

from collections.abc import Mapping

from markupsafe import Markup

from segibn.evaluation.rows import describe_seeds, network_titles
from segibn.evaluation.stress import ORIGINAL, Cell, group_stress, mean_retention
from segibn.report.content import Stressed
from segibn.report.templates import render


def stress_table(given: Stressed) -> Markup:
    """Write the table of changes x networks; SegibnError for malformed rows."""
    cells = group_stress(given.rows)
    changes = list(dict.fromkeys(row["transform"] for row in given.rows))
    corruptions = [*dict.fromkeys(row["transform"] for row in given.rows if row["level"] is not None)]
    levels = sorted({row["level"] for row in given.rows} - {None})
    return render(
        "stress.html",
        networks=list(network_titles(cells).values()),
        lines=[(change, [_cell(change, found) for found in cells.values()]) for change in changes],
        means=[mean_retention(found, corruptions) for found in cells.values()] if len(corruptions) > 1 else [],
        levels=levels,
        test=given.rows[0]["test"],
        seeds=describe_seeds(given.rows),
        ood=given.ood,
    )


def _cell(change: str, found: Mapping[str, Cell]) -> dict[str, object] | None:
    cell = found.get(change)
    if cell is None:
        return None
    text, gain = cell.miou.text().replace("±", " ± "), None if change == ORIGINAL else -cell.drop.mean
    return {"text": text, "mean": cell.miou.mean, "gain": gain, "retained": cell.retention}
