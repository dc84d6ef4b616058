"""Points of classes, against a double loop over the pixels."""

from fractions import Fraction

import numpy as np
import pytest

from segibn.data.regions import class_regions, grid


def _by_loops(target: np.ndarray, num_classes: int) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The documented rule, pixel by pixel."""
    height, width = target.shape
    side = min(height, width) / 4
    rows, columns = max(1, round(height / side)), max(1, round(width / side))
    cells: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    areas: dict[tuple[int, int], int] = {}
    for y in range(height):
        row = max(r for r in range(rows) if r * height // rows <= y)
        for x in range(width):
            column = max(c for c in range(columns) if c * width // columns <= x)
            areas[row, column] = areas.get((row, column), 0) + 1
            if target[y, x] < num_classes:
                cells.setdefault((int(target[y, x]), row, column), []).append((y, x))
    pixels, points = [0] * num_classes, []
    for train_id in range(num_classes):
        own = {cell: found for cell, found in sorted(cells.items()) if cell[0] == train_id}
        pixels[train_id] = sum(map(len, own.values()))
        kept = [c for c, found in own.items() if len(found) >= areas[c[1:]] / 1024]
        if own and not kept:
            kept = [max(own, key=lambda c: (len(own[c]), -c[1], -c[2]))]
        for cell in kept:
            mean_y = Fraction(sum(y for y, _ in own[cell]), len(own[cell]))
            mean_x = Fraction(sum(x for _, x in own[cell]), len(own[cell]))
            nearest = min(own[cell], key=lambda p: (p[0] - mean_y) ** 2 + (p[1] - mean_x) ** 2)
            points.append((train_id, *nearest))
    return pixels, points


def _maps() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    noise = rng.choice(np.array([0, 1, 2, 4, 255], np.uint8), (37, 83))
    blobs = np.kron(rng.choice(np.array([0, 1, 3, 255], np.uint8), (6, 11)), np.ones((9, 9)))
    ring = np.full((64, 64), 255, np.uint8)
    ring[4:60, 4:60] = 2
    ring[8:56, 8:56] = 0
    speck = np.zeros((300, 300), np.uint8)  # 75x75 cells: a class needs six pixels of one
    speck[10, 10:14] = 1
    speck[200, 290:295] = 1
    speck[100:102, 100:103] = 3
    tall = rng.choice(np.array([0, 3], np.uint8), (90, 20))
    return {
        "noise": noise,
        "blobs": blobs.astype(np.uint8),
        "ring": ring,
        "speck": speck,
        "tall": tall,
        "row": noise[:1],
        "void": np.full((8, 8), 255, np.uint8),
    }


@pytest.mark.parametrize("name", list(_maps()))
def test_pixels_and_points_are_those_of_a_loop_over_the_pixels(name: str) -> None:
    target = _maps()[name]
    pixels, points = class_regions(target, 5)
    expected_pixels, expected_points = _by_loops(target, 5)
    assert pixels.tolist() == expected_pixels
    assert [tuple(point) for point in points.tolist()] == expected_points
    for train_id, y, x in points.tolist():
        assert target[y, x] == train_id


def test_every_class_that_is_there_has_a_point_and_no_other_has() -> None:
    pixels, points = class_regions(_maps()["speck"], 5)
    assert set(points[:, 0].tolist()) == {0, 1, 3} == set(np.flatnonzero(pixels).tolist())
    assert points[points[:, 0] == 1].tolist() == [[1, 200, 292]]  # in the cell with most of it


@pytest.mark.parametrize("size", [(1052, 1914), (1024, 2048), (720, 1280), (360, 480), (7, 3)])
def test_cells_cover_every_pixel_once_and_are_nearly_square(size: tuple[int, int]) -> None:
    seen = np.zeros(size, np.uint8)
    for cell in grid(*size):
        seen[cell] += 1
        height, width = seen[cell].shape
        if min(size) > 100:
            assert 0.75 < height / width < 1.35
    assert (seen == 1).all()


def test_the_right_part_of_a_wide_frame_has_points_too() -> None:
    # What tiles of 1024x1024 counted from the upper left never see of a GTA5 frame.
    target = np.zeros((1052, 1914), np.uint8)
    target[500:560, 1500:1530] = 11
    target[1030:1052, 100:160] = 12
    _, points = class_regions(target, 19)
    found = {train_id: (y, x) for train_id, y, x in points.tolist() if train_id}
    assert 500 <= found[11][0] < 560
    assert 1500 <= found[11][1] < 1530
    assert found[12][0] >= 1030
    assert points[points[:, 0] == 0][:, 2].max() > 1700
