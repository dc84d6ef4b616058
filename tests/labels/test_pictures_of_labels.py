"""Overlays, words in them, and colours that eyes tell apart."""

import numpy as np
import pytest

from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.drawing import outlines, overlay
from segibn.labels.marks import with_legend_inside, with_region_names
from segibn.labels.palettes import distinct_palette, seen_lab

PALETTE = np.array([(0, 0, 0), (200, 30, 40), (20, 90, 220)], np.uint8)
NAMES = ["nothing", "car", "sky"]


def _halves() -> np.ndarray:
    ids = np.ones((120, 160), np.uint8)
    ids[:, 80:] = 2
    return ids


def test_a_line_is_drawn_in_every_row_of_a_high_frame() -> None:
    ids = (1 + np.arange(240) // 3 % 2).astype(np.uint8)[:, None].repeat(50, 1)  # stripes of 3 rows
    picture = overlay(np.full((240, 50, 3), 100, np.uint8), ids, PALETTE, 0.4)
    is_line = np.append(ids[1:] != ids[:-1], np.zeros((1, 50), bool), axis=0)
    colors = PALETTE[ids].astype(int)
    assert np.array_equal(picture, np.where(is_line[..., None], colors, (600 + 4 * colors) // 10))


def test_an_overlay_is_the_blend_with_lines_in_full_colour_between_classes() -> None:
    image = np.full((120, 160, 3), 100, np.uint8)
    picture = overlay(image, _halves(), PALETTE, 0.4)
    assert picture[5, 5].tolist() == [140, 72, 76]
    assert picture[5, 100].tolist() == [68, 96, 148]
    assert picture[5, 79].tolist() == [200, 30, 40]  # the last column of the one class
    assert picture[5, 80].tolist() == [68, 96, 148]


def test_outlines_are_where_a_neighbour_to_the_right_or_below_differs() -> None:
    ids = np.random.default_rng(0).integers(0, 3, (20, 30), np.uint8)
    expected = np.zeros((20, 30), bool)
    expected[:-1] |= ids[:-1] != ids[1:]
    expected[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    expected[:-1, :-1] |= ids[:-1, :-1] != ids[1:, 1:]
    expected[:-1, :-1] |= (ids[1:, :-1] != ids[:-1, :-1]) | (ids[:-1, 1:] != ids[:-1, :-1])
    assert np.array_equal(outlines(ids).astype(bool), expected)


def test_ignored_pixels_and_black_classes_show_the_frame() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    ids = np.random.default_rng(1).choice([0, 255], (40, 40)).astype(np.uint8)
    assert np.array_equal(overlay(image, ids, PALETTE), image)


def test_the_legend_names_what_is_there_in_its_colour_and_covers_a_corner_only() -> None:
    picture = np.full((360, 480, 3), 128, np.uint8)
    ids = np.zeros((360, 480), np.uint8)
    ids[:200] = 2
    shown = with_legend_inside(picture, ids, NAMES, PALETTE)
    assert np.array_equal(shown[:200], picture[:200])
    assert np.array_equal(shown[:, 240:], picture[:, 240:])
    assert (shown == PALETTE[2]).all(2).any()
    assert not (shown == PALETTE[1]).all(2).any()


def test_names_stand_on_large_regions_alone() -> None:
    picture = np.full((360, 480, 3), 128, np.uint8)
    ids = np.zeros((360, 480), np.uint8)
    ids[:200] = 2
    ids[300:305, 300:305] = 1
    shown = with_region_names(picture, ids, NAMES, PALETTE)
    changed = np.argwhere((shown != picture).any(2))
    assert 80 < changed[:, 0].mean() < 120
    assert 200 < changed[:, 1].mean() < 280


@pytest.mark.parametrize("eye", [0, 1, 2], ids=["normal", "red-blind", "green-blind"])
def test_vehicles_differ_for_every_eye(eye: int) -> None:
    vehicles = ["car", "truck", "bus", "train", "motorcycle", "bicycle", "person", "rider"]
    places = [CITYSCAPES.class_names.index(name) for name in vehicles]

    def nearest(palette: np.ndarray) -> float:
        over_grey = (0.6 * 110 + 0.4 * palette[places]).astype(np.uint8)  # as an overlay shows them
        lab = seen_lab(over_grey)[eye]
        away = np.linalg.norm(lab[:, None] - lab[None], axis=2)
        return float(away[~np.eye(len(places), dtype=bool)].min())

    assert nearest(distinct_palette(CITYSCAPES.class_names)) > max(9, 1.3 * nearest(CITYSCAPES.palette))


def test_a_palette_has_no_colour_twice() -> None:
    palette = distinct_palette([f"class {n}" for n in range(60)])
    assert len(np.unique(palette, axis=0)) == 60
