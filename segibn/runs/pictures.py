"""Pictures of frames: one sheet a scored frame, or several side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from segibn.evaluation.measure import Frame, FramePrediction, Observer
from segibn.files.encode import write_image
from segibn.labels.drawing import frame_sheet, overlay, panel, with_legend

CELL_WIDTH = 320  # of a picture in a comparison: five of them fill a page of a README
_COLUMNS = 4  # of a grid

Item = TypeVar("Item")
SheetRow = tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]
"""Title, image (H, W, 3) RGB, target (H, W), network -> pred (H, W)."""


def score_pictures(folder: Path, names: Sequence[str], palette: np.ndarray) -> Observer:
    """Return what writes frame, truth, prediction and errors of the frames of these names."""

    def draw(frame: Frame, prediction: FramePrediction) -> None:
        if frame.name in names:
            sheet = frame_sheet(frame.image, frame.target, prediction.labels, palette)
            write_image(folder / f"{frame.name}.jpg", sheet)

    return Observer(draw)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Choose ``count`` items (or all, if fewer), evenly spread and in order."""
    chosen = min(count, len(items))
    return [items[(2 * index + 1) * len(items) // (2 * chosen)] for index in range(chosen)]


def comparison_sheet(rows: Sequence[SheetRow], class_names: Sequence[str], palette: np.ndarray) -> np.ndarray:
    """Set frame, truth and the predictions of several networks side by side -> (H, W, 3) RGB."""
    pictures = [
        [image, *(overlay(image, ids, palette, 0.6) for ids in (target, *preds.values()))]
        for _, image, target, preds in rows
    ]
    titles = ["frame", "truth", *rows[0][3]]
    sheet = panel(pictures, titles, [title for title, *_ in rows], _cell(rows[0][1]))
    return with_legend(sheet, class_names, palette)


def grid_sheet(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Set pictures (H, W, 3) of one size in rows, each under its title -> (H, W, 3) uint8 RGB."""
    titles = [*pictures, *[""] * (-len(pictures) % _COLUMNS)]
    cell = _cell(next(iter(pictures.values())))
    rows = [titles[place : place + _COLUMNS] for place in range(0, len(titles), _COLUMNS)]
    return np.vstack([panel([[pictures.get(t) for t in row]], row, None, cell) for row in rows])


def _cell(image: np.ndarray) -> tuple[int, int]:
    """(H, W) of a picture that is as wide as a column."""
    return max(1, round(CELL_WIDTH * image.shape[0] / image.shape[1])), CELL_WIDTH
