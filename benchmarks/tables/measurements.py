"""Tables of models, memory, number formats and times, from the JSON that the benchmarks write."""

from collections.abc import Mapping, Sequence
from typing import Any

from segibn.text import markdown_table

Content = Mapping[str, Any]


def render_models(content: Content) -> str:
    """What `benchmarks/models.py` writes: size and time of each backbone, published errors."""
    head = ("network", "M parameters", "G multiply-adds", "ms", "top-1 / top-5 error, published")
    body = []
    for row in content["rows"]:
        suffix = "" if row["ibn"] == "none" else f"-IBN-{row['ibn']}"
        errors = (row["top1_error"], row["top5_error"])
        body.append(
            (
                f"`{row['name']}`{suffix}",
                f"{row['parameters'] / 1e6:.1f}",
                f"{row['multiply_adds'] / 1e9:.1f}",
                f"{row['cpu_ms']:.0f}",
                "-" if None in errors else "{:.2f} / {:.2f}".format(*errors),
            )
        )
    height, width = content["size"]
    legend = (
        f"Backbone alone, one frame of {height}x{width}; time on {content['device']}, float32. "
        "Errors in % on ImageNet, as published with the weights (IBN-Net's README, torchvision), "
        "not measured here."
    )
    return _with_legend(markdown_table(head, body, right=1, escape=False), legend)


def render_memory(content: Content) -> str:
    """What `benchmarks/inference_memory.py` writes: peaks in MiB."""
    head = ("how frames meet the network", "views", "frames", "network", "in all", "added")
    body = []
    for row in content["rows"]:
        numbers = (row["network_mib"], row["peak_mib"], row["added_mib"])
        shown = ["?" if number is None else f"{number:.0f}" for number in numbers]
        way = row["way"].replace("|", " ")
        body.append((f"`{way}`", str(row["views"]), str(row["frames"]), *shown))
    height, width = content["size"]
    legend = (
        f"MiB that the process grew by at most; {content['classes']} classes, frames of "
        f"{height}x{width}, {content['network']}, float32, {content['device']}."
    )
    return _with_legend(markdown_table(head, body, right=1, escape=False), legend)


def render_precision(content: Content) -> str:
    """What `benchmarks/export_scores.py` writes: mIoU by number format, change against the first.

    All ways of a network begin with the same.
    """
    rows = content["rows"]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    several = len({row["seed"] for row in rows}) > 1
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        seed = f", seed {row['seed']}" if several else ""
        variant = "no IBN" if row["ibn"] == "none" else f"IBN-{row['ibn']}"
        key = (f"{row['network']}, {variant}{seed}", row["test"])
        scores.setdefault(key, {})[row["way"]] = row["miou"]
    body = []
    for names, found in scores.items():
        first = found[ways[0]]
        changes = [f"{100 * found[way]:.2f} ({100 * (found[way] - first):+.2f})" for way in ways[1:]]
        body.append((*names, f"{100 * first:.2f}", *changes))
    legend = (
        f"mIoU in %, in brackets the change in points; int8 calibrated on "
        f"{content['calibration_frames']} frames of the training set ({rows[0]['train']})."
    )
    return _with_legend(markdown_table(("network", "scored on", *ways), body, right=2), legend)


def render_timings(rows: Sequence[Content]) -> str:
    """Rows of one script with the keys of `benchmarks.timing.Row`."""
    head = ("subject", "against", "time ratio", "quartiles", "ms", "against, ms")
    body = [
        (
            row["subject"],
            row["against"],
            f"{row['ratio']:.3f}",
            "{:.3f}-{:.3f}".format(*row["ratio_quartiles"]),
            f"{1000 * row['seconds']:.2f}",
            f"{1000 * row['against_seconds']:.2f}",
        )
        for row in rows
    ]
    legend = f"{rows[0]['pairs']} pairs on {rows[0]['device']}; {rows[0]['conditions']}."
    return _with_legend(markdown_table(head, body, right=2), legend)


def _with_legend(table: Sequence[str], legend: str) -> str:
    return "\n".join([*table, "", legend]) + "\n"
