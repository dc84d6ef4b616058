"""Charts: the artists of a figure against the numbers it was given, and the ways out of it."""

from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from segibn.charts.bars import bar_chart, reliability_chart
from segibn.charts.differences import Difference, difference_chart
from segibn.charts.lines import Line, line_chart
from segibn.charts.style import BAD, GOOD, MUTED, PAPER, SERIES, pixels, svg, tell

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert(1)</script> $x_1$ \"&' \x1b\u202e"
NAN = float("nan")


def drawn_lines(figure):
    """The lines that hold more than the caps of bars."""
    return [line for line in figure.axes[0].lines if line.get_linestyle() != "None"]


def test_lines_go_through_their_values_and_gaps_stay_gaps():
    values = [0.5, NAN, float("inf"), 0.25]
    one, other = drawn_lines(line_chart([Line("a", values), Line("b", [1, 2], [10, 20])]))
    np.testing.assert_array_equal(one.get_ydata(), [0.5, NAN, NAN, 0.25])
    np.testing.assert_array_equal(one.get_xdata(), range(4))
    np.testing.assert_array_equal(other.get_xdata(), [10, 20])


def test_bars_of_a_line_are_as_long_as_its_spread():
    figure = line_chart([Line("a", [0.5, 0.5], spread=[0.1, 0.3])], "t", {0: "x", 1: "y"})
    (bars,) = figure.axes[0].collections
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0.4, 0.6], [0.2, 0.8]])


def test_named_places_are_marked():
    names = {0: "stem", 1: "layer1", 2: "layer2"}
    axes = line_chart([Line("a", [1, 2, 3], list(names))], "t", names).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(names.values())
    places = axes.transData.transform([(x, 0) for x in names])[:, 0]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])


def test_more_lines_than_colours_differ_in_colour_mark_or_dashes():
    lines = drawn_lines(line_chart([Line(f"{n}", [n, n]) for n in range(12)]))
    looks = {(line.get_color(), line.get_marker(), line.get_markerfacecolor(), line.get_linestyle()) for line in lines}
    assert len(looks) == 12


def test_bars_are_as_high_as_their_values_and_negative_ones_hang_down():
    bars = {"a": [(10.0, 2.0), (-5.0, 0.0)], "b": [(1.0, 0.0)] * 2}
    axes = bar_chart(bars, ["x", "y"], "t").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [10, -5, 1, 1]
    first, _, second, _ = axes.patches
    assert second.get_x() >= first.get_x() + first.get_width()
    segments = [s[:, 1].tolist() for c in axes.collections for s in c.get_segments()]
    assert segments == [[8, 12]]
    pixels(bar_chart({"x": [(0.0, 0.0)]}, ["a"], "nothing is lost"))


def test_differences_reach_from_bound_to_bound_and_only_shown_ones_are_filled():
    rows = [Difference(2, 1, 3, True), Difference(-1, -2, 0, False), Difference(NAN, 0, 0, False)]
    axes = difference_chart({"b": rows, "c": [Difference(-3, -4, -2, True)] * 3}, list("xyz")).axes[0]
    reaches = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert reaches[:2] == [[1, 3], [-2, 0]]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [dot.get_xdata()[0] for dot in dots] == [2, -1, -3, -3, -3]
    assert [dot.get_markerfacecolor() for dot in dots[:3]] == [SERIES[0], PAPER, SERIES[1]]


def test_a_single_runs_colours_say_what_is_shown():
    rows = [Difference(2, 1, 3, True), Difference(-2, -3, -1, True), Difference(1, -1, 3, False)]
    axes = difference_chart({"b": rows}, list("xyz")).axes[0]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [dot.get_color() for dot in dots] == [GOOD, BAD, MUTED]


def test_warnings_are_written_in_red():
    runs = {"b": [Difference(1, 0.5, 2, True)]}
    plain = difference_chart(runs, ["road"], "title", "points")
    warned = difference_chart(runs, ["road"], "title", "points", ["other conditions " * 20])
    said = [(t.get_text(), to_hex(t.get_color())) for t in warned.legends[0].get_texts()]
    assert said[1][0].startswith("WARNING: other conditions")
    assert said[1][1] == BAD
    assert len(plain.legends[0].get_texts()) == 1
    assert len(pixels(warned)) > len(pixels(plain))


def test_points_and_bars_of_a_reliability_diagram_are_those_of_the_bins():
    bins = [
        {"up_to": 0.5, "confidence": 0.4, "accuracy": 0.3, "pixels": 10},
        {"up_to": 0.75, "confidence": NAN, "accuracy": NAN, "pixels": 0},
        {"up_to": 1.0, "confidence": 0.9, "accuracy": 0.95, "pixels": 30},
    ]
    upper, lower = reliability_chart(bins, ["a", "b", "c"]).axes
    points = upper.lines[1]
    np.testing.assert_allclose(points.get_xydata(), [[40, 30], [90, 95]])
    spans = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in lower.patches]
    np.testing.assert_allclose(spans, [(0, 50, 10), (50, 25, 0), (75, 25, 30)])
    svg(reliability_chart([]), "empty", "no bins")


def test_a_picture_has_the_size_that_documents_show():
    assert pixels(line_chart([Line("a", [1, 2])])).shape == (480, 960, 3)


def test_texts_are_texts_in_every_chart():
    tip = f"{NASTY}\nnext line"
    figures = [
        line_chart([Line(NASTY, [1, 2]), Line(f"_{NASTY}", [1])], NASTY, {0: NASTY, 1: "b"}),
        bar_chart({NASTY: [(1, 0)], "_b": [(1, 0)]}, [NASTY], NASTY),
        difference_chart({NASTY: [Difference(1, 0, 2, True)]}, [NASTY], NASTY, NASTY, [NASTY]),
        line_chart([Line("a", [1, 2])], tips={0: tip, 1: "b"}),
    ]
    for figure in figures:
        text = svg(figure, "key", NASTY, NASTY)
        root = ElementTree.fromstring(text)
        assert not {"script", f"{SVG}script"} & {element.tag for element in root.iter()}
        shown = [element.text or "" for element in root.iter()]
        assert sum("alert(1)</script> $x_1$" in text for text in shown) >= 3
        assert "\x1b" not in text
    titles = [e.text for e in root.iter(f"{SVG}title")]
    assert any(title.endswith("\nnext line") for title in titles)
    labels = [t.get_text() for t in figures[0].legends[0].get_texts()]
    assert labels[1].startswith(" _<script>")


def test_svg_is_the_same_every_time_and_takes_colours_and_font_from_the_page():
    def draw(key):
        figure = line_chart([Line("a", [0.1, 0.7])], "t", tips={0: "x", 1: "y"})
        return svg(figure, key, "a title", "what it shows")

    first = draw("one")
    assert draw("one") == first
    root = ElementTree.fromstring(first)
    assert [root[0].text, root[1].text] == ["a title", "what it shows"]
    assert "#" not in first.replace("url(#", "").replace('href="#', "")
    assert "var(--series-1)" in first
    assert "font-family" not in first
    ids = [{e.get("id") for e in ElementTree.fromstring(draw(key)).iter()} for key in ("one", "two")]
    assert ids[0] & ids[1] == {None}  # two charts of one page
    assert first.count('class="chart-tip"') == 2


def test_a_long_line_stays_small_and_keeps_its_extremes():
    loss = 1 + 0.1 * np.random.default_rng(0).random(10_000)
    loss[[1234, 7777]] = 9.0, 0.25
    text = svg(line_chart([Line("a", loss, has_marks=False)]), "k", "t")
    assert len(text) < 80_000


def test_a_part_tells_what_it_means():
    figure = bar_chart({"a": [(1, 0)]}, ["x"], "t")
    tell(figure.axes[0].patches[0], "one\ntwo <b>")
    root = ElementTree.fromstring(svg(figure, "k", "t"))
    tip = next(e for e in root.iter(f"{SVG}g") if e.get("class") == "chart-tip")
    assert tip[0].text == "one\ntwo <b>"
