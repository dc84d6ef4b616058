"""Which frames a report shows, and how they are packed into it.

In: counts of all frames; image, truth and prediction of the chosen ones. Out: ``FrameView``.

Legend: n frames, K classes, H x W pixels of the frame, h x w of its embedded pictures.
"""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segibn.evaluation.confusion import count_classes
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import class_counts, iou_of, miou_of
from segibn.labels.drawing import IGNORED_COLOR, RIGHT_COLOR, WRONG_COLOR
from segibn.labels.label_set import IGNORE_INDEX
from segibn.report.content import FrameView

MAX_WIDTH = 768
"""Of embedded pictures, in pixels."""
_JPEG_QUALITY = 84

Choice = tuple[str, str, int]
"""(name of a frame, "worst" or "best", its place from 1)."""


def choose_frames(counts: FrameCounts, policy: str, count: int) -> list[Choice]:
    """Choose the frames with the lowest and the highest mIoU of their own; none is both.

    Each frame averages the classes that the policy averages over it alone. Equal ones keep the
    order of the set; frames without valid pixels are left out.

    Returns:
        The worst, lowest first, then the best, highest first; at most ``count`` of either kind.
    """
    miou = miou_of(counts.counts, policy)
    order = [int(place) for place in np.argsort(miou, kind="stable") if not np.isnan(miou[place])]
    worst = order[:count]
    best = order[len(worst) :][::-1][:count]
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
    """Measure and pack one frame.

    Args:
        choice: see ``choose_frames``.
        image: (H, W, 3) uint8 RGB.
        target: (H, W) uint8 train ids or 255.
        pred: (H, W) uint8 train ids.
        palette: (K, 3) uint8 RGB.
        policy: key in ``metrics.POLICIES``.
    """
    name, kind, place = choice
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
    wrong = {
        (int(t), int(p)): int(matrix[t, p]) for t, p in np.argwhere(matrix[:, :k]) if int(t) != p
    }
    return FrameView(
        name=name,
        kind=kind,
        place=place,
        miou=float(miou_of(counts, policy)),
        wrong=1 - int(np.diagonal(matrix).sum()) / valid,
        size=(small.shape[0], small.shape[1]),
        image=_jpeg(small),
        truth=_palette_png(np.minimum(truth, k), colors),
        prediction=_palette_png(np.minimum(shown, k), colors),
        errors=_palette_png(outcome, np.array([RIGHT_COLOR, WRONG_COLOR, IGNORED_COLOR])),
        iou={int(i): float(iou[i]) for i in np.flatnonzero(present) if not np.isnan(iou[i])},
        truth_share={int(i): int(counts[1, i]) / valid for i in np.flatnonzero(counts[1])},
        confusions=wrong,
    )


def distinct_colors(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (K + 1, 3) uint8: the palette and the colour of what is not scored, no two alike.

    The page reads train ids back from colours. Of equal colours all but the first are moved by as
    little as it takes, which no eye sees.
    """
    seen: set[tuple[int, ...]] = set()
    found = []
    for color in [*np.asarray(palette, dtype=np.int64), np.array(IGNORED_COLOR)]:
        step = 0
        moved = tuple(int(value) for value in color)
        while moved in seen:
            step += 1
            blue = int(color[2])
            moved = (*moved[:2], blue + step if blue + step < 256 else blue - (blue + step - 255))
        seen.add(moved)
        found.append(moved)
    return np.array(found, np.uint8)


def _shrunk(pixels: NDArray[np.uint8], method: int) -> NDArray[np.uint8]:
    """Scale down to ``MAX_WIDTH``, never up."""
    height, width = pixels.shape[:2]
    if width <= MAX_WIDTH:
        return pixels
    size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(
        buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True
    )
    return buffer.getvalue()


def _palette_png(indices: NDArray[np.uint8], colors: NDArray[np.generic]) -> bytes:
    """Encode (h, w) indices with their colours; no gamma or profile, so that browsers keep both."""
    picture = Image.fromarray(np.ascontiguousarray(indices, dtype=np.uint8))
    picture.putpalette(np.asarray(colors, np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
