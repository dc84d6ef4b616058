"""Learning curves and their reading: compared with loops."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from segibn.errors import SegibnError
from segibn.report.curve import Curve, read_curve, smooth
from segibn.report.training import learning_curves

SVG = "{http://www.w3.org/2000/svg}"
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
    """Title of a drawing -> what it tells under the pointer."""
    figures = ElementTree.fromstring(html).iter("figure")
    return {
        figure.find("figcaption").text: [title.text for title in figure.iter(f"{SVG}title")][1:] for figure in figures
    }


def test_a_line_cut_short_is_left_out_and_a_scored_iteration_joins_its_record(tmp_path):
    lines = [record(20, loss=1.5, lr=0.1), record(40, loss=1.25, lr=0.05, images_per_s=8.0)]
    lines += [record(40, val_miou=0.5, val_pixel_accuracy=0.75), '{"iteration": 60, "lo']
    read = read_curve(write_lines(tmp_path / "run", lines), "my run")
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
    read = read_curve(write_lines(tmp_path / "run", lines), "run")
    assert read.iterations.tolist() == [20, 40, 60, 80, 100]
    assert read.loss.tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert read.scored.size == 0  # that score was of the attempt that is no more


def test_a_file_that_no_training_wrote_is_refused_by_name(tmp_path):
    with pytest.raises(SegibnError, match=r"metrics\.jsonl.*no line is a record"):
        read_curve(write_lines(tmp_path / "run", ["a", "b"]), "run")
    with pytest.raises(SegibnError, match=r"metrics\.jsonl: cannot be read"):
        read_curve(tmp_path, "run")


@pytest.mark.parametrize("width", [0, 1, 3])
def test_smoothing_is_the_mean_of_a_window_that_narrows_at_the_ends(width):
    values = [*LOSS[:4], float("nan"), *LOSS[4:], float("inf")]
    expected = []
    for i in range(len(values)):
        reach = min(width, i, len(values) - 1 - i)
        window = [v for v in values[i - reach : i + reach + 1] if np.isfinite(v)]
        expected.append(sum(window) / len(window) if window else float("nan"))
    np.testing.assert_allclose(smooth(values, width), expected, rtol=1e-12)


def test_columns_under_the_pointer_tell_every_run():
    runs = [curve(LOSS, "one"), curve([2 * loss for loss in LOSS], "two")]
    told = panels(learning_curves(runs))["Loss"]
    assert len(told) == 10
    assert "iteration 30\none: 1.700 (smoothed 1.817)\ntwo: 3.400 (smoothed 3.633)" in told


def test_points_of_miou_say_their_per_cent():
    html = learning_curves([curve(LOSS, "plain", [50, 100], [0.3217, 0.456])])
    wanted = ["iteration 50\nplain: 32.2 %", "iteration 100\nplain: 45.6 %"]
    assert panels(html)["Held-out mIoU"] == wanted


def test_runs_have_colours_and_shapes_of_their_own():
    runs = [curve(LOSS, f"run {i}", [50], [0.1 * i]) for i in range(8)]
    html = ElementTree.fromstring(learning_curves(runs))
    legend = [e for e in html.iter("span") if "chart-swatch" in e.get("class", "")]
    assert len({(swatch.get("class"), swatch.text) for swatch in legend}) == 8


def test_ten_thousand_records_stay_small():
    loss = 1 + 0.1 * np.random.default_rng(0).random(10_000)
    assert len(learning_curves([curve(loss)])) < 150_000


def test_a_loss_that_is_nan_or_infinite_is_said():
    html = learning_curves([curve([1.0, float("nan"), 2.0, float("inf")], "run")])
    assert "run: the loss was NaN or infinite in 2 records." in html
    assert "nan" not in html


def test_one_record_and_no_record_are_shown_as_such():
    one = panels(learning_curves([curve([0.5])]))
    assert list(one) == ["Loss", "Learning rate"]
    html = learning_curves([curve([], "empty")])
    assert "No run has records yet." in html
    assert "empty" in html


def test_the_table_holds_the_values():
    rows = ElementTree.fromstring(learning_curves([curve(LOSS, "r", [100], [0.5])])).findall(".//details//tbody/tr")
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert [row[1] for row in cells] == [str(10 * (i + 1)) for i in range(10)]
    assert [float(row[2]) for row in cells] == LOSS
    assert [row[4] for row in cells][-1] == "50.0"


def test_a_learning_rate_all_runs_share_is_drawn_once():
    shared = panels(learning_curves([curve(LOSS, "a"), curve(LOSS, "b")]))["Learning rate"]
    other = [curve(LOSS, "a"), curve(LOSS, "b", lr=[0.5] * 10)]
    own = panels(learning_curves(other))["Learning rate"]
    assert [told[0].count("\n") for told in (shared, own)] == [1, 2]


def test_titles_of_runs_are_escaped():
    title = "<script>alert('x')</script> \"&"
    html = learning_curves([curve(LOSS, title, [50], [0.5])])
    assert "<script" not in html
    assert ElementTree.fromstring(html).find(".//tbody/tr/th/span").tail == title
