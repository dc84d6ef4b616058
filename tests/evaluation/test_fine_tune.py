"""The fine-tuning table: networks and starts by share, seeds averaged, gain over no source."""

import pytest

from segibn.errors import SegibnError
from segibn.evaluation.fine_tune import format_fine_tune, group_rows

MIOU = {  # (ibn, fine-tuned, share, seed) in per cent
    ("none", False, 0.1, 0): 20,
    ("none", False, 0.1, 1): 22,
    ("none", False, 1.0, 0): 40,
    ("none", False, 1.0, 1): 40,
    ("none", True, 0.1, 0): 30,
    ("none", True, 0.1, 1): 34,
    ("none", True, 1.0, 0): 39,
    ("none", True, 1.0, 1): 39,
    ("a", True, 0.1, 0): 50,
    ("a", True, 0.1, 1): 50,
    ("a", True, 1.0, 0): 60,
}


def make_rows(test: str = "camvid:val") -> list[dict]:
    return [
        {
            "train": "camvid:train" + ("*0.1" if share < 1 else ""),
            "test": test,
            "network": "resnet18",
            "ibn": ibn,
            "seed": seed,
            "miou": miou / 100,
            "pixel_accuracy": 0.8,
            "share": share,
            "train_images": round(140 * share),
            "start": "gta5:train" if fine_tuned else "scratch",
            "fine_tuned": fine_tuned,
            "iteration": 300,
        }
        for (ibn, fine_tuned, share, seed), miou in reversed(MIOU.items())
    ]


def test_lines_are_networks_and_starts_and_columns_are_shares() -> None:
    lines = format_fine_tune(make_rows()).splitlines()
    assert lines[:5] == [
        "| network | starts from | 10 % (14) | 100 % (140) |",
        "| --- | --- | --- | --- |",
        "| resnet18, no IBN | scratch | 21.0±1.4 / 80.0±0.0 | 40.0±0.0 / 80.0±0.0 |",
        "| resnet18, no IBN | gta5:train | 32.0±2.8 / 80.0±0.0 (+11.0) | 39.0±0.0 / 80.0±0.0 (-1.0) |",
        "| resnet18, IBN-a | gta5:train | 50.0±0.0 / 80.0±0.0 | 60.0 / 80.0 |",
    ]
    assert "on camvid:val" in lines[6]
    assert "share of camvid:train that was trained on (frames), for 300 updates each." in lines[6]


def test_updates_that_differ_between_shares_are_listed() -> None:
    rows = [row | {"iteration": int(600 * row["share"])} for row in make_rows()]
    assert "(frames), for 60 and 600 updates." in format_fine_tune(rows)


def test_each_test_set_has_a_table_of_its_own() -> None:
    first, second = format_fine_tune(make_rows()), format_fine_tune(make_rows("bdd:val"))
    assert format_fine_tune(make_rows() + make_rows("bdd:val")) == f"{first}\n{second}"


def test_points_hold_mean_and_sample_deviation_of_the_seeds() -> None:
    curves = group_rows(make_rows(), "camvid:val")
    points = {(line.network.ibn, line.fine_tuned): p for line, p in curves.items()}
    assert points["none", True][0.1].miou.mean == pytest.approx(0.32)
    assert points["none", True][0.1].miou.deviation == pytest.approx(0.02 * 2**0.5)
    assert points["a", True][1.0].miou.deviation == 0  # one seed
    assert [list(p) for p in points.values()] == [[0.1, 1.0]] * 3


@pytest.mark.parametrize("key", ["share", "start", "fine_tuned", "train_images", "iteration", "miou"])
def test_an_incomplete_row_is_named(key: str) -> None:
    rows = make_rows()
    del rows[2][key]
    with pytest.raises(SegibnError, match=f"row 3 has no {key}"):
        format_fine_tune(rows)


def test_a_row_that_comes_twice_is_refused() -> None:
    rows = make_rows()
    with pytest.raises(SegibnError, match="row 12 repeats"):
        format_fine_tune([*rows, rows[0]])
