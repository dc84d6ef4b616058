"""Pictures: colours, overlays, error maps, panels and legends."""

import numpy as np
import pytest

from segibn.labels.drawing import (
    IGNORED_COLOR,
    RIGHT_COLOR,
    WRONG_COLOR,
    colorize,
    error_map,
    legend,
    overlay,
    panel,
    with_legend,
)

PALETTE = np.array([[0, 0, 0], [200, 100, 0], [0, 50, 250]], np.uint8)


def test_each_pixel_has_its_class_colour_and_ignored_is_black() -> None:
    train_ids = np.array([[1, 2], [0, 255]], np.uint8)
    assert colorize(train_ids, PALETTE).tolist() == [[[200, 100, 0], [0, 50, 250]], [[0, 0, 0], [0, 0, 0]]]


def test_overlay_blends_classes_and_leaves_black_and_ignored_alone() -> None:
    image = np.full((1, 4, 3), 100, np.uint8)
    train_ids = np.array([[0, 1, 2, 255]], np.uint8).repeat(3, 1)
    image = image.repeat(3, 1)
    blended = overlay(image, train_ids, PALETTE, alpha=0.25)
    assert blended[0, 1::3].tolist() == [[100] * 3, [125, 100, 75], [75, 88, 138], [100] * 3]
    assert blended[0, 2::3].tolist() == [[100] * 3, [200, 100, 0], [0, 50, 250], [100] * 3]  # outlines
    assert (image == 100).all()


def test_error_map_tells_right_wrong_and_ignored_apart() -> None:
    target = np.array([[0, 1, 255]], np.uint8)
    pred = np.array([[0, 2, 1]], np.uint8)
    expected = [[list(RIGHT_COLOR), list(WRONG_COLOR), list(IGNORED_COLOR)]]
    assert error_map(target, pred).tolist() == expected


def test_different_sizes_are_refused() -> None:
    small, large = np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)
    with pytest.raises(ValueError, match="differ in size"):
        error_map(small, large)
    with pytest.raises(ValueError, match="differ in size"):
        overlay(np.zeros((2, 3, 3), np.uint8), small, PALETTE)


def test_panel_shows_each_picture_unchanged_at_its_own_size() -> None:
    red, blue = (np.full((200, 400, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    sheet = panel([[red, blue], [blue, None]], ["frame", "truth"], ["one", "two\nlines"])
    for color, pictures in (((255, 0, 0), 1), ((0, 0, 255), 2)):
        assert (sheet == color).all(axis=2).sum() == pictures * 200 * 400


def test_panel_keeps_proportions_and_takes_pictures_of_other_sizes() -> None:
    wide, tall = np.full((50, 200, 3), 9, np.uint8), np.full((200, 100, 3), 99, np.uint8)
    sheet = panel([[wide, tall]], ["wide", "tall"], cell_size=(100, 200))
    assert (sheet == 9).all(axis=2).sum() == 50 * 200
    assert (sheet == 99).all(axis=2).sum() == 100 * 50


def test_titles_are_drawn_and_long_ones_stay_in_their_column() -> None:
    black = np.zeros((100, 320, 3), np.uint8)
    short, long = (panel([[black]], [title]) for title in ("a", "prediction of " * 3))
    assert short.shape == long.shape
    top = long.shape[0] - 100 - 8
    assert (long[:top] < 128).any()
    assert (long[:, :8] == 255).all()
    assert (long[:, -8:] == 255).all()


@pytest.mark.parametrize("width", [200, 700, 2000])
def test_legend_shows_every_colour_within_its_width(width: int) -> None:
    picture = legend(["background", "direct", "alternative"], PALETTE, width)
    assert picture.shape[1] == width
    for color in PALETTE:
        assert (picture == color).all(axis=2).sum() > 100
    assert (picture[:, -4:] == 255).all()


def test_a_legend_is_as_wide_as_the_picture_above_it() -> None:
    picture = np.zeros((40, 500, 3), np.uint8)
    combined = with_legend(picture, ["a", "b", "c"], PALETTE)
    assert combined.shape[1] == 500
    assert (combined[:40] == picture).all()
