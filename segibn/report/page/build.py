"""The page: sections of a report put together into one file that needs nothing else.

In: ``Report``. Out: HTML. Styles and scripts are files of this folder, put into the page; the
policy in its head allows these very scripts (by their hashes) and no network.
"""

import base64
import hashlib
from collections.abc import Callable
from importlib.resources import files
from string import Template

from segibn.report.charts import (
    Curve,
    boundary_results,
    chart_css,
    class_results,
    confusion_matrix,
    difference_chart,
    iou_bars,
    learning_curves,
    reliability_diagram,
    step_time_bars,
)
from segibn.report.charts.class_rows import ClassResults, Color
from segibn.report.charts.markup import Markup, el, join
from segibn.report.page.content import Report, RunEntry
from segibn.report.page.domains import domain_table
from segibn.report.page.summary import summary_section
from segibn.report.page.viewer import frames_section, viewer_data

_STYLES = ("page.css", "viewer.css")
_SCRIPTS = ("pixels.js", "viewer.js")

Section = tuple[str, str, Markup]
"""(id, name in the navigation, HTML)."""


def build_page(report: Report) -> str:
    """Return the whole page.

    Raises:
        SegibnError: rows of a cross-domain table are malformed.
    """
    results = [_results_of(run) for run in report.runs]
    sections = [
        section
        for section in (
            ("summary", "Summary", summary_section(report.runs, results)),
            _tables(report),
            _curves(report),
            _classes(report, results),
            _frames(report),
            _confusions(report),
            _comparisons(report),
            _more(report),
        )
        if section is not None
    ]
    links = [el("li", el("a", name, href=f"#{key}")) for key, name, _ in sections]
    head, body = _source("theme.js"), "\n".join(_source(name) for name in _SCRIPTS)
    return Template(_source("page.html")).substitute(
        policy=_policy(head, body),
        title=el("title", report.title),
        style="\n".join([*(_source(name) for name in _STYLES), chart_css()]),
        head_script=head,
        heading=el("h1", report.title),
        subtitle=el("p", _subtitle(report), class_="subtitle"),
        navigation=el("ul", *links),
        sections=join(html for *_, html in sections),
        footer=_footer(report),
        data=viewer_data(report.runs),
        body_script=body,
    )


def _source(name: str) -> str:
    return files("segibn.report.page").joinpath(name).read_text(encoding="utf-8")


def _policy(*scripts: str) -> str:
    """Allow pictures from within, inline styles, and scripts with exactly this text."""
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        for script in scripts
    ]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _results_of(run: RunEntry) -> ClassResults | None:
    if run.scores is None:
        return None
    return class_results(run.title, run.scores, _colors(run))


def _colors(run: RunEntry) -> list[Color]:
    if run.palette is None:
        return []
    return [(int(red), int(green), int(blue)) for red, green, blue in run.palette]


def _part(key: str, name: str, title: str, *content: object) -> Section:
    return key, name, el("section", el("h2", title), *content, id=key, class_="part")


def _chart(what: str, draw: Callable[..., str], *given: object) -> Markup:
    """Draw what a file says in a form that only its chart knows; a note where it is another."""
    try:
        return Markup(draw(*given))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"{what}: the file holds something else than expected ({error!r})."
        return el("p", reason, class_="note missing")


def _boundary(run: RunEntry, key: str) -> str:
    assert run.scores is not None
    found = boundary_results(run.title, run.scores, _colors(run))
    return "" if found is None else iou_bars([found], key=key, anchors=False)


def _tables(report: Report) -> Section | None:
    if not report.tables:
        return None
    known = {
        name: color
        for run in report.runs
        for name, color in zip(run.class_names, _colors(run), strict=False)
    }
    drawn = [
        part
        for place, table in enumerate(report.tables)
        for part in domain_table(table, known or report.colors, f"domains-{place}")
    ]
    return _part("domains", "Domains", "Across domains", *drawn)


def _curves(report: Report) -> Section | None:
    curves: dict[str, Curve] = {}
    for run in report.runs:  # two evaluations of one run share its curve
        if run.curve is not None:
            curves.setdefault(run.curve.title, run.curve)
    if not curves:
        return None
    return _part(
        "curves",
        "Curves",
        "Learning curves",
        _chart("curves", learning_curves, list(curves.values())),
    )


def _classes(report: Report, results: list[ClassResults | None]) -> Section | None:
    """Bars of each set of frames, its runs side by side."""
    groups: dict[tuple[str, tuple[str, ...]], list[ClassResults]] = {}
    for run, found in zip(report.runs, results, strict=True):
        if run.scores is not None and found is not None:
            key = (run.scores.conditions.evaluation_set, run.scores.class_names)
            groups.setdefault(key, []).append(found)
    if not groups:
        return None
    has_frames = any(run.frames for run in report.runs)
    drawn: list[object] = []
    seen: set[str] = set()
    for place, ((name, names), group) in enumerate(groups.items()):
        if len(groups) > 1:
            drawn.append(el("h3", name))
        first = not seen & set(names)  # an id may stand on the page once
        seen |= set(names)
        bars = iou_bars(group, key=f"iou-{place}", anchors=first, links=has_frames)
        drawn.append(Markup(bars))
    for place, run in enumerate(report.runs):
        if run.scores is not None and "boundary" in run.scores.details:
            title = f"Boundary IoU, {run.title}"
            drawn += [el("h3", title), _chart(title, _boundary, run, f"boundary-{place}")]
    return _part("classes", "Classes", "IoU of each class", *drawn)


def _confusions(report: Report) -> Section | None:
    drawn: list[object] = []
    scored = [run for run in report.runs if run.scores is not None]
    for place, run in enumerate(scored):
        assert run.scores is not None
        matrix = Markup(
            confusion_matrix(run.scores.confusion, run.scores.class_names, key=f"of-{place}")
        )
        box = el("div", matrix, data_run=str(report.runs.index(run)), class_="confusion-of")
        if len(scored) == 1:
            drawn.append(box)
        else:
            first = "open" if place == 0 else None
            drawn.append(el("details", el("summary", run.title), box, attrs={"open": first}))
    if not drawn:
        return None
    return _part("confusion", "Confusions", "What is taken for what", *drawn)


def _frames(report: Report) -> Section | None:
    if not any(run.frames or run.no_frames for run in report.runs):
        return None
    return "frames", "Frames", frames_section(report.runs)


def _comparisons(report: Report) -> Section | None:
    if not report.comparisons:
        return None
    drawn = [
        _chart("a comparison", difference_chart, comparison) for comparison in report.comparisons
    ]
    return _part("comparisons", "Comparisons", "Run against run", *drawn)


def _more(report: Report) -> Section | None:
    """What was measured beside IoU: calibration, and where the time of an update goes."""
    drawn: list[object] = []
    for run in report.runs:
        if run.scores is not None and "calibration" in run.scores.details:
            measured = run.scores.details["calibration"]
            title = f"Reliability, {run.title}"
            drawn.append(_chart(title, reliability_diagram, measured, title))
        if run.profile is not None:
            title = f"Time of an update, {run.title}"
            drawn += [el("h3", title), _chart(title, step_time_bars, run.profile)]
    return _part("more", "More", "More measurements", *drawn) if drawn else None


def _subtitle(report: Report) -> str:
    runs = len(report.runs)
    sets = {run.scores.conditions.evaluation_set for run in report.runs if run.scores is not None}
    parts = [f"{runs} run{'' if runs == 1 else 's'}"] if runs else []
    if sets:
        parts.append(f"scored on {', '.join(sorted(sets))}")
    return " · ".join([*parts, f"written {report.created}"])


def _footer(report: Report) -> Markup:
    written = f"Written by segibn {report.version} with "
    return el("p", written, el("code", report.command))
