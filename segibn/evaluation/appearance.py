"""Appearance table of IBN-Net (arXiv 1807.09441), table 1: rows in, changes x networks out."""

from collections.abc import Sequence
from typing import NamedTuple

from segibn.errors import SegibnError
from segibn.evaluation.rows import (
    Network,
    Row,
    Seeds,
    by_network,
    check_rows,
    describe_seeds,
    network_titles,
)
from segibn.text import markdown_table

ORIGINAL = "original"
APPEARANCE_KEYS = ("transform", "level")
"""Besides ``ROW_KEYS``: the change of appearance, and how strong (None where it has no levels)."""


class Cell(NamedTuple):
    """One network under one change."""

    miou: Seeds
    drop: Seeds
    """What the same runs scored more on frames as they are."""


Cells = dict[Network, dict[str, Cell]]
"""Network -> change -> scores; networks in the paper's order, changes in that of the rows."""


def group_appearance(rows: Sequence[Row]) -> Cells:
    """Gather seeds and take the drops; every run must be scored on frames as they are too."""
    check_rows(rows, "appearance rows", APPEARANCE_KEYS)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    if len(tests) > 1:
        raise SegibnError(f"appearance rows: one table is of one test set, not {', '.join(tests)}")
    cells: Cells = {}
    for network, changes in by_network(rows, "transform").items():
        original = {row["seed"]: row["miou"] for row in changes.get(ORIGINAL, [])}
        cells[network] = {}
        for change, found in changes.items():
            if alone := [row["seed"] for row in found if row["seed"] not in original]:
                raise SegibnError(
                    f"appearance rows: {network.title}, seed {alone[0]}, has no row of frames as "
                    f"they are (transform {ORIGINAL})"
                )
            drop = Seeds(original[row["seed"]] - row["miou"] for row in found)
            cells[network][change] = Cell(Seeds(row["miou"] for row in found), drop)
    return cells


def format_appearance(rows: Sequence[Row]) -> str:
    """Format the table as Markdown."""
    cells = group_appearance(rows)
    body = [
        [change, *(_text(change, found.get(change)) for found in cells.values())]
        for change in dict.fromkeys(row["transform"] for row in rows)
    ]
    levels = {row["level"] for row in rows} - {None}
    strength = f"; level {', '.join(map(str, sorted(levels)))} of 5" if levels else ""
    legend = (
        f"mIoU on {rows[0]['test']} in %, in brackets the change in points against frames as they "
        f"are{strength}; {describe_seeds(rows)}."
    )
    lines = markdown_table(["appearance", *network_titles(cells).values()], body)
    return "\n".join([*lines, "", legend, ""])


def _text(change: str, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    gain = Seeds(-drop for drop in cell.drop)
    return cell.miou.text() + ("" if change == ORIGINAL else f" ({gain.text(sign='+')})")
