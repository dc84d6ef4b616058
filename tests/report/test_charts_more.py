"""Differences between runs, reliability and boundaries: drawn numbers against those given."""

import json
import re
from xml.etree import ElementTree

import numpy as np

from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.measure import Frame, FramePrediction
from segibn.evaluation.scores import Conditions, Scores
from segibn.report.classes import boundary_bars
from segibn.report.measured import differences, reliability
from segibn.report.templates import source

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
    return next(e for e in element.iter() if name in (e.get("class") or "").split())


def numbers(style):
    return [float(number) for number in re.findall(r":([\d.]+)%", style)]


def rows_of(root):
    """Class -> cells of the table beside the drawing."""
    return {row[0].text: [cell.text or "" for cell in row[1:]] for row in root.iter("tr")}


def test_differences_stand_beside_the_drawing_with_their_intervals():
    rows = rows_of(ElementTree.fromstring(differences(COMPARISON)))
    assert list(rows) == ["class", "mean (mIoU)", *COMPARISON["classes"]]
    assert rows["mean (mIoU)"] == ["40.0", "45.0", "+5.0", "+1.0 to +9.0", "<0.001"]
    assert rows["car"] == ["50.0", "42.0", f"{MINUS}8.0", f"{MINUS}12.0 to {MINUS}4.0", "0.020"]
    assert rows["train"] == ["\N{EN DASH}"] * 3 + ["", ""]


def test_only_what_interval_and_test_agree_on_is_coloured():
    html = differences(COMPARISON)
    told = [e.text for e in ElementTree.fromstring(html).iter("{http://www.w3.org/2000/svg}title")]
    assert f"car: A 50.0 %, B 42.0 %, difference {MINUS}8.0 points" in told
    uses = re.findall(r'<use [^>]*style="fill: var\(--(\w+)\); stroke: var\(--(\w+)\)', html)
    dots = [use for use in uses if use != ("muted", "muted")]  # those are marks of the axis
    assert dots == [
        ("good", "good"),  # the mean, and what follows in the order of the classes
        ("good", "good"),
        ("bad", "bad"),
        ("paper", "muted"),
        ("paper", "muted"),
    ]


def test_verdict_and_warnings_are_shown_and_escaped():
    html = differences(COMPARISON)
    assert "<script" not in html
    root = ElementTree.fromstring(html)
    assert part(root, "chart-verdict").text == "<script> is better"
    assert 'Warning: other "frames" & such' in "".join(root.itertext())


def test_the_shipped_comparison_is_drawn_with_all_its_differences(repository):
    content = json.loads((repository / "results" / "compare_demo" / "compared.json").read_text())
    for comparison in content["comparisons"]:
        shown = rows_of(ElementTree.fromstring(differences(comparison)))
        for name, values in comparison["classes"].items():
            assert shown[name][2] == f"{100 * values['difference']:+.1f}".replace("-", MINUS)


def calibration():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, (40, 50))
    right = rng.random(confidence.shape) < confidence**2
    found = Calibration("ab")
    frame = Frame("frame", None, np.zeros(confidence.shape, np.uint8))
    found.update(frame, FramePrediction(np.where(right, 0, 1), confidence))
    return found.result(), confidence, right


def test_the_bins_stand_below_the_reliability_diagram():
    content, confidence, right = calibration()
    html = reliability(content, "Reliability")
    rows = list(ElementTree.fromstring(html).find(".//table").iter("tr"))[1:]
    place = np.ceil(confidence * 15).astype(int) - 1
    assert len(rows) == 15
    for index, row in enumerate(rows):
        inside = place == index
        sure, accuracy, pixels = (cell.text for cell in row[1:4])
        assert pixels == f"{inside.sum():,}"
        if inside.any():
            assert sure == f"{100 * confidence[inside].mean():.1f}"
            assert accuracy == f"{100 * right[inside].mean():.1f}"
    assert html.count('class="chart-tip"') == 30  # of the points and of the bars below them


def test_a_calibration_without_pixels_is_drawn_empty():
    html = reliability(Calibration("ab").result(), "Reliability")
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
    details = {"boundary": counts.result()}
    scores = Scores(confusion, names, conditions, 1, details=details)
    html = boundary_bars("boundary", scores, [], "key")
    shown = [part(row, "chart-number").text for row in ElementTree.fromstring(html).iter("tr") if row.get("data-class")]
    assert shown[:2] == [f"{100 * value:.1f}" for value in counts.iou[:2]]
    assert shown[2] == "absent"


def test_every_class_of_the_fragments_has_a_rule_or_is_a_mere_hook():
    content, _, _ = calibration()
    html = differences(COMPARISON) + reliability(content, "t")
    used = {name for group in re.findall(r' class="([^"]+)"', html) for name in group.split()}
    hooks = {"chart-comparison", "chart-reliability"}
    assert used - set(re.findall(r"\.(chart[\w-]*)", source("charts.css"))) == hooks
