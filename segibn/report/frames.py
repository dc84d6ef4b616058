"""The worst and best frames of a report: chosen by their counts, packed, written as HTML.

Label maps are in the page once, as the pictures of the cards; ``viewer.js`` takes its pixels there.
"""

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from segibn.evaluation.confusion import count_classes
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import class_counts, iou_of, miou_of
from segibn.labels.drawing import IGNORED_COLOR, RIGHT_COLOR, WRONG_COLOR
from segibn.labels.label_set import IGNORE_INDEX
from segibn.report.content import GREY, Color, FrameView, Source
from segibn.report.templates import anchor, render

MAX_WIDTH = 768  # of embedded pictures, in pixels

Links = list[tuple[float, str, str]]  # IoU in a frame, its id, its name
Choice = tuple[str, str, int]  # name of a frame, "worst" or "best", its place from 1


def choose_frames(counts: FrameCounts, policy: str, count: int) -> list[Choice]:
    """Choose the frames with the lowest mIoU of their own, then those with the highest.

    At most ``count`` of either kind, none of both; frames without valid pixels are left out.
    """
    miou = miou_of(counts.counts, policy)
    order = [int(place) for place in np.argsort(miou, kind="stable") if not np.isnan(miou[place])]
    worst, best = order[:count], order[count:][::-1][:count]
    return [
        (counts.names[place], kind, rank)
        for kind, places in (("worst", worst), ("best", best))
        for rank, place in enumerate(places, start=1)
    ]


def view_frame(
    choice: Choice,
    image: NDArray[np.uint8],
    target: NDArray[np.uint8],
    pred: NDArray[np.uint8],
    palette: NDArray[np.uint8],
    policy: str = "cityscapes",
) -> FrameView:
    """Measure and pack one frame, RGB (H, W, 3); target (H, W) of train ids or 255."""
    k = len(palette)
    matrix = count_classes(target, pred, k)
    counts = class_counts(matrix)
    iou = iou_of(counts, policy)
    present = (counts[1] > 0) | (counts[2] > 0)
    valid = max(int(matrix.sum()), 1)
    small = _shrunk(image, cv2.INTER_AREA)
    truth, shown = (_shrunk(ids, cv2.INTER_NEAREST) for ids in (target, pred))
    outcome = np.where(truth == shown, 0, 1).astype(np.uint8)
    outcome[truth == IGNORE_INDEX] = 2
    colors = distinct_colors(palette)
    pairs = np.argwhere(matrix[:, :k]).tolist()
    return FrameView(
        *choice,
        miou=float(miou_of(counts, policy)),
        wrong=1 - int(np.diagonal(matrix).sum()) / valid,
        size=(small.shape[0], small.shape[1]),
        image=_encoded(Image.fromarray(small), format="JPEG", quality=84),
        truth=_palette_png(np.minimum(truth, k), colors),
        prediction=_palette_png(np.minimum(shown, k), colors),
        errors=_palette_png(outcome, np.array([RIGHT_COLOR, WRONG_COLOR, IGNORED_COLOR])),
        iou={int(i): float(iou[i]) for i in np.flatnonzero(present) if not np.isnan(iou[i])},
        truth_share={int(i): int(counts[1, i]) / valid for i in np.flatnonzero(counts[1])},
        confusions={(t, p): int(matrix[t, p]) for t, p in pairs if t != p},
    )


def distinct_colors(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (K + 1, 3) uint8: the palette and the colour of what is not scored, no two alike."""
    # The page reads train ids back from colours; a change in blue by 1 is seen by no eye.
    found: list[Color] = []
    for red, green, blue in [*np.asarray(palette).tolist(), IGNORED_COLOR]:
        near = ((red, green, other) for other in (*range(blue, 256), *range(blue)[::-1]))
        found.append(next(color for color in near if color not in found))
    return np.array(found, np.uint8)


def _shrunk(pixels: NDArray[np.uint8], method: int) -> NDArray[np.uint8]:
    """Scale down to ``MAX_WIDTH``, never up."""
    height, width = pixels.shape[:2]
    if width <= MAX_WIDTH:
        return np.ascontiguousarray(pixels)
    size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def _palette_png(indices: NDArray[np.uint8], colors: NDArray[np.generic]) -> bytes:
    """Encode (h, w) indices with their colours; no gamma or profile, so that browsers keep both."""
    picture = Image.fromarray(np.ascontiguousarray(indices, dtype=np.uint8))
    picture.putpalette(np.asarray(colors, np.uint8).tobytes())
    return _encoded(picture, format="PNG")


def _encoded(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, optimize=True, **options)
    return buffer.getvalue()


def frame_id(run: int, view: FrameView) -> str:
    """The id of a frame on the page, which is its deep link too."""
    return anchor(view.name, f"frame-{run}")


def frames_part(runs: Sequence[Source]) -> Markup:
    """Write what the section of frames holds; of runs without frames the reason only."""
    shown = [(index, run) for index, run in enumerate(runs) if run.frames]
    return render(
        "frames.html",
        shown=shown,
        said=[run.no_frames for run in runs if run.no_frames],
        ranked_of=max((run.scores.num_images for _, run in shown if run.scores), default=0),
        by_class=_by_class(shown),
        frame_id=frame_id,
    )


def viewer_data(runs: Sequence[Source]) -> dict[str, Any]:
    """Return what the viewer knows, to be written as JSON."""
    return {
        "runs": [
            {
                "title": run.title,
                "classes": [{"name": name, "anchor": anchor(name, "frames")} for name in run.class_names],
                "colors": [] if run.palette is None else distinct_colors(run.palette).tolist(),
            }
            for run in runs
        ],
        "frames": [
            {
                "id": frame_id(index, view),
                "run": index,
                "name": view.name,
                "label": f"{view.kind} {view.place}",
                "told": view.told,
                "size": list(view.size),
                "iou": {str(k): round(value, 4) for k, value in view.iou.items()},
                "share": {str(k): round(value, 5) for k, value in view.truth_share.items()},
                "pairs": {f"{t}-{p}": count for (t, p), count in view.confusions.items()},
            }
            for index, run in enumerate(runs)
            for view in run.frames
        ],
    }


def _by_class(shown: Sequence[tuple[int, Source]]) -> list[tuple[str, Color, Links]]:
    """Each class with its colour and links to the frames that hold it, lowest IoU first."""
    found: dict[str, tuple[Color, Links]] = {}
    for index, run in shown:
        for place, name in enumerate(run.class_names):
            _, links = found.setdefault(name, (run.colors[place] if run.colors else GREY, []))
            for view in run.frames:
                if place in view.iou:
                    links.append((view.iou[place], frame_id(index, view), view.name))
    return [(name, color, sorted(links)) for name, (color, links) in found.items()]
