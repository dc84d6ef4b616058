"""The worst and best frames: cards that need no JavaScript, and the viewer that it makes of them.

In: runs with frames. Out: HTML and the data that ``viewer.js`` reads. Label maps are in the page
once, as the pictures of the cards; the viewer takes its pixels from there.
"""

import json
from collections.abc import Sequence

from segibn.report.charts.iou_bars import color_chip
from segibn.report.charts.markup import DASH, Markup, anchor, el, join, percent
from segibn.report.page.content import FrameView, RunEntry
from segibn.report.page.frames import data_uri, distinct_colors
from segibn.text import counted

VIEWS = {"frame": "frame", "truth": "truth", "prediction": "prediction", "errors": "errors"}


def frame_id(run: int, view: FrameView) -> str:
    """Return the id of a frame on the page, which is its deep link too."""
    return anchor(view.name, f"frame-{run}")


def frames_section(runs: Sequence[RunEntry]) -> Markup:
    """Write the section; of runs without frames the reason only."""
    shown = [(index, run) for index, run in enumerate(runs) if run.frames]
    said = [el("p", run.no_frames, class_="note missing") for run in runs if run.no_frames]
    head = el("h2", "Worst and best frames")
    if not shown:
        return el("section", head, *said, id="frames", class_="part")
    return el(
        "section",
        head,
        el("p", _ranking(shown), class_="note"),
        _viewer(shown),
        *(_cards(index, run, len(shown) > 1) for index, run in shown),
        _by_class(shown),
        *said,
        id="frames",
        class_="part frames",
    )


def viewer_data(runs: Sequence[RunEntry]) -> str:
    """Return what the viewer knows, as JSON that no text in it can break out of."""
    content = {
        "runs": [
            {
                "title": run.title,
                "classes": [
                    {"name": name, "anchor": anchor(name, "frames")} for name in run.class_names
                ],
                "colors": [] if run.palette is None else distinct_colors(run.palette).tolist(),
            }
            for run in runs
        ],
        "frames": [
            _frame_data(index, view) for index, run in enumerate(runs) for view in run.frames
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _frame_data(run: int, view: FrameView) -> dict[str, object]:
    return {
        "id": frame_id(run, view),
        "run": run,
        "name": view.name,
        "label": _label(view),
        "told": _told(view),
        "size": list(view.size),
        "iou": {str(index): round(value, 4) for index, value in view.iou.items()},
        "share": {str(index): round(value, 5) for index, value in view.truth_share.items()},
        "pairs": {f"{t}-{p}": count for (t, p), count in view.confusions.items()},
    }


def _ranking(shown: Sequence[tuple[int, RunEntry]]) -> str:
    ranked = max(run.ranked_of for _, run in shown)
    return (
        f"Ranked by the mIoU of each frame alone, over the classes that its truth or its "
        f"prediction holds; out of {counted(ranked, 'frame')}. Pixels that are not scored are dark."
    )


def _viewer(shown: Sequence[tuple[int, RunEntry]]) -> Markup:
    """What JavaScript unfolds: two pictures one over the other with a divider between them."""
    runs = [el("option", run.title, value=str(index)) for index, run in shown]
    run_choice = _labelled("Run", "viewer-run", runs) if len(shown) > 1 else None
    every = el("option", "all classes", value="")
    tools = el(
        "div",
        run_choice,
        _labelled("Class", "viewer-class", [every]),
        _labelled("Left", "viewer-left", _views("truth")),
        _labelled("Right", "viewer-right", _views("prediction")),
        el(
            "label",
            el("input", id="viewer-blend", attrs={"type": "checkbox", "checked": True}),
            "over the frame",
            class_="check",
        ),
        class_="viewer-tools",
    )
    stage = el(
        "div",
        el("canvas", id="viewer-under", role="img"),
        el("canvas", id="viewer-over", role="img"),
        el("span", class_="stage-label stage-left", attrs={"aria-hidden": "true"}),
        el("span", class_="stage-label stage-right", attrs={"aria-hidden": "true"}),
        el("span", el("span", class_="grip"), class_="split", attrs={"aria-hidden": "true"}),
        _divider(),
        id="viewer-stage",
        class_="stage",
    )
    caption = el(
        "div",
        el("button", "←", id="viewer-previous", attrs={"type": "button"}, aria_label="Previous"),
        el("p", id="viewer-caption", attrs={"aria-live": "polite"}),
        el("button", "→", id="viewer-next", attrs={"type": "button"}, aria_label="Next"),
        class_="viewer-caption",
    )
    hint = (
        "Errors: red is wrong, light is right; with a class chosen, red is what was missed of it "
        "and orange what was taken for it. Drag the divider, or move it with the arrow keys while "
        "it has the focus; elsewhere in this section the arrow keys turn to the next frame."
    )
    return el(
        "div",
        tools,
        stage,
        caption,
        el("ul", id="viewer-classes", class_="chips", attrs={"aria-label": "Classes"}),
        el("p", hint, class_="note"),
        id="viewer",
        hidden=True,
    )


def _divider() -> Markup:
    described = {"type": "range", "min": "0", "max": "100", "step": "1", "value": "50"}
    label = {"aria-label": "Divider between the left and the right picture"}
    return el("input", id="viewer-divider", attrs={**described, **label})


def _labelled(text: str, key: str, options: Sequence[Markup]) -> Markup:
    return el("label", el("span", text), el("select", *options, id=key))


def _views(chosen: str) -> list[Markup]:
    return [
        el("option", text, value=value, selected="selected" if value == chosen else None)
        for value, text in VIEWS.items()
    ]


def _cards(index: int, run: RunEntry, named: bool) -> Markup:
    cards = [_card(index, view) for view in run.frames]
    head = el("h3", run.title) if named else None
    return el(
        "div",
        head,
        el("ol", *cards, class_="cards"),
        class_="run-frames",
        id=f"frames-of-{index}",
        data_run=str(index),
    )


def _card(run: int, view: FrameView) -> Markup:
    own = frame_id(run, view)
    maps = {"truth": view.truth, "prediction": view.prediction, "errors": view.errors}
    pictures = [
        el(
            "figure",
            _picture("png", data, f"{what} of frame {view.name}", view, f"map {what}"),
            el("figcaption", what),
        )
        for what, data in maps.items()
    ]
    thumb = _picture("jpeg", view.image, f"frame {view.name}", view, "thumb")
    label = el("strong", _label(view), class_=f"kind {view.kind}")
    return el(
        "li",
        el(
            "a",
            thumb,
            el("span", label, el("span", view.name, class_="frame-name"), class_="card-head"),
            el("span", _told(view), class_="card-told"),
            href=f"#{own}",
            class_="card-link",
        ),
        el("div", *pictures, class_="maps"),
        id=own,
        class_="card",
    )


def _picture(kind: str, data: bytes, alt: str, view: FrameView, class_: str) -> Markup:
    height, width = view.size
    size = {"width": str(width), "height": str(height)}
    return el("img", attrs={"src": data_uri(kind, data), "alt": alt, "class": class_, **size})


def _label(view: FrameView) -> str:
    return f"{view.kind} {view.place}"


def _told(view: FrameView) -> str:
    return f"mIoU {percent(view.miou)} %, {percent(view.wrong)} % of pixels wrong"


def _by_class(shown: Sequence[tuple[int, RunEntry]]) -> Markup:
    """Links from each class to the frames that hold it, lowest IoU first."""
    names = dict.fromkeys(name for _, run in shown for name in run.class_names)
    lines = []
    for name in names:
        found = [
            (view.iou[place], run_index, view)
            for run_index, run in shown
            for place in [_place(run, name)]
            for view in run.frames
            if place is not None and place in view.iou
        ]
        found.sort(key=lambda item: item[0])
        links = [
            el("a", f"{view.name} ({percent(iou)})", href=f"#{frame_id(run_index, view)}")
            for iou, run_index, view in found
        ]
        listed: object = join(_separated(links)) if links else DASH
        chip = next(
            color_chip(_color(run, place))
            for _, run in shown
            for place in [_place(run, name)]
            if place is not None
        )
        back = el("a", name, href=f"#{anchor(name)}")
        lines.append(el("li", chip, back, ": ", listed, id=anchor(name, "frames")))
    return el(
        "details",
        el("summary", "Frames by class, IoU in % within the frame"),
        el("ul", *lines, class_="by-class"),
        open=True,
        id="by-class",
        class_="by-class-box",
    )


def _separated(links: Sequence[Markup]) -> list[Markup]:
    return [part for link in links for part in (Markup(", "), link)][1:]


def _place(run: RunEntry, name: str) -> int | None:
    return run.class_names.index(name) if name in run.class_names else None


def _color(run: RunEntry, place: int) -> tuple[int, int, int]:
    if run.palette is None:
        return 128, 128, 128
    red, green, blue = run.palette[place]
    return int(red), int(green), int(blue)
