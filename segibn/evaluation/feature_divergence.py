"""Feature divergence table: one row a run in, features x networks out (Markdown, or curves).

The numbers are ``segibn.analysis.divergence``'s; this module only averages seeds and prints, so
that a results file becomes a table without torch.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from segibn.errors import SegibnError
from segibn.evaluation.cross_domain import (
    Network,
    describe_seeds,
    markdown_table,
    mean_and_deviation,
    rank_of,
)

DIVERGENCE_KEYS = ("train", "network", "ibn", "seed", "domains", "divergence")
"""Keys every row has: ``domains`` are the two names, ``divergence`` maps features to values."""

Curves = dict[Network, dict[str, list[float]]]
"""Network -> feature -> a value for each seed."""


def group_divergence(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Gather the seeds of each kind of network, in the paper's order.

    Raises:
        SegibnError: a row is incomplete, given twice, or of other domains than the first.
    """
    found: Curves = defaultdict(lambda: defaultdict(list))
    seen: set[tuple[Network, int]] = set()
    for number, row in enumerate(rows, start=1):
        missing = [key for key in DIVERGENCE_KEYS if key not in row]
        if missing:
            raise SegibnError(f"feature divergence: row {number} has no {', '.join(missing)}")
        if row["domains"] != rows[0]["domains"]:
            raise SegibnError(
                f"feature divergence: row {number} compares {' and '.join(row['domains'])}, the "
                f"first {' and '.join(rows[0]['domains'])}; one table is of one pair"
            )
        network = Network(row["train"], row["network"], row["ibn"])
        if (network, row["seed"]) in seen:
            raise SegibnError(f"feature divergence: row {number} repeats network and seed")
        seen.add((network, row["seed"]))
        for name, value in row["divergence"].items():
            found[network][name].append(value)
    trains = list(dict.fromkeys(network.train for network in found))
    order = sorted(found, key=lambda item: (trains.index(item.train), item.backbone, rank_of(item)))
    return {network: dict(found[network]) for network in order}


def curve_titles(curves: Curves) -> dict[Network, str]:
    """Return a name for each network that says no more than is needed to tell them apart."""
    several = len({network.train for network in curves}) > 1
    return {
        network: f"{network.title} from {network.train}" if several else network.title
        for network in curves
    }


def format_divergence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format features x networks as Markdown.

    Raises:
        SegibnError: as ``group_divergence``.
    """
    curves = group_divergence(rows)
    titles = curve_titles(curves)
    deepest = max(curves.values(), key=len)
    body = []
    for name in deepest:
        body.append([name, *(_cell(features.get(name, [])) for features in curves.values())])
    means = [_cell(_means(features)) for features in curves.values()]
    lines = markdown_table(["feature", *titles.values()], [*body, ["mean", *means]])
    a, b = rows[0]["domains"]
    lines += [
        "",
        f"Symmetric KL divergence of {a} and {b}, mean over channels, of the spatial means after "
        f"each block (IBN-Net, section 4.3); {describe_seeds(rows)}.",
    ]
    return "\n".join(lines) + "\n"


def _means(features: Mapping[str, Sequence[float]]) -> list[float]:
    """Mean over features, one for each seed."""
    return [fmean(values) for values in zip(*features.values(), strict=True)]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    mean, deviation = mean_and_deviation(values)
    return f"{mean:.3f}±{deviation:.3f}" if len(values) > 1 else f"{mean:.3f}"
