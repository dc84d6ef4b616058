"""Which classes a label map shows, and where: pixels of each class, and a few points of it.

A grid of nearly square cells, four on the shorter side, covers the frame. A class has a point in
every cell of which it has a 1024th (8x8 pixels of 256x256), or else in the cell with most of it:
its pixel nearest to the mean of its pixels there. RobustNet (``datasets/uniform.py``) takes the
mean itself, in whole tiles of 1024x1024, and never sees the right 890 columns of a GTA5 frame.
"""

from itertools import product

import cv2
import numpy as np

CELLS_ON_SHORT_SIDE = 4
_SMALLEST_SHARE = 1024  # a class needs one pixel in so many of a cell's to have a point there

Cell = tuple[slice, slice]  # rows and columns of a part of a frame


def class_regions(target: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the classes of (H, W) uint8 train ids; values from K on are ignored.

    -> Pixels (K,) int64, and points (M, 3) int32: train id, row, column, by train id, then cell.
    """
    cells = grid(*target.shape)
    counts = np.stack([np.bincount(target[cell].ravel(), minlength=256) for cell in cells])[:, :num_classes]
    chosen = (counts > 0) & (counts * _SMALLEST_SHARE >= np.array([target[cell].size for cell in cells])[:, None])
    pixels = counts.sum(axis=0)
    for train_id in np.flatnonzero((pixels > 0) & ~chosen.any(axis=0)):
        chosen[counts[:, train_id].argmax(), train_id] = True
    points = [(train_id, *_central_pixel(target, cells[cell], train_id)) for train_id, cell in np.argwhere(chosen.T)]
    return pixels, np.array(points, np.int32).reshape(-1, 3)


def grid(height: int, width: int) -> list[Cell]:
    """Return the cells of a frame by rows."""
    side = min(height, width) / CELLS_ON_SHORT_SIDE
    rows = max(1, min(height, round(height / side)))
    columns = max(1, min(width, round(width / side)))
    down = [slice(n * height // rows, (n + 1) * height // rows) for n in range(rows)]
    across = [slice(n * width // columns, (n + 1) * width // columns) for n in range(columns)]
    return list(product(down, across))


def _central_pixel(target: np.ndarray, cell: Cell, train_id: int) -> tuple[int, int]:
    """The pixel of a class nearest to the mean of its pixels in a cell; the first of equals."""
    mask = target[cell] == train_id
    by_row = cv2.reduce(mask.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    by_column = cv2.reduce(mask.view(np.uint8), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    count = int(by_row.sum())
    row_sum = int(by_row @ np.arange(len(by_row)))
    column_sum = int(by_column @ np.arange(len(by_column)))
    # Mostly the pixel that the mean lies in is of the class, and none is nearer.
    row, column = _nearest(row_sum, count), _nearest(column_sum, count)
    if not mask[row, column]:
        rows, columns = np.nonzero(mask)
        # count times the squared distance to the mean, but for a constant: exact in integers.
        nearest = (count * (rows**2 + columns**2) - 2 * (rows * row_sum + columns * column_sum)).argmin()
        row, column = int(rows[nearest]), int(columns[nearest])
    return cell[0].start + row, cell[1].start + column


def _nearest(total: int, count: int) -> int:
    """The whole number nearest to total / count, the lower of two."""
    return -((count - 2 * total) // (2 * count))
