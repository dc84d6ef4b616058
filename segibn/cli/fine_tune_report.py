"""The files of ``fine_tune``: rows, their conditions, the table and the chart.

In: rows. Out: ``fine_tune.json``, ``conditions.json``, ``fine_tune.md``, ``fine_tune.png``.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segibn.evaluation.fine_tune import group_rows, share_titles
from segibn.files import write_image, write_json, write_text
from segibn.report.tables import CONDITIONS_FILE, FINE_TUNE_FILE, render_folder

MARKDOWN_FILE = "fine_tune.md"
PICTURE_FILE = "fine_tune.png"

_MARGIN = 0.06
"""Of the chart's width, left of the smallest share and right of the largest."""


def write_fine_tune(
    output: Path, rows: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]
) -> None:
    """Write all four files; the chart is that of the first test set, the target's."""
    write_json(output / FINE_TUNE_FILE, rows)
    write_json(output / CONDITIONS_FILE, conditions)
    write_text(output / MARKDOWN_FILE, render_folder(output))
    write_image(output / PICTURE_FILE, draw_fine_tune(rows, rows[0]["test"]))


def draw_fine_tune(rows: Sequence[Mapping[str, Any]], test: str) -> np.ndarray:
    """Draw mIoU on a test set against the share of the target, which has a logarithmic axis.

    A colour for each network; broken lines are those without a source; bars are one sample
    standard deviation over seeds to either side.

    Returns:
        (480, 960, 3) uint8 RGB.
    """
    from segibn.analysis.plot import Curve, draw_curves

    found = group_rows(rows, test)
    titles = share_titles(rows)
    networks = list(dict.fromkeys(line.network for line in found))
    curves = {
        line.title: Curve(
            [100 * point.mean_miou for point in points.values()],
            [100 * point.miou_spread for point in points.values()],
            color=networks.index(line.network),
            dashed=not line.fine_tuned,
        )
        for line, points in found.items()
    }
    title = f"mIoU in % on {test} by share of the target's training frames"
    return draw_curves(curves, list(titles.values()), title, _places(list(titles)))


def _places(shares: Sequence[float]) -> list[float]:
    """Place shares on a logarithmic axis, 0 (left) to 1 (right)."""
    first, last = math.log(shares[0]), math.log(shares[-1])
    if first == last:
        return [0.5]
    return [
        _MARGIN + (1 - 2 * _MARGIN) * (math.log(share) - first) / (last - first) for share in shares
    ]
