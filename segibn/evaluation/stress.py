"""Networks under changes of appearance: rows in, a table of changes x networks out.

That of IBN-Net (arXiv 1807.09441, table 1), with levels and, for each change, the retention:
the mIoU under it as a share of that on frames as they are, averaged over levels.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from segibn.errors import SegibnError
from segibn.evaluation.rows import Network, Row, Seeds, by_network, check_rows, describe_seeds, network_titles
from segibn.text import markdown_table

ORIGINAL = "original"
STRESS_KEYS = ("transform", "level")
"""Besides ``ROW_KEYS``: the change of appearance, and how strong (None where it has no levels)."""


class Cell(NamedTuple):
    """One network under one change, averaged over its levels."""

    miou: Seeds
    drop: Seeds  # what the same runs scored more on frames as they are
    retention: Seeds  # mIoU as a share of that on frames as they are; NaN where that is 0


Cells = dict[Network, dict[str, Cell]]
"""Network -> change -> scores; networks in the paper's order, changes in that of the rows."""


def group_stress(rows: Sequence[Row]) -> Cells:
    """Gather seeds and levels; every run must be scored on frames as they are too."""
    check_rows(rows, "stress rows", STRESS_KEYS)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    if len(tests) > 1:
        raise SegibnError(f"stress rows: one table is of one test set, not {', '.join(tests)}")
    cells: Cells = {}
    for network, changes in by_network(rows, "transform").items():
        original = {row["seed"]: row["miou"] for row in changes.get(ORIGINAL, [])}
        cells[network] = {}
        for change, found in changes.items():
            if alone := [row["seed"] for row in found if row["seed"] not in original]:
                raise SegibnError(
                    f"stress rows: {network.title}, seed {alone[0]}, has no row of frames as "
                    f"they are (transform {ORIGINAL})"
                )
            levels: dict[int, list[float]] = {}
            for row in found:
                levels.setdefault(row["seed"], []).append(row["miou"])
            means = {seed: fmean(scores) for seed, scores in levels.items()}
            cells[network][change] = Cell(
                Seeds(means.values()),
                Seeds(original[seed] - mean for seed, mean in means.items()),
                Seeds(mean / (original[seed] or float("nan")) for seed, mean in means.items()),
            )
    return cells


def format_stress(rows: Sequence[Row]) -> str:
    """Format the table as Markdown; below the changes the mean retention of all with levels."""
    cells = group_stress(rows)
    changes = dict.fromkeys(row["transform"] for row in rows)
    body = [[change, *(_text(change, found.get(change)) for found in cells.values())] for change in changes]
    corruptions = [*dict.fromkeys(row["transform"] for row in rows if row["level"] is not None)]
    if len(corruptions) > 1:
        means = [mean_retention(of, corruptions).text() for of in cells.values()]
        body.append(["**mean retention**", *(f"{mean} %" if mean != "-" else mean for mean in means)])
    levels = {row["level"] for row in rows} - {None}
    which = ", ".join(map(str, sorted(levels)))
    strength = f"; {'level' if len(levels) == 1 else 'mean of levels'} {which} of 5" if levels else ""
    legend = (
        f"mIoU on {rows[0]['test']} in %, in brackets the change in points against frames as they "
        f"are and what is retained of that score{strength}; {describe_seeds(rows)}."
    )
    lines = markdown_table(["appearance", *network_titles(cells).values()], body)
    return "\n".join([*lines, "", legend, ""])


def mean_retention(changes: Mapping[str, Cell], names: Sequence[str]) -> Seeds:
    """Average the retention over changes, for each seed; empty where there is none of them."""
    found = [changes[name].retention for name in names if name in changes]
    return Seeds(map(fmean, zip(*found, strict=True)))


def _text(change: str, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    gain = Seeds(-drop for drop in cell.drop)
    text = cell.miou.text()
    if change == ORIGINAL:
        return text
    return f"{text} ({gain.text(sign='+')}, {100 * cell.retention.mean:.0f} %)"
