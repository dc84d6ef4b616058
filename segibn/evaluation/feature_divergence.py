"""Feature divergence table: a row a run in, features x networks out (Markdown, or curves)."""

from collections.abc import Sequence
from statistics import fmean

from segibn.errors import SegibnError
from segibn.evaluation.rows import Network, Row, Seeds, by_network, describe_seeds, network_titles
from segibn.text import markdown_table

DIVERGENCE_KEYS = ("train", "network", "ibn", "seed", "domains", "divergence")
"""Keys every row has: ``domains`` are the two names, ``divergence`` maps features to values."""


def group_divergence(rows: Sequence[Row]) -> dict[Network, dict[str, Seeds]]:
    """Gather the seeds of each kind of network, in the paper's order; of one pair of domains."""
    seen: set[tuple[Network, int]] = set()
    for number, row in enumerate(rows, start=1):
        if missing := [key for key in DIVERGENCE_KEYS if key not in row]:
            raise SegibnError(f"feature divergence: row {number} has no {', '.join(missing)}")
        if row["domains"] != rows[0]["domains"]:
            raise SegibnError(
                f"feature divergence: row {number} compares {' and '.join(row['domains'])}, the "
                f"first {' and '.join(rows[0]['domains'])}; one table is of one pair"
            )
        network = Network.of(row)
        if (network, row["seed"]) in seen:
            raise SegibnError(f"feature divergence: row {number} repeats network and seed")
        seen.add((network, row["seed"]))
    features = [{**row, "feature": name, "value": value} for row in rows for name, value in row["divergence"].items()]
    return {
        network: {name: Seeds(row["value"] for row in cells) for name, cells in found.items()}
        for network, found in by_network(features, "feature").items()
    }


def format_divergence(rows: Sequence[Row]) -> str:
    """Format features x networks as Markdown."""
    curves = group_divergence(rows)
    columns = []
    for found in curves.values():
        columns.append(found | {"mean": Seeds(map(fmean, zip(*found.values(), strict=True)))})
    names = max(columns, key=len)
    body = [[name, *(one.get(name, Seeds()).text(1, 3) for one in columns)] for name in names]
    lines = markdown_table(["feature", *network_titles(curves).values()], body)
    a, b = rows[0]["domains"]
    legend = (
        f"Symmetric KL divergence of {a} and {b}, mean over channels, of the spatial means after "
        f"each block (IBN-Net, section 4.3); {describe_seeds(rows)}."
    )
    return "\n".join([*lines, "", legend, ""])
