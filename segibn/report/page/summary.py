"""The first section: one card a run, with its score, its interval and where it comes from."""

from collections.abc import Sequence

from segibn.report.charts.class_rows import ClassResults
from segibn.report.charts.markup import DASH, Markup, anchor, el, percent
from segibn.report.page.content import RunEntry
from segibn.report.page.viewer import frame_id


def summary_section(runs: Sequence[RunEntry], results: Sequence[ClassResults | None]) -> Markup:
    """Write the cards; ``results`` are those of ``runs``, None without scores."""
    cards = [
        _card(index, run, found)
        for index, (run, found) in enumerate(zip(runs, results, strict=True))
    ]
    many = " many" if len(cards) > 1 else ""
    grid = el("div", *cards, class_=f"run-cards{many}") if cards else None
    return el("section", el("h2", "Summary"), grid, id="summary", class_="part")


def _card(index: int, run: RunEntry, found: ClassResults | None) -> Markup:
    return el(
        "article",
        el("h3", run.title),
        _headline(run, found),
        _facts(run.facts, "facts"),
        _links(index, run, found),
        *(el("p", note, class_="note missing") for note in run.notes),
        _origin(run),
        class_="run-card",
    )


def _headline(run: RunEntry, found: ClassResults | None) -> Markup:
    if run.scores is None or found is None:
        return el("p", "not scored yet", class_="headline absent")
    bounds = None
    if found.low is not None and found.high is not None:
        bounds = el("span", f"{percent(found.low)} to {percent(found.high)}", class_="bounds")
    return el(
        "p",
        el("span", "mIoU", class_="what"),
        el("span", percent(found.miou), el("small", " %"), class_="big"),
        bounds,
        el("span", f"pixels right {percent(run.scores.pixel_accuracy)} %", class_="beside"),
        class_="headline",
    )


def _facts(facts: Sequence[tuple[str, str]], class_: str) -> Markup | None:
    if not facts:
        return None
    parts = [part for what, value in facts for part in (el("dt", what), el("dd", value))]
    return el("dl", *parts, class_=class_)


def _links(index: int, run: RunEntry, found: ClassResults | None) -> Markup | None:
    """Ways from a run to its worst class and its worst and best frames."""
    links = []
    defined = [row for row in found.rows if row.iou is not None] if found is not None else []
    if defined:
        lowest = min(defined, key=lambda row: row.iou or 0.0)
        text = f"lowest class: {lowest.name}, {percent(lowest.iou)} %"
        place = f"#{anchor(lowest.name, 'frames')}" if run.frames else "#classes"
        links.append(el("a", text, href=place))
    for kind in ("worst", "best"):
        view = next((view for view in run.frames if view.kind == kind), None)
        if view is not None:
            text = f"{kind} frame: {view.name}, {percent(view.miou)} %"
            links.append(el("a", text, href=f"#{frame_id(index, view)}"))
    if not links:
        return None
    return el("ul", *(el("li", link) for link in links), class_="run-links")


def _origin(run: RunEntry) -> Markup | None:
    """Signature and provenance, folded."""
    rows = [] if run.scores is None else [("signature", run.scores.signature)]
    rows += [(what, value or DASH) for what, value in run.provenance]
    if not rows:
        return None
    return el("details", el("summary", "How it was measured"), _facts(rows, "origin"))
