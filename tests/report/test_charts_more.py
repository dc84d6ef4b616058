"""Differences between runs, reliability and boundaries: drawn numbers against those given."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.measure import Frame, FramePrediction
from segibn.evaluation.scores import Conditions, Scores
from segibn.report.charts import (
    boundary_results,
    chart_css,
    difference_chart,
    iou_bars,
    reliability_diagram,
    step_time_bars,
)

MINUS = "\N{MINUS SIGN}"


def line(a, b, low, high, **p):
    difference = None if a is None else b - a
    return {"a": a, "b": b, "difference": difference, "low": low, "high": high, **p}


COMPARISON = {
    "a": "plain",
    "b": "<script>",
    "warnings": ["other \"frames\" & such"],
    "verdict": "<script> is better",
    "frames": 1234,
    "level": 0.95,
    "resamples": 10_000,
    "miou": line(0.40, 0.45, 0.01, 0.09, p=0.0002),
    "classes": {
        "road": line(0.80, 0.90, 0.05, 0.15, p_holm=0.01),
        "car": line(0.50, 0.42, -0.12, -0.04, p_holm=0.02),
        "bus": line(0.30, 0.35, -0.02, 0.12, p_holm=0.4),
        "pole": line(0.30, 0.35, 0.01, 0.09, p_holm=0.06),
        "train": line(None, None, None, None, p_holm=None),
    },
}  # fmt: skip


def part(element, name):
    found = [item for item in element.iter() if name in (item.get("class") or "").split()]
    return found[0] if found else None


def numbers(style):
    return [float(number) for number in re.findall(r":([\d.]+)%", style)]


def test_dots_and_intervals_lie_at_their_points_around_the_line_at_zero():
    root = ElementTree.fromstring(difference_chart(COMPARISON))
    table = root.find("table")
    (zero,) = numbers(table.get("style"))
    labels = part(table, "chart-scale")
    ticks = {float(t.text.replace(MINUS, "-")): numbers(t.get("style"))[0] for t in labels}
    assert ticks[0] == zero
    per_point = (max(ticks.values()) - min(ticks.values())) / (max(ticks) - min(ticks))
    rows = [row for row in table.iter("tr") if row.get("data-class")]
    for row, values in zip(rows, COMPARISON["classes"].values(), strict=True):
        if values["a"] is None:
            assert part(row, "chart-dot") is None
            assert part(row, "chart-number").text == "\N{EN DASH}"
            continue
        (dot,) = numbers(part(row, "chart-dot").get("style"))
        left, width = numbers(part(row, "chart-reach").get("style"))
        difference = 100 * (values["b"] - values["a"])
        found = [(place - zero) / per_point for place in (dot, left, left + width)]
        wanted = [difference, 100 * values["low"], 100 * values["high"]]
        np.testing.assert_allclose(found, wanted, atol=0.01)
        assert part(row, "chart-number").text == f"{difference:+.1f}".replace("-", MINUS)


def test_only_what_interval_and_test_agree_on_is_coloured():
    root = ElementTree.fromstring(difference_chart(COMPARISON))
    rows = [row for row in root.iter("tr") if row.get("data-class")]
    looks = [part(row, "chart-one").get("class").split()[-1] for row in rows]
    assert looks == ["chart-gain", "chart-loss", "chart-same", "chart-same", "chart-same"]


def test_verdict_and_warnings_are_shown_and_escaped():
    html = difference_chart(COMPARISON)
    assert "<script" not in html
    root = ElementTree.fromstring(html)
    assert part(root, "chart-verdict").text == "<script> is better"
    assert 'Warning: other "frames" & such' in "".join(root.itertext())


def test_the_shipped_comparison_is_drawn_with_all_its_differences(repository):
    content = json.loads((repository / "results" / "compare_demo" / "compared.json").read_text())
    for comparison in content["comparisons"]:
        root = ElementTree.fromstring(difference_chart(comparison))
        rows = [row for row in root.iter("tr") if row.get("data-class")]
        shown = {row.find("th").text: part(row, "chart-number").text for row in rows}
        assert shown == {
            name: f"{100 * values['difference']:+.1f}".replace("-", MINUS)
            for name, values in comparison["classes"].items()
        }


def calibration():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, (40, 50))
    right = rng.random(confidence.shape) < confidence**2
    found = Calibration("ab", bins=10)
    frame = Frame("frame", None, np.zeros(confidence.shape, np.uint8))
    found.update(frame, FramePrediction(np.where(right, 0, 1), confidence))
    return found.result(), confidence, right


def test_points_and_bars_of_the_reliability_diagram_are_those_of_the_bins():
    content, confidence, right = calibration()
    svg = ElementTree.fromstring(reliability_diagram(content)).find(".//svg")
    across = {t.text: float(t.get("x")) for t in svg.iter("text") if t.get("class") == "chart-tick"}
    up = {t.text: float(t.get("y")) - 4 for t in svg.iter("text") if "tick-y" in t.get("class")}
    circles = list(svg.iter("circle"))
    bars = [float(rect.get("height")) for rect in svg.iter("rect")]
    place = np.ceil(confidence * 10).astype(int) - 1
    counts = [int((place == index).sum()) for index in range(10)]
    filled = [index for index in range(10) if counts[index]]
    assert len(circles) == len(filled)
    for circle, index in zip(circles, filled, strict=True):
        inside = place == index
        x = (float(circle.get("cx")) - across["0"]) / (across["100"] - across["0"])
        y = (float(circle.get("cy")) - up["0"]) / (up["100"] - up["0"])
        assert x == pytest.approx(confidence[inside].mean(), abs=1e-3)
        assert y == pytest.approx(right[inside].mean(), abs=1e-3)
    ratio = [bar / max(bars) for bar in bars]
    np.testing.assert_allclose(ratio, np.array(counts) / max(counts), atol=2e-3)


def test_a_calibration_without_pixels_is_drawn_empty():
    html = reliability_diagram(Calibration("ab", bins=5).result())
    assert "<circle" not in html
    assert "error \N{EN DASH} %" in html


def test_boundary_iou_stands_beside_iou_where_it_was_measured():
    target = np.zeros((40, 40), dtype=np.uint8)
    target[10:30, 10:30] = 1
    pred = np.roll(target, 2, axis=1)
    names, conditions = ("road", "car", "bus"), Conditions("test")
    counts = BoundaryIoU(names)
    counts.update(Frame("frame", None, target), FramePrediction(pred))
    confusion = np.zeros((3, 4), dtype=np.int64)
    np.add.at(confusion, (target.ravel(), pred.ravel()), 1)
    bare = Scores(confusion, names, conditions, 1)
    assert boundary_results("boundary IoU", bare) is None
    details = {"boundary": counts.result()}
    measured = boundary_results(
        "boundary", Scores(confusion, names, conditions, 1, details=details)
    )
    html = iou_bars([measured])
    shown = [
        part(row, "chart-number").text
        for row in ElementTree.fromstring(html).iter("tr")
        if row.get("data-class")
    ]
    assert shown[:2] == [f"{100 * value:.1f}" for value in counts.iou[:2]]
    assert shown[2] == "absent"


PROFILE = {
    "steps": 3,
    "samples": 8,
    "processes": 1,
    "device": "<gpu>",
    "precision": "float32",
    "seconds": 0.2,
    "data_wait": 0.25,
    "loader_workers": 2,
    "loader_samples_per_s": 123.4,
    "memory_bytes": 512 * 2**20,
    "parts": [
        {"name": "forward", "calls": 1, "host_s": 0.08, "device_s": 0.12},
        {"name": "<b>rest</b>", "calls": 2, "host_s": 0.02, "device_s": None},
    ],
    "operators": [{"name": "aten::add_", "calls": 7, "host_s": 0.01, "device_s": 0.002}],
}


def test_bars_of_a_step_are_as_long_as_its_parts_and_say_their_share():
    root = ElementTree.fromstring(step_time_bars(PROFILE))
    rows = list(root.find("table").find("tbody"))
    fills = [numbers(part(line, "chart-fill").get("style"))[0] for row in rows for line in row[1]]
    np.testing.assert_allclose(fills, [100 * 0.08 / 0.12, 100, 100 * 0.02 / 0.12], atol=1e-3)
    texts = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert texts[0] == ["forward", "80.0040.0 %120.0060.0 % on the GPU", "1"]
    assert texts[1] == ["<b>rest</b>", "20.0010.0 %", "2"]
    (operator,) = root.findall(".//details//tbody/tr")
    assert [cell.text for cell in operator] == ["aten::add_", "7", "10.00", "5.0", "2.00"]
    said = "".join(root.itertext())
    assert "200.0 ms an update of 8 samples: 40.0 samples/s, 25.0 % of the time waiting" in said
    assert "512 MiB at the highest point" in said


def test_every_class_of_the_fragments_has_a_rule_or_is_a_mere_hook():
    content, _, _ = calibration()
    html = difference_chart(COMPARISON) + reliability_diagram(content) + step_time_bars(PROFILE)
    used = {name for group in re.findall(r' class="([^"]+)"', html) for name in group.split()}
    hooks = {"chart-comparison", "chart-reliability", "chart-profile"}
    assert used - set(re.findall(r"\.(chart[\w-]*)", chart_css())) == hooks
