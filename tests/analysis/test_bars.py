import numpy as np
import pytest

from segibn.analysis.bars import draw_bars


def _red(picture):
    return (picture[..., 0] > 180) & (picture[..., 1] < 90)


def test_bars_are_as_high_as_their_values_and_negative_ones_hang_down():
    bars = {"grey": [(1.0, 0.0)] * 3, "red": [(10.0, 0.0), (5.0, 0.0), (-5.0, 0.0)]}
    picture = draw_bars(bars, ["a", "b", "c"], "t").astype(int)[:416]
    red = _red(picture)
    third = (960 - 80) // 3
    columns = [red[:, 60 + third * i : 60 + third * (i + 1)].any(axis=1) for i in range(3)]
    heights = [column.sum() for column in columns]
    assert heights[0] == pytest.approx(2 * heights[1], abs=3)
    assert heights[1] == pytest.approx(heights[2], abs=3)
    assert np.flatnonzero(columns[2]).min() == pytest.approx(
        np.flatnonzero(columns[1]).max(), abs=2
    )


def test_a_chart_of_nothing_lost_is_drawn():
    assert draw_bars({"x": [(0.0, 0.0)]}, ["a"], "t").shape == (480, 960, 3)
