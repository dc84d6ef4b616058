"""How a run was trained: learning curves, and where the time of an update goes, as HTML."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from segibn.charts.lines import Line, line_chart
from segibn.charts.style import svg
from segibn.report.curve import Curve, smooth, smoothing_width
from segibn.report.templates import loss_text, render

_SIZE = (330.0, 200.0)  # of a panel, in points


@dataclass(frozen=True, eq=False)
class _Panel:
    """A quantity over iterations, and how its values are told."""

    title: str
    lines: Sequence[Line]
    tell: Callable[[float], str]
    unit: str = ""
    from_zero: bool = False


def learning_curves(runs: Sequence[Curve], key: str = "curves") -> Markup:
    """Draw loss, learning rate and held-out mIoU of runs, between tables of runs and of values."""
    last = max([1, *(run.last_iteration for run in runs)])
    panels = [
        (panel, _drawing(panel, last, f"{key}-{place}")) for place, panel in enumerate(_panels(runs)) if panel.lines
    ]
    widths = sorted({smoothing_width(run.loss.size) for run in runs} - {0})
    return render(
        "curves.html",
        runs=runs,
        panels=panels,
        smoothed=" or ".join(str(2 * width + 1) for width in widths),
        broken=[(run.title, int((~np.isfinite(run.loss)).sum())) for run in runs],
        values=[(run, *places) for run in runs for places in _listed(run)],
    )


def _panels(runs: Sequence[Curve]) -> list[_Panel]:
    loss, rate, miou = [], [], []
    for place, run in enumerate(runs):
        width = smoothing_width(run.loss.size)
        drawn = smooth(run.loss, width) if width else run.loss
        faint = run.loss if width else None
        loss.append(Line(run.title, drawn, run.iterations, (), faint, place, has_marks=False))
        rate.append(Line(run.title, run.lr, run.iterations, series=place, has_marks=False))
        miou.append(Line(run.title, 100 * run.miou, run.scored, series=place))
    is_shared = len(runs) > 1 and all(
        np.array_equal(run.iterations, runs[0].iterations) and np.array_equal(run.lr, runs[0].lr, equal_nan=True)
        for run in runs[1:]
    )
    loss, rate, miou = (
        [line for line in lines if np.isfinite(np.asarray(line.y)).any()] for lines in (loss, rate, miou)
    )
    rate, unit = (rate[:1], "the same in all runs") if is_shared else (rate, "")
    return [
        _Panel("Loss", loss, loss_text),
        _Panel("Learning rate", rate, lambda value: f"{value:.3g}", unit, from_zero=True),
        _Panel("Held-out mIoU", miou, lambda value: f"{value:.1f} %", "%", from_zero=True),
    ]


def _drawing(panel: _Panel, last: int, key: str) -> Markup:
    longest = max((np.asarray(line.x) for line in panel.lines), key=len)
    tips = {int(x): _told(panel, int(x)) for x in _spread(longest.tolist(), 80)}  # that answer to the pointer
    figure = line_chart(panel.lines, last=last, from_zero=panel.from_zero, has_legend=False, size=_SIZE, tips=tips)
    titles = ", ".join(line.label for line in panel.lines)
    told = f"{panel.title} of {titles} over {last:,} iterations; the table of values follows."
    return svg(figure, key, f"{panel.title} over iterations", told)


def _told(panel: _Panel, iteration: int) -> str:
    """Say what every line has at the record next to an iteration."""
    lines = [f"iteration {iteration:,}"]
    for line in panel.lines:
        x, y = np.asarray(line.x), np.asarray(line.y)
        index = int(np.abs(x - iteration).argmin())
        text = panel.tell(float(y[index]))
        if line.faint is not None:
            text = f"{panel.tell(float(np.asarray(line.faint)[index]))} (smoothed {text})"
        if x[index] != iteration:
            text += f" at {x[index]:,}"
        lines.append(f"{line.label}: {text}")
    return "\n".join(lines)


def _listed(run: Curve) -> Iterator[tuple[int, int | None, int | None]]:
    """Yield an iteration, its place among the records and that among the scores."""
    trained, scored = ({int(x): place for place, x in enumerate(found)} for found in (run.iterations, run.scored))
    for iteration in sorted({*_spread(list(trained)), *_spread(list(scored))}):
        yield iteration, trained.get(iteration), scored.get(iteration)


def _spread(iterations: list[int], most: int = 60) -> list[int]:
    """At most ``most`` of them, first and last included."""
    if len(iterations) <= most:
        return iterations
    places = np.linspace(0, len(iterations) - 1, most).round().astype(int)
    return [iterations[place] for place in places]
