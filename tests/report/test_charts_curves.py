"""Learning curves, their axes and their reading: compared with loops and with the SVG's numbers."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.report.charts import Curve, learning_curves, read_curve
from segibn.report.charts.axis import covering_axis, exact_axis, tick_text
from segibn.report.charts.curve import smooth, thin

LOSS = [3.2, 2.1, 1.7, 1.65, 1.2, 1.31, 0.94, 0.8, 0.83, 0.7]


def write_lines(folder, lines):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def record(iteration, **values):
    return json.dumps({"iteration": iteration, **values})


def curve(loss, title="run", scored=(), miou=(), lr=None):
    n = len(loss)
    return Curve(
        title,
        np.arange(1, n + 1) * 10,
        np.array(loss, dtype=float),
        np.linspace(0.1, 0, n) if lr is None else np.array(lr),
        np.full(n, 5.0),
        np.array(scored, dtype=np.int64),
        np.array(miou, dtype=float),
    )


def panels(html):
    figures = ElementTree.fromstring(html).iter("figure")
    return {figure.find("figcaption").text: figure.find("svg") for figure in figures}


def marks(svg, axis):
    """(place, value) of an axis' marks, read from the drawing."""
    name = "chart-tick chart-tick-y" if axis == "y" else "chart-tick"
    return [
        (float(text.get(axis)) - (4 if axis == "y" else 0), text.text)
        for text in svg.iter("text")
        if text.get("class") == name
    ]


def points_of(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"[ML](\S+) ([^ML]+)", path.get("d"))]


def test_a_line_cut_short_is_left_out_and_a_scored_iteration_joins_its_record(tmp_path):
    lines = [record(20, loss=1.5, lr=0.1), record(40, loss=1.25, lr=0.05, images_per_s=8.0)]
    lines += [record(40, val_miou=0.5, val_pixel_accuracy=0.75), '{"iteration": 60, "lo']
    read = read_curve(write_lines(tmp_path / "my run", lines))
    assert read.title == "my run"
    assert read.iterations.tolist() == [20, 40]
    assert read.loss.tolist() == [1.5, 1.25]
    assert read.lr.tolist() == [0.1, 0.05]
    assert np.isnan(read.images_per_s[0])
    assert read.images_per_s[1] == 8.0
    assert (read.scored.tolist(), read.miou.tolist()) == ([40], [0.5])


def test_a_resumed_run_replaces_what_it_repeats(tmp_path):
    lines = [record(step, loss=1.0) for step in (20, 40, 60, 80)]
    lines.insert(3, record(60, val_miou=0.5))
    lines += [record(step, loss=2.0) for step in (60, 80, 100)]
    read = read_curve(write_lines(tmp_path / "run", lines) / "metrics.jsonl")
    assert read.iterations.tolist() == [20, 40, 60, 80, 100]
    assert read.loss.tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert read.scored.size == 0  # that score was of the attempt that is no more


def test_a_file_that_no_training_wrote_is_refused_by_name(tmp_path):
    with pytest.raises(SegibnError, match=r"metrics\.jsonl.*no line is a record"):
        read_curve(write_lines(tmp_path / "run", ["a", "b"]))
    with pytest.raises(SegibnError, match=r"metrics\.jsonl: cannot be read"):
        read_curve(tmp_path / "metrics.jsonl")


@pytest.mark.parametrize("width", [0, 1, 3])
def test_smoothing_is_the_mean_of_a_window_that_narrows_at_the_ends(width):
    values = [*LOSS[:4], float("nan"), *LOSS[4:], float("inf")]
    expected = []
    for i in range(len(values)):
        reach = min(width, i, len(values) - 1 - i)
        window = [v for v in values[i - reach : i + reach + 1] if np.isfinite(v)]
        expected.append(sum(window) / len(window) if window else float("nan"))
    np.testing.assert_allclose(smooth(values, width), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.31, 3.2), (0, 7.9), (-3, 12), (0.00021, 0.00078), (5, 5), (-2, -2), (999, 1001), (0, 0)],
)
def test_an_axis_has_round_marks_that_enclose_the_data(low, high):
    axis = covering_axis(low, high, 100, 0)
    assert axis.low <= low <= high <= axis.high
    leading = axis.step / 10.0 ** np.floor(np.log10(axis.step) + 1e-9)
    assert min(abs(leading - digit) for digit in (1, 2, 5)) < 1e-6
    assert 2 <= len(axis.ticks) <= 8
    assert axis.ticks[0] == pytest.approx(axis.low)
    assert axis.ticks[-1] == pytest.approx(axis.high)
    assert [axis.place(axis.low), axis.place(axis.high)] == [100, 0]
    written = [tick_text(tick, axis.step) for tick in axis.ticks]
    assert len(set(written)) == len(written)
    for text, tick in zip(written, axis.ticks, strict=True):
        assert float(text) == pytest.approx(tick, abs=1e-9)


def test_large_marks_are_written_in_thousands():
    axis = exact_axis(0, 40_000, 0, 100)
    texts = [tick_text(tick, axis.step) for tick in axis.ticks]
    assert texts == ["0", "10k", "20k", "30k", "40k"]


def test_the_lines_go_through_the_values():
    drawn = panels(learning_curves([curve(LOSS)]))
    svg = drawn["Loss"]
    (y0, low), (y1, high) = marks(svg, "y")[0], marks(svg, "y")[-1]
    (x0, first), (x1, last) = marks(svg, "x")[0], marks(svg, "x")[-1]
    raw, smoothed = (
        points_of(next(path for path in svg.iter("path") if path.get("class") == name))
        for name in ("chart-raw", "chart-line")
    )
    lines = [path.get("d") for path in svg.iter("path")]
    assert [line.count("M") for line in lines] == [1, 1]  # one unbroken line each
    window = [
        sum(LOSS[max(i - 1, 0) : i + 2]) / 3 if 0 < i < 9 else LOSS[i] for i in range(len(LOSS))
    ]
    for points, values in ((raw, LOSS), (smoothed, window)):
        found_y = [
            float(low) + (y - y0) / (y1 - y0) * (float(high) - float(low)) for _, y in points
        ]
        found_x = [
            float(first) + (x - x0) / (x1 - x0) * (float(last) - float(first)) for x, _ in points
        ]
        np.testing.assert_allclose(found_y, values, atol=0.002)
        np.testing.assert_allclose(found_x, np.arange(1, 11) * 10, atol=0.2)


def test_points_of_miou_lie_at_their_per_cent_and_say_it():
    html = learning_curves([curve(LOSS, "plain", [50, 100], [0.3217, 0.456])])
    svg = panels(html)["Held-out mIoU"]
    ys = marks(svg, "y")
    scale = (float(ys[-1][1]) - float(ys[0][1])) / (ys[-1][0] - ys[0][0])
    centers = [float(circle.get("cy")) for circle in svg.iter("circle")]
    found = [float(ys[0][1]) + (center - ys[0][0]) * scale for center in centers]
    np.testing.assert_allclose(found, [32.17, 45.6], atol=0.05)
    told = {title.text for title in svg.iter("title")}
    assert "plain, iteration 50: 32.2 %" in told
    assert "plain, iteration 100: 45.6 %" in told


def test_columns_under_the_pointer_tell_every_run():
    runs = [curve(LOSS, "one"), curve([2 * loss for loss in LOSS], "two")]
    svg = panels(learning_curves(runs))["Loss"]
    told = [title.text for title in svg.iter("title")]
    assert "iteration 30\none: 1.700 (smoothed 1.817)\ntwo: 3.400 (smoothed 3.633)" in told


def test_runs_have_colours_and_shapes_of_their_own():
    runs = [curve(LOSS, f"run {i}", [50], [0.1 * i]) for i in range(8)]
    html = ElementTree.fromstring(learning_curves(runs))
    legend = [svg for svg in html.iter("svg") if "chart-swatch" in svg.get("class")]
    looks = set()
    for svg in legend:
        shape = list(svg)[-1]
        looks.add((svg.get("class"), shape.tag, shape.get("points"), shape.get("class")))
    assert len(looks) == 8


def test_ten_thousand_records_stay_small_and_keep_their_extremes():
    rng = np.random.default_rng(0)
    loss = 1 + 0.1 * rng.random(10_000)
    loss[[1234, 7777]] = 9.0, 0.25
    kept = thin(np.arange(10_000), loss, 100)
    assert kept.size <= 400
    assert {0, 1234, 7777, 9999} <= set(kept.tolist())
    for part in range(100):  # of every part the smallest and the largest
        window = loss[part * 100 : part * 100 + 100]
        drawn = loss[kept[(kept >= part * 100) & (kept < part * 100 + 100)]]
        assert (drawn.min(), drawn.max()) == (window.min(), window.max())
    html = learning_curves([curve(loss)])
    assert len(html) < 80_000
    svg = panels(html)["Loss"]
    raw = next(path for path in svg.iter("path") if path.get("class") == "chart-raw")
    ys, ticks = [y for _, y in points_of(raw)], marks(svg, "y")
    scale = (float(ticks[-1][1]) - float(ticks[0][1])) / (ticks[-1][0] - ticks[0][0])
    found = [float(ticks[0][1]) + (y - ticks[0][0]) * scale for y in (max(ys), min(ys))]
    np.testing.assert_allclose(found, [0.25, 9.0], atol=0.05)


def test_a_loss_that_is_no_number_leaves_a_gap_and_is_said():
    html = learning_curves([curve([1.0, float("nan"), 2.0, float("inf")], "run")])
    path = next(p for p in panels(html)["Loss"].iter("path"))
    assert path.get("d").count("M") == 2
    assert len(points_of(path)) == 2
    assert "run: the loss was no number in 2 records." in html
    assert "nan" not in html


def test_one_record_and_no_record_are_shown_as_such():
    one = panels(learning_curves([curve([0.5])]))
    assert list(one) == ["Loss", "Learning rate"]
    html = learning_curves([curve([], "empty")])
    assert "No run has records yet." in html
    assert "empty" in html


def test_the_table_holds_the_values():
    rows = ElementTree.fromstring(learning_curves([curve(LOSS, "r", [100], [0.5])])).findall(
        ".//details//tbody/tr"
    )
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert [row[1] for row in cells] == [str(10 * (i + 1)) for i in range(10)]
    assert [float(row[2]) for row in cells] == LOSS
    assert [row[4] for row in cells][-1] == "50.0"


def test_a_learning_rate_all_runs_share_is_drawn_once():
    shared = panels(learning_curves([curve(LOSS, "a"), curve(LOSS, "b")]))["Learning rate"]
    other = [curve(LOSS, "a"), curve(LOSS, "b", lr=[0.5] * 10)]
    own = panels(learning_curves(other))["Learning rate"]
    assert [len(list(svg.iter("path"))) for svg in (shared, own)] == [1, 2]


def test_titles_of_runs_are_escaped():
    title = "<script>alert('x')</script> \"&"
    html = learning_curves([curve(LOSS, title, [50], [0.5])])
    assert "<script" not in html
    assert ElementTree.fromstring(html).find(".//tbody/tr/th/svg").tail == title
