"""The report as one HTML file that needs nothing else: ``Report`` in, text of the page out."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from segibn import provenance
from segibn.report.classes import boundary_bars, class_results, grouped_bars, table_colors
from segibn.report.content import Report
from segibn.report.domains import class_bars, cross_domain_table
from segibn.report.frames import frame_id, frames_part, viewer_data
from segibn.report.measured import confusion_matrix, differences, reliability
from segibn.report.robustness import stress_table
from segibn.report.templates import page_head, render
from segibn.report.training import learning_curves

# what drawing raises on values of another form than segibn writes
_ODD = (ArithmeticError, AttributeError, LookupError, TemplateError, TypeError, ValueError)


def build_page(report: Report, title: str) -> str:
    """Return the whole page; SegibnError for malformed rows of a cross-domain table."""
    runs = report.runs
    scored = [(place, run) for place, run in enumerate(runs) if run.scores is not None]
    results = {place: class_results(run.title, run.scores, run.colors) for place, run in scored}
    known = [pair for run in runs for pair in zip(run.class_names, run.colors, strict=False)]
    colors = dict(known) or table_colors(report.tables)
    # two evaluations of one run share its curve
    curves = {run.curve.title: run.curve for run in runs if run.curve is not None}
    return render(
        "page.html",
        title=title,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=provenance.command_line(),
        **page_head(("page.css", "viewer.css", "charts.css"), ("pixels.js", "viewer.js")),
        data=viewer_data(runs),
        runs=runs,
        scored=scored,
        sets=sorted({run.scores.conditions.evaluation_set for _, run in scored}),
        summary=render("summary.html", runs=runs, results=results, frame_id=frame_id) if runs else "",
        tables=[
            (cross_domain_table(table), class_bars(table, colors, f"domains-{place}"))
            for place, table in enumerate(report.tables)
        ],
        stressed=[_drawn("a table of stress", stress_table, given) for given in report.stressed],
        curves=[_drawn("curves", learning_curves, list(curves.values()))] if curves else [],
        groups=grouped_bars(
            [(run.scores.conditions.evaluation_set, results[place]) for place, run in scored],
            "iou",
            has_anchors=True,
            has_links=any(run.frames for run in runs),
        ),
        boundary=lambda *given: _drawn(given[0], boundary_bars, *given),
        frames=frames_part(runs) if any(run.frames or run.no_frames for run in runs) else "",
        confusion_matrix=confusion_matrix,
        comparisons=[
            _drawn("a comparison", differences, comparison, f"difference-{place}")
            for place, comparison in enumerate(report.comparisons)
        ],
        reliability=lambda *given: _drawn(given[1], reliability, *given),
    )


def _drawn(what: str, draw: Callable[..., Markup], *given: Any) -> Markup:
    """Draw what a file says in a form that only its chart knows; a note where it is another."""
    try:
        return draw(*given)
    except _ODD as error:
        return render("odd.html", what=what, error=repr(error))
