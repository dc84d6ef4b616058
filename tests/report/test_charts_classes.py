"""IoU bars and the confusion matrix: every number in them against a double loop."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.metrics import class_counts
from segibn.evaluation.resampling import Resampling, bootstrap_intervals
from segibn.evaluation.scores import Conditions, Scores
from segibn.report.classes import class_results, iou_bars
from segibn.report.measured import confusion_matrix
from segibn.report.templates import anchor

NAMES = ("road", "traffic light", 'a "quoted" <b>', "train")
PALETTE = [(128, 64, 128), (250, 170, 30), (1, 2, 3), (0, 80, 100)]
NASTY = "<script>alert(1)</script>'\"&"


def frames(seed=0, n=5, k=4, absent=3):
    rng = np.random.default_rng(seed)
    confusions = rng.integers(0, 2000, size=(n, k, k + 1))
    if absent is not None:
        confusions[:, absent] = 0
        confusions[:, :, absent] = 0
    return confusions


def scores_of(confusions, names=NAMES, by_frame=True):
    counts = np.stack([class_counts(frame) for frame in confusions])
    return Scores(
        confusion=confusions.sum(axis=0),
        class_names=names,
        conditions=Conditions("test"),
        num_images=len(confusions),
        frame_counts=FrameCounts(tuple(map(str, range(len(counts)))), counts) if by_frame else None,
    )


def style_numbers(element):
    found = re.findall(r"(left|width):([\d.]+)%", element.get("style"))
    return {name: float(value) for name, value in found}


def rows_of(html):
    root = ElementTree.fromstring(html)
    return {int(row.get("data-class")): row for row in root.iter("tr") if row.get("data-class")}


def parts(row, name):
    return [item for item in row.iter() if name in (item.get("class") or "").split()]


def loop_iou(confusion, k):
    """IoU of class k by hand."""
    hit = int(confusion[k][k])
    union = sum(int(confusion[k][p]) for p in range(len(confusion[0])))
    union += sum(int(confusion[t][k]) for t in range(len(confusion))) - hit
    return hit / union


def test_bars_are_as_long_as_the_iou_and_whiskers_end_at_the_interval():
    confusions = frames()
    scores = scores_of(confusions)
    how = Resampling(resamples=500)
    bounds = bootstrap_intervals(scores.frame_counts.counts, "cityscapes", how)
    html = iou_bars([class_results("run", scores, PALETTE, how)])
    total = confusions.sum(axis=0)
    for k, row in rows_of(html).items():
        if k == 3:
            continue
        iou = loop_iou(total, k)
        fill, whisker = parts(row, "chart-fill")[0], parts(row, "chart-whisker")[0]
        assert style_numbers(fill)["width"] == pytest.approx(100 * iou, abs=1e-3)
        ends = style_numbers(whisker)
        low, high = 100 * bounds.iou[:, k]
        assert ends["left"] == pytest.approx(low, abs=1e-3)
        assert ends["left"] + ends["width"] == pytest.approx(high, abs=2e-3)
        assert parts(row, "chart-number")[0].text == f"{100 * iou:.1f}"
        assert parts(row, "chart-ci")[0].text == f"{low:.1f} to {high:.1f}"
        pixels = sum(int(v) for v in total[k]) / sum(int(v) for v in total.ravel())
        assert parts(row, "chart-share")[0].text == f"{100 * pixels:.2f}"
        color = f"rgb({','.join(map(str, PALETTE[k]))})"
        assert color in parts(row, "chart-chip")[0].get("style")
    mean = sum(loop_iou(total, k) for k in range(3)) / 3
    table = ElementTree.fromstring(html).find("table")
    assert float(re.findall(r"[\d.]+", table.get("style"))[0]) == pytest.approx(100 * mean, abs=1e-3)


def test_a_class_that_is_nowhere_is_absent_and_one_only_predicted_says_so():
    confusions = frames()
    row = rows_of(iou_bars([class_results("run", scores_of(confusions))]))[3]
    assert parts(row, "chart-number")[0].text == "absent"
    assert not parts(row, "chart-fill")
    confusions[0, 0, 3] = 7
    row = rows_of(iou_bars([class_results("run", scores_of(confusions))]))[3]
    assert parts(row, "chart-number")[0].text == "0.0"
    assert parts(row, "chart-remark")[0].text == "absent, yet predicted"


def test_without_counts_of_single_frames_there_are_no_whiskers():
    html = iou_bars([class_results("run", scores_of(frames(), by_frame=False))])
    assert "chart-whisker" not in html
    assert "No intervals" in html


def test_several_runs_stand_side_by_side_in_one_row():
    runs = [class_results(f"run {s}", scores_of(frames(s)), PALETTE) for s in range(3)]
    html = iou_bars(runs)
    row = rows_of(html)[1]
    numbers = [item.text for item in parts(row, "chart-number")]
    expected = [f"{100 * loop_iou(frames(s).sum(axis=0), 1):.1f}" for s in range(3)]
    assert numbers == expected
    colors = [item.get("class").split()[-1] for item in parts(row, "chart-one")]
    assert colors == ["chart-s1", "chart-s2", "chart-s3"]
    titles = [item.get("title") for item in parts(row, "chart-one")]
    assert all(title.startswith(f"run {s}, traffic light: ") for s, title in enumerate(titles))


def test_ranks_put_the_lowest_iou_first_and_absent_classes_last():
    total = frames().sum(axis=0)
    rows = rows_of(iou_bars([class_results("run", scores_of(frames()))]))
    ranks = {k: int(row.get("style").removeprefix("--rank:")) for k, row in rows.items()}
    by_rank = sorted(ranks, key=ranks.get)
    assert by_rank[:-1] == sorted(range(3), key=lambda k: loop_iou(total, k))
    assert by_rank[-1] == 3


def test_every_link_of_the_matrix_meets_a_row_of_the_bars():
    names = ("road", "traffic light", NASTY, "Straße")
    scores = scores_of(frames(), names)
    ids = {row.get("id") for row in rows_of(iou_bars([class_results("run", scores)])).values()}
    root = ElementTree.fromstring(confusion_matrix(scores.confusion, names))
    targets = {link.get("href").removeprefix("#") for link in root.iter("a")}
    assert targets == ids == {anchor(name) for name in names}
    assert anchor("traffic light") == "class-traffic-light"
    assert all(not re.search(r"[\s<>\"'&]", target) for target in targets)


def test_names_are_escaped_in_bars_and_matrix():
    names = (NASTY, "b", "c", "d")
    scores = scores_of(frames(), names)
    bars = iou_bars([class_results(NASTY, scores), class_results("<b>", scores)])
    for html in (bars, confusion_matrix(scores.confusion, names)):
        tags = set()
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attrs, tags=tags: tags.add(tag)
        parser.feed(html)
        assert not tags & {"script", "b"}
        assert NASTY in "".join(ElementTree.fromstring(html).itertext())


def cells_of(html):
    root = ElementTree.fromstring(html)
    return {
        (cell.get("data-target"), cell.get("data-pred")): cell for cell in root.iter("td") if cell.get("data-target")
    }


def test_every_percentage_of_the_matrix_is_that_of_a_double_loop():
    rng = np.random.default_rng(3)
    k = 19
    counts = rng.integers(0, 10_000, size=(k, k + 1)) * (rng.random((k, k + 1)) < 0.7)
    counts[4] = 0
    names = [f"class {i}" for i in range(k)]
    cells = cells_of(confusion_matrix(counts, names))
    assert len(cells) == k * (k + 1)
    for t in range(k):
        for p in range(k + 1):
            cell = cells[str(t), "void" if p == k else str(p)]
            count = int(counts[t][p])
            if not count:
                assert len(cell) == 0
                assert cell.get("title") is None
                continue
            of_row = count / sum(int(counts[t][q]) for q in range(k + 1))
            of_column = count / sum(int(counts[q][p]) for q in range(k))
            texts = [span.text for span in cell]
            for text, share in zip(texts, (of_row, of_column), strict=True):
                assert text == ("·" if share < 0.005 else f"{100 * share:.0f}")
            style = dict(re.findall(r"--(\w):([\d.]+)", cell.get("style")))
            assert float(style["r"]) == pytest.approx(of_row, abs=1e-4)
            assert float(style["c"]) == pytest.approx(of_column, abs=1e-4)
            share = "less than 0.1 %" if of_row < 0.0005 else f"{100 * of_row:.1f} %"
            called = "given no class" if p == k else f"called class {p}"
            told = f"of class {t}, {share} was {called} ({count:,} px); of all that"
            assert cell.get("title").startswith(told)
            assert (cell.get("class") == "chart-right") == (t == p)


def test_the_largest_confusions_are_told_in_order():
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[np.arange(3), np.arange(3)] = 1_000_000
    counts[0, 1], counts[2, 0], counts[1, 3] = 12_345, 600, 99_000
    root = ElementTree.fromstring(confusion_matrix(counts, ["road", "sidewalk", "car"]))
    items = [" ".join("".join(item.itertext()).split()) for item in root.iter("li")]
    assert items == [
        "of sidewalk, 9.0 % was given no class (99,000 px, 88.4 % of all errors)",
        "of road, 1.2 % was called sidewalk (12,345 px, 11.0 % of all errors)",
        "of car, 0.1 % was called road (600 px, 0.5 % of all errors)",
    ]


def test_a_column_of_void_predictions_is_there_only_when_it_holds_pixels():
    counts = np.array([[5, 1, 0], [0, 7, 0]])
    html = confusion_matrix(counts, ["a", "b"])
    assert "no class" not in html
    assert "Every pixel was given a class." in html
    counts[0, 2] = 1
    assert ("0", "void") in cells_of(confusion_matrix(counts, ["a", "b"]))


def test_a_matrix_without_errors_or_pixels_has_no_confusions_to_tell():
    for counts in (np.eye(2, 3, dtype=int), np.zeros((2, 3), dtype=int)):
        assert "Largest confusions" not in confusion_matrix(counts, ["a", "b"])
