"""The section of frames, and the data that ``viewer.js`` reads.

Label maps are in the page once, as the pictures of the cards; the viewer takes its pixels there.
"""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from segibn.report.classes import GREY
from segibn.report.content import Color, FrameView, RunEntry
from segibn.report.frames import distinct_colors
from segibn.report.templates import anchor, percent, render

ByClass = list[tuple[str, Color, list[tuple[float, str, str]]]]


def frame_id(run: int, view: FrameView) -> str:
    """Return the id of a frame on the page, which is its deep link too."""
    return anchor(view.name, f"frame-{run}")


def frames_section(runs: Sequence[RunEntry]) -> Markup:
    """Write the section; of runs without frames the reason only."""
    shown = [(index, run) for index, run in enumerate(runs) if run.frames]
    return render(
        "frames.html",
        shown=shown,
        said=[run.no_frames for run in runs if run.no_frames],
        ranked_of=max((run.ranked_of for _, run in shown), default=0),
        run_options=[(index, run.title) for index, run in shown],
        by_class=_by_class(shown),
        frame_id=frame_id,
        told=told,
    )


def viewer_data(runs: Sequence[RunEntry]) -> dict[str, Any]:
    """Return what the viewer knows, to be written as JSON."""
    return {
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


def told(view: FrameView) -> str:
    """Say how well a frame was predicted."""
    return f"mIoU {percent(view.miou)} %, {percent(view.wrong)} % of pixels wrong"


def _frame_data(run: int, view: FrameView) -> dict[str, Any]:
    return {
        "id": frame_id(run, view),
        "run": run,
        "name": view.name,
        "label": view.label,
        "told": told(view),
        "size": list(view.size),
        "iou": {str(index): round(value, 4) for index, value in view.iou.items()},
        "share": {str(index): round(value, 5) for index, value in view.truth_share.items()},
        "pairs": {f"{t}-{p}": count for (t, p), count in view.confusions.items()},
    }


def _by_class(shown: Sequence[tuple[int, RunEntry]]) -> ByClass:
    """Each class with its colour and links to the frames that hold it, lowest IoU first."""
    found: dict[str, tuple[Color, list[tuple[float, str, str]]]] = {}
    for index, run in shown:
        for place, name in enumerate(run.class_names):
            color = run.colors[place] if run.colors else GREY
            _, links = found.setdefault(name, (color, []))
            for view in run.frames:
                if place in view.iou:
                    links.append((view.iou[place], frame_id(index, view), view.name))
    return [(name, color, sorted(links)) for name, (color, links) in found.items()]
