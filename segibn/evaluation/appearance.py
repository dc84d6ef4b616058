"""Appearance table: one row a run and change in, changes x networks out (Markdown, or bars).

The form of IBN-Net's table 1 (arXiv 1807.09441): a score, and in brackets what the change of
appearance took from it. Drops are taken run by run before seeds are averaged.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segibn.errors import SegibnError
from segibn.evaluation.cross_domain import (
    Network,
    check_rows,
    describe_seeds,
    markdown_table,
    mean_and_deviation,
    mean_and_spread,
    rank_of,
)

ORIGINAL = "original"
APPEARANCE_KEYS = ("transform", "level")
"""Keys a row has besides ``cross_domain.ROW_KEYS``: the change of appearance, and how strong (None
where it has no levels)."""


@dataclass(frozen=True)
class Cell:
    """One network under one change, a value for each seed; fractions."""

    miou: tuple[float, ...]
    drop: tuple[float, ...]
    """What the same runs scored more on frames as they are."""

    @property
    def mean_drop(self) -> float:
        """Mean over seeds, a fraction."""
        return mean_and_deviation(self.drop)[0]

    @property
    def drop_spread(self) -> float:
        """Sample standard deviation over seeds, 0 of one seed."""
        return mean_and_deviation(self.drop)[1]


Cells = dict[Network, dict[str, Cell]]
"""Network -> change -> scores; networks in the paper's order, changes in that of the rows."""


def group_appearance(rows: Sequence[Mapping[str, Any]]) -> Cells:
    """Gather seeds and take the drops.

    Raises:
        SegibnError: a row is incomplete or doubled, rows are of several test sets, or a run was not
            scored on frames as they are.
    """
    check_rows(rows, "appearance rows", APPEARANCE_KEYS)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    if len(tests) > 1:
        raise SegibnError(f"appearance rows: one table is of one test set, not {', '.join(tests)}")
    scores: dict[Network, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        network = Network(row["train"], str(row.get("network") or ""), row["ibn"])
        scores[network][row["seed"]][row["transform"]] = row["miou"]
    trains = list(dict.fromkeys(network.train for network in scores))
    order = sorted(scores, key=lambda n: (trains.index(n.train), n.backbone, rank_of(n)))
    return {network: _cells(network, scores[network]) for network in order}


def network_titles(networks: Sequence[Network]) -> dict[Network, str]:
    """Return a name for each network that says no more than is needed to tell them apart."""
    several = len({network.train for network in networks}) > 1
    return {n: f"{n.title} from {n.train}" if several else n.title for n in networks}


def format_appearance(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format the table as Markdown.

    Raises:
        SegibnError: as ``group_appearance``.
    """
    cells = group_appearance(rows)
    titles = network_titles(list(cells))
    body = [
        [change, *(_text(change, found.get(change)) for found in cells.values())]
        for change in dict.fromkeys(row["transform"] for row in rows)
    ]
    levels = {row["level"] for row in rows} - {None}
    strength = f"; level {', '.join(map(str, sorted(levels)))} of 5" if levels else ""
    lines = markdown_table(["appearance", *titles.values()], body)
    lines += [
        "",
        f"mIoU on {rows[0]['test']} in %, in brackets the change in points against frames as they "
        f"are{strength}; {describe_seeds(rows)}.",
    ]
    return "\n".join(lines) + "\n"


def _cells(network: Network, by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, Cell]:
    for seed, found in by_seed.items():
        if ORIGINAL not in found:
            raise SegibnError(
                f"appearance rows: {network.title}, seed {seed}, has no row of frames as they are "
                f"(transform {ORIGINAL})"
            )
    changes = dict.fromkeys(change for found in by_seed.values() for change in found)
    cells = {}
    for change in changes:
        having = [found for found in by_seed.values() if change in found]
        miou = tuple(found[change] for found in having)
        cells[change] = Cell(miou, tuple(found[ORIGINAL] - found[change] for found in having))
    return cells


def _text(change: str, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    text = mean_and_spread(cell.miou)
    if change == ORIGINAL:
        return text
    spread = f"±{100 * cell.drop_spread:.1f}" if len(cell.drop) > 1 else ""
    return f"{text} ({-100 * cell.mean_drop + 0.0:+.1f}{spread})"
