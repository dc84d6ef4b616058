"""The page of results: what stands in one table, what is refused, and how it works in a browser."""

import json
import re

import numpy as np
import pytest

from segibn.cli.leaderboard import main
from segibn.errors import SegibnError
from segibn.report.leaderboard import check_result, read_tables

NAMES = ["road", "car"]


def _row(miou, seed=0, protocol="", frames=3, test="cityscapes", **more):
    """A row whose numbers follow from its confusion: road is right, of car a share."""
    wrong = round(100 * (1 - miou) / (1 + miou))
    confusion = [[100 - wrong, wrong, 0], [wrong, 100 - wrong, 0]]
    iou = (100 - wrong) / (100 + wrong)
    signature = f"miou|set:{test}-val|n:{frames}|K:2|absent:skip|void-pred:fn|res:4x4|infer:whole"
    signature += "|scales:1.0|flip:no|v:0.1.0" + (f"|protocol:{protocol}" if protocol else "")
    row = {"train": "gta5:train", "test": f"{test}:val", "network": "resnet50", "ibn": "b"}
    row |= {"seed": seed, "miou": iou, "pixel_accuracy": 1 - wrong / 100, "head": "fcn"}
    row |= {"signature": signature, "num_images": frames, "class_names": NAMES}
    return row | {"confusion": confusion} | more


def _write(folder, rows, frames=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cross_domain.json").write_text(json.dumps(rows))
    if frames is not None:
        (folder / "conditions.json").write_text(json.dumps({"frames": frames}))
    return folder / "cross_domain.json"


@pytest.fixture
def results(tmp_path):
    """Three kinds of measuring: plain, by windows, under a protocol that has published rows."""
    folder = tmp_path / "results"
    names = {"cityscapes:val": ["a", "b", "c"]}
    _write(folder / "plain", [_row(0.5), _row(0.6, 1), _row(0.4, test="bdd100k_semseg")], names)
    windows = _row(0.9)
    windows["signature"] = windows["signature"].replace("infer:whole", "infer:slide512x512")
    _write(folder / "windows", [windows])
    robust = [_row(0.3, protocol="robustnet"), _row(0.35, 1, protocol="robustnet")]
    _write(folder / "protocol", robust)
    (folder / "protocol" / "card.md").write_text("---\nlicense: mit\n---\n")
    stress = [_row(0.1, transform="fog", level=3)]
    (folder / "stress").mkdir()
    (folder / "stress" / "stress.json").write_text(json.dumps(stress))
    return folder


def test_a_table_holds_what_was_measured_alike_and_nothing_else(results):
    tables, left = read_tables(results)
    assert left == []
    assert [table.protocol for table in tables] == ["robustnet", "", ""]
    ways = [table.conditions["infer"] for table in tables]
    assert sorted(ways[1:]) == ["slide512x512", "whole"]
    plain = tables[1 + ways[1:].index("whole")]
    assert plain.columns == ("bdd100k_semseg-val (3)", "cityscapes-val (3)")
    (line,) = plain.lines
    found = line.cells["cityscapes-val (3)"]
    expected = [_row(0.5)["miou"], _row(0.6)["miou"]]
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.deviation == pytest.approx(np.std(expected, ddof=1))
    assert not any(line.is_published for table in tables[1:] for line in table.lines)


def test_the_year_is_that_of_the_latest_measurement_or_of_the_paper(results):
    for name, day in (("plain", "2025-12-31"), ("windows", "soon")):
        path = results / name / "conditions.json"
        said = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(said | {"date": day}))
    tables, _ = read_tables(results)
    years = {line.network: line.year for table in tables for line in table.lines if line.is_published}
    assert years["ResNet-50, ISW"] == 2021
    assert sorted((line.year or 0) for table in tables[1:] for line in table.lines) == [0, 2025]


def test_published_rows_stand_marked_in_the_table_of_their_protocol(results):
    robust = read_tables(results)[0][0]
    published = [line for line in robust.lines if line.is_published]
    ours = [line for line in robust.lines if not line.is_published]
    assert {line.network for line in published} >= {"ResNet-50, no IBN", "ResNet-50, ISW"}
    isw = next(line for line in published if line.network == "ResNet-50, ISW")
    assert isw.cells["cityscapes-val (3)"].mean == pytest.approx(0.3658)
    assert ours[0].card == "protocol/card.md"
    means = [line.cells["cityscapes-val (3)"].mean for line in robust.lines]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"miou": 0.9}, "says mIoU 0.900000, but its confusion"),
        ({"confusion": [[1, 2], [3, 4]]}, r"has a confusion of \(2, 2\) for 2 classes"),
        ({"num_images": 4}, "signature of other classes or frames"),
        ({"class_names": ["road"]}, "for 1 classes"),
        ({"signature": "miou|set:x|n:3|K:2|absent:guess|void-pred:fn"}, "no known way to average"),
        ({"confusion": "many"}, "no table of numbers"),
    ],
)
def test_a_row_that_does_not_follow_from_what_it_rests_on_is_refused(tmp_path, change, fault):
    path = _write(tmp_path, [_row(0.5), _row(0.5, 1) | change])
    with pytest.raises(SegibnError, match=rf"row 2 .*{fault}"):
        check_result(path)


def test_frames_are_held_against_the_conditions(tmp_path):
    path = _write(tmp_path, [_row(0.5)], {"cityscapes:val": ["a", "b"]})
    with pytest.raises(SegibnError, match="names 2 frames of cityscapes:val and counts 3"):
        check_result(path)


def test_what_somebody_sends_is_checked_and_taken_in(results, tmp_path, capsys):
    theirs = _write(tmp_path / "theirs", [_row(0.7, network="<b>net</b>")])
    page = tmp_path / "page.html"
    argv = [str(results), "--output", str(page), "--add", str(theirs)]
    assert main(argv) == 0
    assert "1 rows agree" in capsys.readouterr().out
    assert (results / "theirs" / "cross_domain.json").read_text() == theirs.read_text()
    text = page.read_text()
    assert "<b>net</b>" not in text
    assert "&lt;b&gt;net&lt;/b&gt;" in text
    assert 'href="results/theirs/cross_domain.json"' in text
    with pytest.raises(SegibnError, match="is there already"):
        main(argv)
    with pytest.raises(SegibnError, match="without a path"):
        main([*argv, "--as", "../elsewhere"])
    bad = _write(tmp_path / "bad", [_row(0.7) | {"miou": 0.99}])
    with pytest.raises(SegibnError, match="says mIoU"):
        main([str(results), "--add", str(bad)])
    assert not (results / "bad").exists()


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(SegibnError, match="no results of segibn cross-domain or evaluate"):
        main([str(tmp_path), "--output", str(tmp_path / "page.html")])


def test_it_sorts_filters_and_fits_a_phone(results, tmp_path, browser):
    page_file = tmp_path / "page.html"
    _write(results / "more", [_row(0.8, network="dinov2", train="mapillary:training")])
    assert main([str(results), "--output", str(page_file)]) == 0
    page = browser.new_page(viewport={"width": 390, "height": 800})
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#count").inner_text() == f"{page.locator('tbody tr').count()} rows"
    robust = page.locator(".board").first
    header = robust.locator("th button").nth(2)
    header.click()  # it was descending

    def values():
        texts = robust.locator("tbody td[data-value]:not(.board-year)").all_inner_texts()
        return [float(re.match(r"[\d.]+", text)[0]) for text in texts]

    assert values() == sorted(values())
    header.click()
    assert values() == sorted(values(), reverse=True)
    page.fill("#network", "dino")
    assert page.locator("tbody tr:visible").count() == 1
    assert page.locator(".board:visible").count() == 1
    page.fill("#network", "")
    page.fill("#year", "2026")  # of the rows here none says when it was measured
    assert page.locator("tbody tr:visible").count() == 0
    page.fill("#year", "2021")
    assert page.locator("tbody tr:visible").count() == page.locator(".board-published").count() > 0
    page.fill("#year", "")
    page.uncheck("#published")
    assert page.locator(".board-published:visible").count() == 0
    page.fill("#train", "mapillary")
    assert page.locator("#count").inner_text() == "1 row"
    assert problems == []
    page.close()
