"""The experiment from paint to table: two rows, two seeds, two iterations."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.results_table import fill_tables
from painted_scenes.spec import SampleSpec
from painted_scenes.write import write_sample_data
from segibn.config.load import load_config
from segibn.data.narrow import read_names
from segibn.errors import ConfigError
from segibn.evaluation.metrics import class_counts, miou_of

ROOT = Path(__file__).resolve().parents[2]
TINY = ["optim.iterations=2", "optim.warmup_iterations=0", "optim.global_batch_size=2"]


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    root = tmp_path_factory.mktemp("painted")
    spec = SampleSpec(frames=(3, 3), size=(32, 64), sets=("gta5", "cityscapes"))
    write_sample_data(root, spec, workers=1)
    return root


def run(painted: Path, folder: Path, *more: str, settings: list[str] = TINY) -> int:
    """Call the script on the painted shift, with a smaller head and input than the config's."""
    script = importlib.import_module("benchmarks.generalisation")
    given = ["--shift", "sample", "--rows", "ibn_b", "--datasets", str(painted)]
    given += ["--output", str(folder / "runs"), "--results", str(folder / "results")]
    given += ["--resamples", "200", *more, "--set", *settings]
    small = ["data.resize=[32,64]", "data.crop_size=[32,64]", "evaluation.input_size=[32,64]"]
    return script.main([*given, *small, "model.head.channels=8"])


def test_rows_and_seeds_become_a_table_and_finished_runs_stay(painted, tmp_path, capsys):
    assert run(painted, tmp_path, "--seeds", "0", "1") == 0
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == [f"sample_{row}_seed{seed}" for row in ("ibn_b", "plain") for seed in (0, 1)]
    checkpoints = sorted((tmp_path / "runs").glob("*/checkpoints/last.pt"))
    before = [path.stat().st_mtime_ns for path in checkpoints]

    content = json.loads((tmp_path / "results/sample.json").read_text())
    part = content["parts"]["selection"]
    assert [row["row"] for row in part["rows"]] == ["plain", "ibn_b"]  # plain comes by itself
    assert part["frames"].keys() == {"gta5:train", "game", "camera"}
    for row in part["rows"]:
        assert row["seeds"] == [0, 1]
        for label in ("game", "camera"):
            score = row["scores"][label]
            lines = [one["confusion"] for one in row["runs"] if one["test"] == label]
            confusions = [[line.split() for line in one] for one in lines]
            counted = [float(miou_of(class_counts(np.array(confusion, int)))) for confusion in confusions]
            assert score["miou"] == pytest.approx(counted)
            assert score["interval"][0] <= score["mean"] <= score["interval"][1]
    plain, ibn_b = (row["scores"]["camera"] for row in part["rows"])
    gained = [b - a for a, b in zip(plain["miou"], ibn_b["miou"], strict=True)]
    assert ibn_b["over_plain"]["miou"] == pytest.approx(gained)

    capsys.readouterr()
    assert run(painted, tmp_path, "--seeds", "1", "--read", "report") == 2
    message = "seed 1 of sample were read for selection"
    assert message in capsys.readouterr().err
    assert run(painted, tmp_path, "--seeds", "2", "--read", "report") == 0
    content = json.loads((tmp_path / "results/sample.json").read_text())
    assert {tuple(row["selection_seeds"]) for row in content["parts"]["report"]["rows"]} == {(0, 1)}
    assert run(painted, tmp_path, "--seeds", "2") == 2  # nor the other way round

    marked = "<!-- results:{} -->\n<!-- /results -->\n"
    table = fill_tables(marked.format("sample"), tmp_path / "results")
    assert "Settings were chosen with seeds 0, 1." in table
    assert "IBN-b" in fill_tables(marked.format("methods"), tmp_path / "results")
    assert [path.stat().st_mtime_ns for path in checkpoints] == before


def test_a_seed_that_chose_is_refused_without_the_results_file_too(painted, tmp_path):
    results = importlib.import_module("benchmarks.generalisation_results")
    plan = importlib.import_module("benchmarks.generalisation_plan")
    night = plan.SHIFTS["day_night"].sets("selection")["night"]
    file = results.scores_file(tmp_path / "day_night_pasta_seed4", "selection", night)
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(ConfigError, match="seed 4 of day_night were read for selection"):
        results.require_other_seeds("day_night", "report", [3, 4], tmp_path, None)
    results.require_other_seeds("day_night", "report", [3, 14], tmp_path, None)


def test_steps_are_timed_in_turns_and_merged_into_the_file(painted, tmp_path):
    longer = ["optim.iterations=8", *TINY[1:]]
    more = ("--time", "--pairs", "2")
    assert run(painted, tmp_path, *more, settings=longer) == 0
    assert run(painted, tmp_path, *more, "--rows", "ibn_a", settings=longer) == 0
    file = tmp_path / "results/step_time.json"
    b, a = json.loads(file.read_text())
    assert (b["row"], a["row"]) == ("ibn_b", "ibn_a")
    assert b["total_ratio"] > 0
    assert a["at_inference"] == a["plain_at_inference"]  # half of a norm's channels each
    norms = b["at_inference"]["parameters"] - b["plain_at_inference"]["parameters"]
    assert norms == 2 * (64 + 128)  # weight and bias after layer1 and layer2
    assert not (tmp_path / "runs").exists()


def test_runs_too_short_for_the_pairs_are_refused(painted, tmp_path, capsys):
    assert run(painted, tmp_path, "--time", "--pairs", "2") == 2
    assert "lower --pairs" in capsys.readouterr().err


def test_rows_that_need_weights_are_refused_without(painted, tmp_path, capsys):
    assert run(painted, tmp_path, "--rows", "feature_distance") == 2
    assert "Give --weights FILE" in capsys.readouterr().err
    assert run(painted, tmp_path, "--rows", "ibn_x") == 2
    assert "no row 'ibn_x'" in capsys.readouterr().err


def test_every_row_is_a_valid_config_on_every_shift():
    script = importlib.import_module("benchmarks.generalisation")
    plan = importlib.import_module("benchmarks.generalisation_plan")
    for shift in plan.SHIFTS:
        options = script.build_parser().parse_args(["--shift", shift, "--weights", "torchvision"])
        rows = script.chosen_rows(options)
        assert rows == list(plan.METHODS)
        configs = [script.row_config(options, row, seed=0) for row in rows]
        assert [config.name for config in configs] == [f"{shift}_{row}" for row in rows]
        dumped = [config.model_dump_json(exclude={"name"}) for config in configs]
        assert len(set(dumped)) == len(rows)  # each differs from all others


@pytest.mark.slow
def test_every_row_takes_a_step(painted, tmp_path):
    plan = importlib.import_module("benchmarks.generalisation_plan")
    rows = [row for row, found in plan.METHODS.items() if not found.needs_weights]
    settings = ["optim.iterations=100", "optim.warmup_iterations=0", "optim.global_batch_size=4"]
    more = ("--time", "--pairs", "1", "--rows", *rows)
    assert run(painted, tmp_path, *more, settings=settings) == 0
    found = json.loads((tmp_path / "results/step_time.json").read_text())
    assert [one["row"] for one in found] == [row for row in rows if row != plan.PLAIN]


def test_night_frames_are_split_in_two_halves():
    lists = ROOT / "configs/lists"
    night, choose, report = (read_names(lists / f"bdd100k_night{half}.txt") for half in ("", "_choose", "_report"))
    assert [night[0::2], night[1::2]] == [choose, report]


def test_small_configs_are_those_of_the_larger_experiments():
    for small, large in (("camera_small", "camera"), ("day_night_small", "day_night")):
        ours, theirs = (load_config(f"real/base/{name}") for name in (small, large))
        assert (ours.data.train, ours.data.val) == (theirs.data.train, theirs.data.val)
        assert ours.model.backbone == theirs.model.backbone
        assert ours.data.resize[0] == ours.evaluation.input_height < theirs.data.resize[0]
