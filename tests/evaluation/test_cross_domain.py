from typing import Any

import pytest

from segibn.errors import SegibnError
from segibn.evaluation.cross_domain import format_cross_domain
from segibn.evaluation.published import NAMED_PROTOCOLS, PROTOCOLS, PUBLISHED_ROWS
from segibn.evaluation.rows import ON_TARGET, is_own_domain


def row(train: str, test: str, ibn: str, miou: float, **extra: Any) -> dict[str, Any]:
    given = {"train": train, "test": test, "ibn": ibn, "seed": 0, "miou": miou}
    return given | {"pixel_accuracy": 0.9} | extra


def line_of(table: str, start: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_network_is_a_row_and_each_test_set_a_column():
    rows = [
        row("game", "game", "b", 0.5),
        row("game", "camera", "b", 0.4),
        row("game", "game", "none", 0.6),
        row("game", "camera", "none", 0.3),
    ]
    lines = format_cross_domain(rows).splitlines()
    assert lines[0] == "| train | network | game | camera |"
    assert lines[2] == "| game | no IBN | 60.0 / 90.0 | 30.0 / 90.0 (-50.0 %) |"
    assert lines[3] == "| game | IBN-b | 50.0 / 90.0 | 40.0 / 90.0 (-20.0 %) |"


def test_seeds_become_mean_and_sample_spread():
    rows = [row("game", "game", "a", miou, seed=seed) for seed, miou in enumerate((0.4, 0.5, 0.6))]
    table = format_cross_domain(rows)
    assert line_of(table, "| game")[2] == "50.0±10.0 / 90.0±0.0"
    assert "over seeds 0, 1, 2" in table


def test_a_table_with_fewer_seeds_in_some_cells_says_so():
    rows = [row("g", "g", "a", 0.5, seed=seed) for seed in (0, 1)]
    assert "one seed where" not in format_cross_domain(rows)
    assert "one seed where no ±" in format_cross_domain([*rows, row("h", "g", "a", 0.5)])


def test_one_seed_says_that_no_spread_is_known():
    assert "no spread is known" in format_cross_domain([row("game", "game", "a", 0.5)])


def test_without_an_own_domain_score_there_is_no_drop():
    table = format_cross_domain([row("camvid", "cityscapes", "a", 0.2)])
    assert line_of(table, "| camvid")[2] == "20.0 / 90.0"


def test_a_mean_over_other_classes_has_no_drop():
    own = row("city", "city", "none", 0.4, iou={"road": 0.5, "car": 0.3})
    same = row("city", "night", "none", 0.3, iou={"road": 0.4, "car": 0.2})
    fewer = row("city", "camvid", "none", 0.5, iou={"road": 0.5, "car": None})
    merged = row("city", "idd", "none", 0.6, iou={"drivable": 0.6})
    line = line_of(format_cross_domain([own, same, fewer, merged]), "| city")
    assert ["(" in cell for cell in line[2:6]] == [False, True, False, False]


def test_networks_of_different_size_are_rows_of_their_own():
    rows = [row("g", "g", "a", 0.5, network=name) for name in ("resnet18", "resnet50")]
    table = format_cross_domain(rows)
    assert "| g | resnet18, IBN-a |" in table
    assert "| g | resnet50, IBN-a |" in table


def test_a_missing_score_is_a_dash():
    rows = [row("g", "g", "a", 0.5), row("g", "h", "b", 0.5)]
    assert line_of(format_cross_domain(rows), "| g | IBN-a")[3] == "-"


@pytest.mark.parametrize(
    ("train", "test", "own"),
    [
        ("gta5", "gta5", True),
        ("gta5", "gta5:val", True),
        ("gta5:train", "gta5:val", True),
        ("gta5", "cityscapes:val", False),
        ("bdd100k:train@day.txt", "bdd100k:train@night.txt", False),
        ("bdd100k:train@day.txt", "bdd100k:train@day.txt", True),
        ("gta5:train+val", "gta5:test", True),
        ("gta5:train+camvid:train", "gta5:val", True),
        ("gta5:train+camvid:train", "camvid:val", True),
        ("gta5:train+camvid:train", "cityscapes:val", False),
    ],
)
def test_own_domain_is_known_by_name(train: str, test: str, own: bool):
    assert is_own_domain(train, test) is own


ROBUSTNET = {"protocol": "robustnet", "network": "r50", "deviations": ["few frames"]}


def test_numbers_published_for_one_set_do_not_stand_beside_a_mixture():
    title = "Published numbers"
    alone, mixed = "gta5:train", "gta5:train+camvid:train"
    assert title in format_cross_domain([row(alone, "cityscapes:val", "none", 0.3, **ROBUSTNET)])
    assert title not in format_cross_domain([row(mixed, "cityscapes:val", "none", 0.3, **ROBUSTNET)])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"train": "g"}], "row 1 has no test, ibn, seed, miou, pixel_accuracy"),
        ([row("g", "g", "a", 51.3)], "fraction"),
        ([row("g", "g", "a", 0.5)] * 2, "row 2 repeats"),
    ],
    ids=["missing-keys", "per-cent", "repeated"],
)
def test_wrong_rows_are_named(rows: list, message: str):
    with pytest.raises(SegibnError, match=message):
        format_cross_domain(rows)


def test_published_numbers_stand_apart_with_source_and_protocol():
    rows = [row("gta5", f"{name}:val", "b", 0.4, **ROBUSTNET) for name in ("gta5", "cityscapes")]
    ours, _, published = format_cross_domain(rows).partition("### Published")
    assert "33.85" not in ours
    cells = line_of(published, "| gta5 | ResNet-50, IBN-b")
    assert "33.85" in cells
    assert cells[-1] == "RobustNet (CVPR 2021), as quoted in the SPC and MRFP papers [robustnet-r50]"
    assert "not ours" in published
    assert PROTOCOLS["robustnet-r50"] in published


@pytest.mark.parametrize("name", [None, *NAMED_PROTOCOLS.values(), "ibn_net_2018"])
def test_no_published_number_of_another_protocol_stands_beside_ours(name: str | None):
    ours = {"protocol": name, "network": "r50", "deviations": []} if name else {}
    table = format_cross_domain([row("gta5", "cityscapes:val", "b", 0.4, **ours)])
    for other in PUBLISHED_ROWS:
        shown = other.train == "gta5" and NAMED_PROTOCOLS.get(other.protocol) == name is not None
        if "cityscapes" in other.miou_percent:
            assert (f"{other.miou_percent['cityscapes']:.2f} | " in table) == shown


def test_no_published_numbers_stand_beside_other_domains():
    rows = [row("camvid", "cityscapes", "b", 0.4, **ROBUSTNET), row("gta5@few.txt", "kitti", "b", 0.4, **ROBUSTNET)]
    assert "Published" not in format_cross_domain(rows)


def test_domains_can_be_named_as_the_data_sets_they_stand_for():
    rows = [row("game", "camera", "b", 0.4, **ROBUSTNET)]
    table = format_cross_domain(rows, dataset_of={"game": "gta5", "camera": "cityscapes"})
    assert "33.85" in table


def test_painted_frames_stand_without_published_numbers():
    rows = [row("gta5:train", "cityscapes:val", "b", 0.4, **ROBUSTNET)]
    assert "33.85" in format_cross_domain(rows)
    table = format_cross_domain(rows, published_note="Ours: painted.")
    assert table.endswith("\nOurs: painted.\n")
    assert "ublished" not in table


def test_recalled_numbers_are_not_published():
    # The paper's own Table 6 is known from memory only: 22.2, 26.0, 29.6 for GTA5 -> Cityscapes.
    shown = [row for row in PUBLISHED_ROWS if row.train == "gta5"]
    values = {row.miou_percent["cityscapes"] for row in shown}
    assert values == {
        *(28.95, 33.85, 36.58),  # RobustNet, ResNet-50
        *(30.06, 33.63, 37.09, 37.37),  # RobustNet and SHADE, ResNet-101
        *(34.66, 40.33, 26.95, 30.14),  # MRFP
        *(49.1, 45.9),  # Rein
    }


def test_every_published_row_has_source_and_protocol():
    for published in PUBLISHED_ROWS:
        assert published.source
        assert published.protocol in PROTOCOLS
        assert all(1 < value < 100 for value in published.miou_percent.values())


def test_a_checkpoint_chosen_on_the_target_is_marked_and_never_averaged_with_others():
    rows = [row("g", "h", "a", 0.4), row("g", "h", "a", 0.6, seed=1, selection=ON_TARGET)]
    table = format_cross_domain(rows)
    assert line_of(table, "| g | IBN-a |")[2] == "40.0 / 90.0"
    assert line_of(table, "| g | IBN-a (checkpoint chosen on the target)")[2] == "60.0 / 90.0"
    assert "no measure of generalisation" in table


def test_a_tables_protocol_and_deviations_are_printed_once_with_whose_they_are():
    both = {"protocol": "robustnet", "network": "r50"}
    rows = [
        row("gta5", "cityscapes", "a", 0.4, deviations=["all of them", "one of them"], **both),
        row("gta5", "cityscapes", "b", 0.4, deviations=["all of them"], **both),
    ]
    lines = format_cross_domain(rows).splitlines()
    assert lines.count("- all of them") == 1
    assert "- one of them (r50 ibn a seed 0 on gta5)" in lines
    assert "from which our rows deviate" in format_cross_domain(rows)
    followed = format_cross_domain([r | {"deviations": []} for r in rows])
    assert "`robustnet`, which our rows follow" in followed
    assert "robustnet_r101" not in followed
    assert "without deviations." in followed
