"""The files of ``fine_tune``: rows, their conditions, the table and the chart.

In: rows. Out: ``fine_tune.json``, ``conditions.json``, ``fine_tune.md``, ``fine_tune.png``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.charts.style import pixels
from segibn.evaluation.fine_tune import group_rows, share_titles
from segibn.evaluation.results import CONDITIONS_FILE, FINE_TUNE_FILE, render_folder
from segibn.files import write_image, write_json, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKDOWN_FILE = "fine_tune.md"
PICTURE_FILE = "fine_tune.png"


def write_fine_tune(
    output: Path, rows: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]
) -> None:
    """Write all four files; the chart is that of the first test set, the target's."""
    write_json(output / FINE_TUNE_FILE, rows)
    write_json(output / CONDITIONS_FILE, conditions)
    write_text(output / MARKDOWN_FILE, render_folder(output))
    write_image(output / PICTURE_FILE, pixels(draw_fine_tune(rows, rows[0]["test"])))


def draw_fine_tune(rows: Sequence[Mapping[str, Any]], test: str) -> "Figure":
    """Draw mIoU on a test set against the share of the target, which has a logarithmic axis.

    A colour for each network; broken lines are those without a source; bars are one sample
    standard deviation over seeds to either side.
    """
    from segibn.charts.lines import Line, line_chart

    found = group_rows(rows, test)
    networks = list(dict.fromkeys(line.network for line in found))
    lines = [
        Line(
            line.title,
            [100 * point.mean_miou for point in points.values()],
            list(points),
            [100 * point.miou_spread for point in points.values()],
            series=networks.index(line.network),
            dashed=not line.fine_tuned,
        )
        for line, points in found.items()
    ]
    title = f"mIoU in % on {test} by share of the target's training frames"
    return line_chart(lines, title, share_titles(rows), is_log=True)
