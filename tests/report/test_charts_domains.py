"""The cross-domain table of the report: its numbers against statistics of the rows."""

import json
import re
from collections import defaultdict
from statistics import fmean, stdev
from xml.etree import ElementTree

import pytest

from segibn.errors import SegibnError
from segibn.report.content import CrossDomain
from segibn.report.domains import cross_domain_table
from segibn.report.templates import source

MIOU = {
    ("none", "gta5:val"): (0.44, 0.46, 0.47),
    ("none", "cityscapes:val"): (0.19, 0.21, 0.26),
    ("a", "gta5:val"): (0.45, 0.47, 0.46),
    ("a", "cityscapes:val"): (0.30, 0.33, 0.31),
}


def rows(values=MIOU, **more):
    return [
        {"train": "gta5:train", "test": test, "ibn": ibn, "seed": seed, "miou": miou}
        | {"pixel_accuracy": miou + 0.3, "network": "resnet18"}
        | more
        for (ibn, test), runs in values.items()
        for seed, miou in enumerate(runs)
    ]


def table(content, dataset_of=None, published_note=""):
    return cross_domain_table(CrossDomain(content, dataset_of or {}, published_note))


def text_of(element):
    return " ".join("".join(element.itertext()).split())


def table_of(html):
    """Network -> cells of our table."""
    table = next(t for t in ElementTree.fromstring(html).iter("table") if "chart-domains" in t.get("class"))
    return {text_of(row.find("th")): row.findall("td") for row in table.find("tbody") if row.findall("td")}


def test_cells_hold_mean_spread_drop_and_accuracy():
    cells = table_of(table(rows()))
    for name, ibn in (("resnet18, no IBN", "none"), ("resnet18, IBN-a", "a")):
        own, foreign = (fmean(MIOU[ibn, test]) for test in ("gta5:val", "cityscapes:val"))
        deviation = stdev(MIOU[ibn, "cityscapes:val"])
        drop = f"{100 * (foreign - own) / own:.1f}".replace("-", "\N{MINUS SIGN}")
        expected = f"{100 * foreign:.1f} ± {100 * deviation:.1f} {drop} % "
        expected += f"acc {100 * foreign + 30:.1f}±{100 * deviation:.1f}"
        assert text_of(cells[name][1]) == expected
        assert "source domain" in text_of(cells[name][0])
        assert "%" not in text_of(cells[name][0])


def test_bars_and_whiskers_have_the_lengths_of_mean_and_spread():
    cell = table_of(table(rows()))["resnet18, no IBN"][1]
    values = MIOU["none", "cityscapes:val"]
    styles = [span.get("style") for span in cell.iter("span") if span.get("style")]
    fill, left, width = (float(n) for n in re.findall(r"([\d.]+)%", " ".join(styles)))
    assert fill == pytest.approx(100 * fmean(values), abs=1e-3)
    assert left == pytest.approx(100 * (fmean(values) - stdev(values)), abs=1e-3)
    assert width == pytest.approx(200 * stdev(values), abs=2e-3)


def test_the_best_of_a_column_is_bold():
    cells = table_of(table(rows()))
    bold = {name: [cell.find("b") is not None for cell in line] for name, line in cells.items()}
    assert bold == {"resnet18, no IBN": [False, False], "resnet18, IBN-a": [True, True]}


def test_one_seed_has_neither_spread_nor_whisker():
    html = table([row for row in rows() if row["seed"] == 0])
    assert "chart-whisker" not in html
    assert "one seed (0), so no spread is known" in html


def test_a_network_without_a_score_shows_a_dash():
    kept = [row for row in rows() if (row["ibn"], row["test"]) != ("a", "gta5:val")]
    cells = table_of(table(kept))["resnet18, IBN-a"]
    assert text_of(cells[0]) == "\N{EN DASH}"
    assert "%" not in text_of(cells[1])  # no own domain, so no drop


def test_published_numbers_stand_apart_with_their_source():
    followed = [row | {"protocol": "robustnet", "deviations": []} for row in rows()]
    assert "Published by others" not in table(rows())
    html = table(followed)
    root = ElementTree.fromstring(html)
    others = next(d for d in root.iter("details") if d.get("class") == "chart-others")
    text = text_of(others)
    assert "Published by others" in text
    assert "not ours." in text
    lines = [text_of(line) for line in others.iter("tr")]
    assert any("RobustNet" in line and "33.85" in line for line in lines)
    ours = " ".join(text_of(cell) for line in table_of(html).values() for cell in line)
    assert "33.85" not in ours
    painted = table(followed, published_note="Ours are painted.")
    assert "Ours are painted." in painted
    assert "Published" not in painted
    assert "Published" not in table(followed, {"gta5:train": "x", "cityscapes:val": "y", "gta5:val": "x"})


def test_rows_that_cannot_be_compared_say_so_in_html():
    mixed = rows()
    for row in mixed:
        row["signature"] = f"miou|set:{row['test']}|n:3|scales:{1.0 + row['seed']}"
    html = table(mixed)
    assert "<strong>Not all of these numbers can be compared.</strong>" in html
    assert "<code>2.0</code>" in html
    assert "**" not in html
    assert "`" not in html


def test_incomplete_rows_are_refused():
    with pytest.raises(SegibnError, match="row 1 has no seed"):
        table([{k: v for k, v in rows()[0].items() if k != "seed"}])


def test_names_are_escaped():
    html = table(rows(network="<script>x</script>", protocol=None))
    assert "<script" not in html
    assert "<script>x</script>, IBN-a" in table_of(html)


@pytest.mark.parametrize("name", ["sample_cross_domain", "camera_to_camera", "day_to_night"])
def test_shipped_results_are_drawn(repository, name):
    content = json.loads((repository / "results" / name / "cross_domain.json").read_text())
    groups = defaultdict(list)
    for row in content:
        groups[row["train"], row["network"], row["ibn"], row["test"]].append(100 * row["miou"])
    expected = [f"{fmean(miou):.1f} ± {stdev(miou):.1f}" for miou in groups.values()]
    root = ElementTree.fromstring(table(content))
    ours = next(t for t in root.iter("table") if "chart-domains" in t.get("class"))
    assert sorted(cell[0].text for cell in ours.iter("td")) == sorted(expected)


def test_the_style_sheet_ships_and_styles_every_class_that_is_used():
    css = source("charts.css")
    used = set(re.findall(r' class="([^"]+)"', table(rows())))
    names = {name for group in used for name in group.split()}
    assert names - set(re.findall(r"\.(chart[\w-]*)", css)) <= {"chart-own", "chart-cross", "chart-others"}
