"""The report as one HTML file that needs nothing else: ``Report`` in, text of the page out.

Everything here needs NumPy, Pillow, Jinja and matplotlib alone; whoever has a network hands over
predicted frames.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from segibn.report.classes import ClassResults, boundary_results, class_results, iou_bars
from segibn.report.content import Report, RunEntry
from segibn.report.curve import Curve
from segibn.report.domains import class_bars, cross_domain_table
from segibn.report.frames import frame_id, frames_part, viewer_data
from segibn.report.measured import confusion_matrix, differences, reliability
from segibn.report.templates import render, source
from segibn.report.training import learning_curves, step_time_bars
from segibn.text import counted, printable, printable_lines

_ODD = (ArithmeticError, AttributeError, LookupError, TemplateError, TypeError, ValueError)
"""What drawing raises on values of another form than segibn writes."""


def build_page(report: Report) -> str:
    """Return the whole page.

    Raises:
        SegibnError: rows of a cross-domain table are malformed.
    """
    runs = report.runs
    results = [
        None if run.scores is None else class_results(run.title, run.scores, run.colors)
        for run in runs
    ]
    summary = render("summary.html", runs=runs, results=results, frame_id=frame_id)
    has_frames = any(run.frames or run.no_frames for run in runs)
    compared = [
        _drawn("a comparison", differences, comparison, f"difference-{place}")
        for place, comparison in enumerate(report.comparisons)
    ]
    sections: dict[str, tuple[str, str, list[Markup]]] = {  # id -> name, title, parts
        "summary": ("Summary", "Summary", [summary]),
        "domains": ("Domains", "Across domains", _tables(report)),
        "curves": ("Curves", "Learning curves", _curves(runs)),
        "classes": ("Classes", "IoU of each class", _classes(runs, results)),
        "frames": ("Frames", "Worst and best frames", [frames_part(runs)] if has_frames else []),
        "confusion": ("Confusions", "What is taken for what", _confusions(runs)),
        "comparisons": ("Comparisons", "Run against run", compared),
        "more": ("More", "More measurements", _more(runs)),
    }
    head = source("theme.js")
    body = "\n".join(map(source, ("pixels.js", "viewer.js")))
    return render(
        "page.html",
        report=report,
        sections={key: section for key, section in sections.items() if section[2]},
        subtitle=_subtitle(report),
        policy=_policy(head, body),
        style=Markup("\n".join(map(source, ("page.css", "viewer.css", "charts.css")))),
        head_script=Markup(head),
        body_script=Markup(body),
        data=viewer_data(runs),
    )


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


def _drawn(what: str, draw: Callable[..., Markup | None], *given: Any) -> Markup:
    """Draw what a file says in a form that only its chart knows; a note where it is another."""
    try:
        return draw(*given) or Markup()
    except _ODD as error:
        said = f"{what}: the file holds something else than expected ({error!r})."
        return _element("p", said, "note missing")


def _element(tag: str, text: str, kind: str = "") -> Markup:
    return Markup('<{} class="{}">{}</{}>').format(tag, kind, printable_lines(text), tag)


def _folded(title: str, content: Markup, is_open: bool = False) -> Markup:
    start = Markup("<details open>" if is_open else "<details>")
    return start + Markup("<summary>{}</summary>{}</details>").format(printable(title), content)


def _tables(report: Report) -> list[Markup]:
    known = {
        name: color
        for run in report.runs
        for name, color in zip(run.class_names, run.colors, strict=False)
    }
    drawn = []
    for place, table in enumerate(report.tables):
        drawn.append(cross_domain_table(table))
        for test, bars in class_bars(table, known or report.colors, f"domains-{place}"):
            drawn.append(_folded(f"IoU of each class on {test}", bars))
    return drawn


def _curves(runs: Sequence[RunEntry]) -> list[Markup]:
    curves: dict[str, Curve] = {}
    for run in runs:  # two evaluations of one run share its curve
        if run.curve is not None:
            curves.setdefault(run.curve.title, run.curve)
    return [_drawn("curves", learning_curves, list(curves.values()))] if curves else []


def _classes(runs: Sequence[RunEntry], results: Sequence[ClassResults | None]) -> list[Markup]:
    """Bars of each set of frames, its runs side by side."""
    groups: dict[tuple[str, tuple[str, ...]], list[ClassResults]] = {}
    for run, found in zip(runs, results, strict=True):
        if run.scores is not None and found is not None:
            key = (run.scores.conditions.evaluation_set, run.scores.class_names)
            groups.setdefault(key, []).append(found)
    has_links = any(run.frames for run in runs)
    drawn: list[Markup] = []
    seen: set[str] = set()
    for place, ((name, names), group) in enumerate(groups.items()):
        if len(groups) > 1:
            drawn.append(_element("h3", name))
        is_first = not seen & set(names)  # an id may stand on the page once
        seen |= set(names)
        bars = iou_bars(group, f"iou-{place}", has_anchors=is_first, has_links=has_links)
        drawn.append(bars)
    for place, run in enumerate(runs):
        if run.scores is not None and "boundary" in run.scores.details:
            title = f"Boundary IoU, {run.title}"
            drawn += [_element("h3", title), _drawn(title, _boundary, run, f"boundary-{place}")]
    return drawn


def _boundary(run: RunEntry, key: str) -> Markup | None:
    assert run.scores is not None
    found = boundary_results(run.title, run.scores, run.colors)
    return None if found is None else iou_bars([found], key, has_anchors=False)


def _confusions(runs: Sequence[RunEntry]) -> list[Markup]:
    drawn = []
    for place, run in enumerate(runs):
        if run.scores is not None:
            names = run.scores.class_names
            matrix = confusion_matrix(run.scores.confusion, names, f"of-{place}")
            box = Markup('<div class="confusion-of" data-run="{}">{}</div>').format(place, matrix)
            drawn.append((run.title, box))
    if len(drawn) == 1:
        return [drawn[0][1]]
    return [_folded(title, box, is_open=not place) for place, (title, box) in enumerate(drawn)]


def _more(runs: Sequence[RunEntry]) -> list[Markup]:
    """What was measured beside IoU: calibration, and where the time of an update goes."""
    drawn = []
    for place, run in enumerate(runs):
        if run.scores is not None and "calibration" in run.scores.details:
            measured = run.scores.details["calibration"]
            title = f"Reliability, {run.title}"
            drawn.append(_drawn(title, reliability, measured, title, f"reliability-{place}"))
        if run.profile is not None:
            title = f"Time of an update, {run.title}"
            drawn += [_element("h3", title), _drawn(title, step_time_bars, run.profile)]
    return drawn


def _subtitle(report: Report) -> list[str]:
    sets = {run.scores.conditions.evaluation_set for run in report.runs if run.scores is not None}
    parts = [counted(len(report.runs), "run")] if report.runs else []
    if sets:
        parts.append(f"scored on {', '.join(sorted(sets))}")
    return [*parts, f"written {report.created}"]
