"""Learning curves of one or several runs: loss, learning rate and held-out mIoU over iterations.

In: ``Curve`` objects. Out: an HTML fragment: a table of the runs that is the legend too, a drawing
for each quantity, and the values as a table to unfold.
"""

from collections.abc import Callable, Sequence

import numpy as np

from segibn.report.charts.curve import Curve, Floats, smooth, smoothing_width
from segibn.report.charts.markup import DASH, Markup, el, join, percent
from segibn.report.charts.panel import Panel, Series, draw_panel, swatch

_MOST_VALUES = 60  # lines of a run in the table of values


def learning_curves(runs: Sequence[Curve]) -> str:
    """Draw the curves.

    Args:
        runs: each with a title of its own; a run without records is named as such.

    Returns:
        A ``<section>``.
    """
    last = max((_last_iteration(run) for run in runs), default=0)
    panels = [panel for panel in (_loss(runs), _lr(runs), _miou(runs)) if panel is not None]
    drawn = el("div", *(draw_panel(panel, last) for panel in panels), class_="chart-panels")
    empty = None if panels else el("p", "No run has records yet.", class_="chart-note")
    return el(
        "section",
        _runs_table(runs),
        drawn if panels else empty,
        _note(runs),
        el(
            "details",
            el("summary", "Values of the curves"),
            el("div", _values_table(runs), class_="chart-scroll"),
            class_="chart-values",
        )
        if panels
        else None,
        class_="chart chart-curves",
    )


def _loss(runs: Sequence[Curve]) -> Panel | None:
    series = []
    for index, run in enumerate(runs):
        width = smoothing_width(run.loss.size)
        smoothed = smooth(run.loss, width) if width else None
        series.append(Series(run.title, run.iterations, run.loss, index, smoothed))
    return _panel("Loss", "", series, _loss_text)


def _lr(runs: Sequence[Curve]) -> Panel | None:
    series = [Series(run.title, run.iterations, run.lr, i) for i, run in enumerate(runs)]
    alike = len(runs) > 1 and all(
        np.array_equal(run.iterations, runs[0].iterations)
        and np.array_equal(run.lr, runs[0].lr, equal_nan=True)
        for run in runs[1:]
    )
    unit = "the same in all runs" if alike else ""
    shown = series[:1] if alike else series
    return _panel("Learning rate", unit, shown, lambda value: f"{value:.3g}", from_zero=True)


def _miou(runs: Sequence[Curve]) -> Panel | None:
    series = [
        Series(run.title, run.scored, 100 * run.miou, index, points=True)
        for index, run in enumerate(runs)
    ]
    return _panel("Held-out mIoU", "%", series, lambda value: f"{value:.1f} %", from_zero=True)


def _panel(
    title: str,
    unit: str,
    series: Sequence[Series],
    tell: Callable[[float], str],
    from_zero: bool = False,
) -> Panel | None:
    """Leave out the runs, and then the panels, that have nothing to show."""
    shown = [one for one in series if np.isfinite(one.y).any()]
    return Panel(title, unit, shown, tell, from_zero) if shown else None


def _runs_table(runs: Sequence[Curve]) -> Markup:
    head = ("run", "iterations", "loss", "mIoU %", "best %", "images/s")
    body = []
    for index, run in enumerate(runs):
        best = run.miou[np.isfinite(run.miou)]
        body.append(
            el(
                "tr",
                el("th", swatch(index), run.title, scope="row"),
                el("td", f"{_last_iteration(run):,}" if _last_iteration(run) else DASH),
                el("td", _loss_text(_last(run.loss))),
                el("td", percent(_last(run.miou))),
                el("td", _best(run) if best.size else DASH),
                el("td", _speed(run.images_per_s)),
            )
        )
    return el(
        "div",
        el(
            "table",
            el("thead", el("tr", *(el("th", text, scope="col") for text in head))),
            el("tbody", *body),
            class_="chart-table chart-runs",
        ),
        class_="chart-scroll",
    )


def _note(runs: Sequence[Curve]) -> Markup | None:
    """Say what was smoothed, and whether a loss was no number."""
    widths = {smoothing_width(run.loss.size) for run in runs} - {0}
    said = []
    if widths:
        listed = " or ".join(str(2 * width + 1) for width in sorted(widths))
        said.append(f"Loss: mean over {listed} records, over the records themselves (faint).")
    said.append("mIoU: on held-out frames of the domain the run was trained on.")
    for run in runs:
        broken = int((~np.isfinite(run.loss)).sum())
        if broken:
            said.append(f"{run.title}: the loss was no number in {broken:,} records.")
    return el("p", " ".join(said), class_="chart-note") if runs else None


def _values_table(runs: Sequence[Curve]) -> Markup:
    head = ("run", "iteration", "loss", "learning rate", "mIoU %", "images/s")
    body = [line for run in runs for line in _values(run)]
    return el(
        "table",
        el("thead", el("tr", *(el("th", text, scope="col") for text in head))),
        el("tbody", *body),
        class_="chart-table",
    )


def _values(run: Curve) -> list[Markup]:
    """Lines of a run: records at equal distances, and scored iterations likewise."""
    trained = {int(x): place for place, x in enumerate(run.iterations)}
    scored = {int(x): place for place, x in enumerate(run.scored)}
    shown = sorted({*_spread(list(trained)), *_spread(list(scored))})
    lines = []
    for iteration in shown:
        at, score = trained.get(iteration), scored.get(iteration)
        cells = (
            f"{iteration:,}",
            DASH if at is None else _loss_text(float(run.loss[at])),
            DASH if at is None else f"{run.lr[at]:.3g}",
            DASH if score is None else percent(float(run.miou[score])),
            DASH if at is None else _speed(run.images_per_s[at : at + 1]),
        )
        lines.append(el("tr", el("th", run.title, scope="row"), *(el("td", c) for c in cells)))
    return lines


def _spread(iterations: list[int]) -> list[int]:
    """At most ``_MOST_VALUES`` of them, first and last included."""
    if len(iterations) <= _MOST_VALUES:
        return iterations
    places = np.linspace(0, len(iterations) - 1, _MOST_VALUES).round().astype(int)
    return [iterations[place] for place in places]


def _last_iteration(run: Curve) -> int:
    both = np.concatenate([run.iterations, run.scored])
    return int(both.max()) if both.size else 0


def _last(values: Floats) -> float:
    return float(values[-1]) if values.size else float("nan")


def _best(run: Curve) -> Markup:
    place = int(np.nanargmax(run.miou))
    at = el("span", f" at {run.scored[place]:,}", class_="chart-unit")
    return join((percent(float(run.miou[place])), at))


def _loss_text(value: float) -> str:
    return f"{value:.4g}" if abs(value) >= 1e4 else DASH if np.isnan(value) else f"{value:.3f}"


def _speed(values: Floats) -> str:
    """Median over the records."""
    finite = values[np.isfinite(values)]
    return f"{np.median(finite):.1f}" if finite.size else DASH
