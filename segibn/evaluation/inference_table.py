"""Ways to show a network a frame, side by side: rows of single scores in, a Markdown table out."""

from collections.abc import Mapping, Sequence

from segibn.evaluation.rows import Network, Row, Seeds, check_rows, gather
from segibn.text import markdown_table

WAY_KEYS = ("network", "way", "inference")  # besides ``ROW_KEYS``: the way's name, and the signature's word for it


def format_inference(rows: Sequence[Row]) -> str:
    """Format networks and test sets x ways; the first way is what the others are compared with."""
    check_rows(rows, "rows of ways to predict", WAY_KEYS)
    ways = list(dict.fromkeys(row["way"] for row in rows))
    lines = gather(rows, lambda row: (Network.of(row), row["test"]), "way")
    body = [
        [network.train, network.title, test, *(_cell(cells, way, ways[0]) for way in ways)]
        for (network, test), cells in lines.items()
    ]
    text = markdown_table(["train", "network", "test", *ways], body, right=3)
    seeds = sorted({row["seed"] for row in rows})
    several = "mean ± sample standard deviation over seeds" if len(seeds) > 1 else "seed"
    legend = (
        f"mIoU in %; {several} {', '.join(map(str, seeds))}. In brackets: points above or below "
        f"`{ways[0]}`, seed by seed."
    )
    words = {row["way"]: f"- {row['way']}: `{_words(row)}`" for row in rows}
    return "\n".join([*text, "", legend, "", *words.values(), ""])


def _cell(cells: Mapping[str, Sequence[Row]], way: str, first: str) -> str:
    """Mean over seeds, and the difference to the first way, paired by seed."""
    found, base = ({row["seed"]: row["miou"] for row in cells.get(w, [])} for w in (way, first))
    text = Seeds(found.values()).text()
    if way == first or base.keys() != found.keys():
        return text
    differences = Seeds(value - base[seed] for seed, value in found.items())
    return f"{text} ({differences.text(sign='+')})"


def _words(row: Row) -> str:
    """The part of a signature that says how frames met the network."""
    parts = str(row.get("signature", "")).split("|")
    kept = [part for part in parts if part.partition(":")[0] in ("infer", "scales", "flip")]
    return "|".join(kept) or str(row["inference"])
