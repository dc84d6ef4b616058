"""Ways to show a network a frame, side by side: rows of single scores in, a Markdown table out.

Whole frames, sliding windows, several scales: the same network scores otherwise under each, and
one with instance norm more so, since a window has other statistics than the frame it is cut from.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from segibn.evaluation.cross_domain import Network, check_rows, markdown_table

WAY_KEYS = ("network", "way", "inference")
"""Keys that a row has besides those of ``cross_domain``: the way's name, and the signature's word
for it."""


def format_inference(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format networks and test sets x ways; the first way is what the others are compared with.

    Args:
        rows: one for each network, seed, set and way; ``miou`` as a fraction.

    Raises:
        SegibnError: a row is incomplete or doubled, or a network was not scored in all ways.
    """
    check_rows(rows, "rows of ways to predict", WAY_KEYS)
    ways = dict.fromkeys(row["way"] for row in rows)
    lines: dict[tuple[Network, str], dict[str, dict[int, float]]] = {}
    for row in rows:
        network = Network(row["train"], row["network"], row["ibn"])
        cells = lines.setdefault((network, row["test"]), {})
        cells.setdefault(row["way"], {})[row["seed"]] = 100 * row["miou"]
    body = []
    for (network, test), cells in lines.items():
        shown = [_cell(cells, way, next(iter(ways))) for way in ways]
        body.append([network.train, network.title, test, *shown])
    text = markdown_table(["train", "network", "test", *ways], body)
    text[1] = "| --- | --- | --- |" + " ---: |" * len(ways)
    return "\n".join([*text, "", *_legend(rows)]) + "\n"


def _cell(cells: Mapping[str, Mapping[int, float]], way: str, first: str) -> str:
    """Mean over seeds, and the difference to the first way, paired by seed."""
    if way not in cells:
        return "-"
    values = list(cells[way].values())
    text = f"{fmean(values):.1f}"
    if len(values) > 1:
        text += f"±{stdev(values):.1f}"
    base = cells.get(first, {})
    if way == first or base.keys() != cells[way].keys():
        return text
    differences = [value - base[seed] for seed, value in cells[way].items()]
    spread = f"±{stdev(differences):.1f}" if len(differences) > 1 else ""
    return f"{text} ({fmean(differences):+.1f}{spread})"


def _legend(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    seeds = sorted({row["seed"] for row in rows})
    way = {row["way"]: f"`{_words(row)}`" for row in rows}
    first = next(iter(way))
    several = "mean ± sample standard deviation over seeds" if len(seeds) > 1 else "seed"
    listed = ", ".join(map(str, seeds))
    return [
        f"mIoU in %; {several} {listed}. In brackets: points above or below `{first}`, seed by "
        "seed.",
        "",
        *(f"- {name}: {words}" for name, words in way.items()),
    ]


def _words(row: Mapping[str, Any]) -> str:
    """The part of a signature that says how frames met the network."""
    parts = str(row.get("signature", "")).split("|")
    kept = [part for part in parts if part.partition(":")[0] in ("infer", "scales", "flip")]
    return "|".join(kept) or str(row["inference"])
