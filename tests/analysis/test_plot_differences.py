import numpy as np

from segibn.analysis.plot_differences import Bar, draw_differences

COLORS = np.array([(31, 119, 180), (214, 39, 40)])
RED = (176, 0, 32)


def pixels_of(picture: np.ndarray, color: tuple | np.ndarray, rows: slice) -> np.ndarray:
    """Columns that hold a colour between two rows of the picture."""
    return np.flatnonzero((picture[rows] == color).all(axis=-1).any(axis=0))


def test_bars_reach_from_bound_to_bound_on_their_side_of_nought():
    bars = {"b": [Bar(2, 1, 3, True), Bar(-1, -2, 0, False)], "c": [Bar(1, -1, 3, False)] * 2}
    picture = draw_differences(bars, ["road", "car"], "title", "points")
    first = pixels_of(picture, COLORS[0], slice(48, 88))
    second = pixels_of(picture, COLORS[0], slice(88, 128))
    assert first.min() > second.max() - 2  # they touch at nought at most
    # The axis goes from -2 to 3: lengths of the bars are in proportion.
    assert abs((first.max() - first.min()) / (second.max() - second.min()) - 1) < 0.05
    other = pixels_of(picture, COLORS[1], slice(48, 88))
    assert abs((other.max() - other.min()) / (first.max() - first.min()) - 2) < 0.05


def test_what_is_undefined_is_left_out():
    nan = float("nan")
    picture = draw_differences({"b": [Bar(nan, nan, nan, False)]}, ["road"], "title", "points")
    assert not pixels_of(picture, COLORS[0], slice(48, 74)).size


def test_warnings_are_written_in_red():
    bars = {"b": [Bar(1, 0.5, 2, True)]}
    plain = draw_differences(bars, ["road"], "title", "points")
    warned = draw_differences(bars, ["road"], "title", "points", ["other conditions " * 20])
    assert not pixels_of(plain, RED, slice(None)).size
    assert pixels_of(warned, RED, slice(None)).size
