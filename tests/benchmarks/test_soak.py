"""benchmarks/soak.py: a training that is killed and resumed ends as the one that is not."""

import json
from pathlib import Path

import pytest

from benchmarks.cut_launch import KINDS, plan_cuts
from benchmarks.soak import main
from segibn.errors import SegibnError


def test_kills_come_in_order_at_moments_of_the_seed_and_their_kinds_take_turns() -> None:
    cuts = plan_cuts(4, 40, 3, seed=1)
    moments = [cut.iteration for cut in cuts]
    assert moments == sorted(set(moments))
    assert min(moments) >= 1
    assert max(moments) <= 37
    assert [cut.how for cut in cuts] == [*KINDS, KINDS[0]]
    assert {cut.rank for seed in range(9) for cut in plan_cuts(4, 40, 3, seed)} == {0, 1, 2}
    assert plan_cuts(4, 40, 3, seed=1) == cuts != plan_cuts(4, 40, 3, seed=2)
    assert len(plan_cuts(37, 40, 1, seed=0)) == 37
    with pytest.raises(SegibnError, match="40 iterations are too few for 38 kills"):
        plan_cuts(38, 40, 1, seed=0)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(SegibnError, match="is not empty; remove it"):
        main(["--output", str(tmp_path)])


@pytest.mark.slow
def test_a_run_killed_in_three_ways_ends_with_the_bits_of_the_uninterrupted_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "soak"
    arguments = ["--output", str(output), "--kills", "3", "--set", "optim.warmup_iterations=0"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.endswith("equal, to the last bit\n")
    report = json.loads((output / "soak.json").read_text())
    assert report["equal"] is True
    assert report["iterations"] == report["compared"]["records"] - 1 == 40  # and one of scores
    assert [kill["how"] for kill in report["kills"]] == list(KINDS)
    assert [kill["exit_code"] for kill in report["kills"]] == [1, -9, 1]
    for kill in report["kills"]:
        assert kill["logged"] >= kill["planned"]
    assert report["kills"][2]["resumed_from"] >= report["kills"][2]["logged"]  # SIGTERM saves
    assert not list((output / "cut/checkpoints").glob(".*"))
    assert all(len(names) for names in report["frames"].values())
