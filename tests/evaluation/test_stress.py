"""The appearance table."""

import pytest

from segibn.errors import SegibnError
from segibn.evaluation.stress import format_stress, group_stress


def _row(ibn, transform, miou, seed=0, **more):
    row = {"train": "g:train", "test": "g:val", "network": "r18", "ibn": ibn, "seed": seed}
    row |= {"miou": miou, "pixel_accuracy": 0.9, "transform": transform}
    return row | {"level": 3 if transform == "fog" else None} | more


def test_drops_are_taken_run_by_run_then_averaged():
    rows = [_row("a", "original", 0.5), _row("a", "fog", 0.4)]
    rows += [_row("a", "original", 0.7, 1), _row("a", "fog", 0.6, 1)]
    lines = format_stress(rows).splitlines()
    assert lines[0] == "| appearance | r18, IBN-a |"
    assert lines[2] == "| original | 60.0±14.1 |"
    assert lines[3] == "| fog | 50.0±14.1 (-10.0±0.0, 83 %) |"
    assert "level 3 of 5" in lines[-1]
    assert "seeds 0, 1" in lines[-1]


def test_levels_are_averaged_and_so_is_what_is_retained_of_all_corruptions():
    rows = [_row("a", "original", 0.5), _row("a", "R+50", 0.1)]
    rows += [_row("a", "fog", 0.4, level=1), _row("a", "fog", 0.2, level=5)]
    rows += [_row("a", "snow", 0.45, level=1), _row("a", "snow", 0.35, level=5)]
    lines = format_stress(rows).splitlines()
    assert lines[4] == "| fog | 30.0 (-20.0, 60 %) |"
    assert lines[5] == "| snow | 40.0 (-10.0, 80 %) |"
    assert lines[6] == "| **mean retention** | 70.0 % |"  # of 60 and 80: the paper's has no level
    assert "mean of levels 1, 5 of 5" in lines[-1]


def test_networks_stand_in_the_papers_order_and_a_gain_has_a_plus():
    rows = [_row("b", "original", 0.5), _row("b", "R+50", 0.5)]
    rows += [_row("none", "original", 0.5), _row("none", "R+50", 0.55)]
    lines = format_stress(rows).splitlines()
    assert lines[0] == "| appearance | r18, no IBN | r18, IBN-b |"
    assert lines[3] == "| R+50 | 55.0 (+5.0, 110 %) | 50.0 (+0.0, 100 %) |"
    assert "level" not in lines[-1]


def test_trainings_on_several_sets_are_told_apart():
    rows = [_row("a", "original", 0.5), _row("a", "original", 0.4, train="c:train")]
    assert "r18, IBN-a from g:train | r18, IBN-a from c:train" in format_stress(rows)


def test_what_makes_no_table_is_refused():
    with pytest.raises(SegibnError, match="frames as they are"):
        group_stress([_row("a", "fog", 0.4)])
    with pytest.raises(SegibnError, match="one test set"):
        group_stress([_row("a", "original", 0.4), _row("b", "original", 0.4, test="c:val")])
    with pytest.raises(SegibnError, match="repeats"):
        group_stress([_row("a", "original", 0.4)] * 2)
