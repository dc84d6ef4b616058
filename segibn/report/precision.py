"""A table of mIoU by number format, rendered from what `benchmarks/export_scores.py` writes."""

from collections.abc import Mapping
from typing import Any


def render_precision(content: Mapping[str, Any]) -> str:
    """Render mIoU in percent, and in brackets the change against the first way, in points.

    Args:
        content: "rows" with "network", "ibn", "test", "way" and "miou" (fractions), all ways of a
            network beginning with the same; "calibration_frames".
    """
    rows = content["rows"]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        seed = f", seed {row['seed']}" if len({r["seed"] for r in rows}) > 1 else ""
        variant = "no IBN" if row["ibn"] == "none" else f"IBN-{row['ibn']}"
        key = (f"{row['network']}, {variant}{seed}", row["test"])
        scores.setdefault(key, {})[row["way"]] = row["miou"]
    lines = [
        "| " + " | ".join(("network", "scored on", *ways)) + " |",
        "| --- | --- |" + " ---: |" * len(ways),
    ]
    for (network, test), found in scores.items():
        first = found[ways[0]]
        cells = [f"{100 * first:.2f}"]
        cells += [f"{100 * found[way]:.2f} ({100 * (found[way] - first):+.2f})" for way in ways[1:]]
        lines.append("| " + " | ".join((network, test, *cells)) + " |")
    lines.append("")
    lines.append(
        f"mIoU in %, in brackets the change in points; int8 calibrated on "
        f"{content['calibration_frames']} frames of the training set ({rows[0]['train']})."
    )
    return "\n".join(lines) + "\n"
