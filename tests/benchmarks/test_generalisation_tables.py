"""Tables and sentences on generalisation, from made-up results."""

import json
from pathlib import Path

import pytest

from benchmarks.results_table import fill_tables
from benchmarks.tables.methods import judge
from segibn.errors import SegibnError


def numbers(*seeds: float, half: float = 0.01) -> dict:
    """A score or a difference with an interval of ``half`` to either side of its mean."""
    mean = sum(seeds) / len(seeds)
    return {"miou": list(seeds), "mean": mean, "interval": [mean - half, mean + half]}


def row(name: str, title: str, on: str | None, *, own, far, **differences) -> dict:
    scores = {"day": numbers(*own), "night": numbers(*far)}
    for key, (label, *values) in differences.items():
        scores[label][key.removesuffix("_")] = numbers(*values)
    return {
        "row": name,
        "title": title,
        "paper": "Someone, 2020" if on else "",
        "on": on,
        "overrides": [f"generalise.{name}={{}}"],
        "seeds": [3, 4],
        "selection_seeds": [0, 1],
        "scores": scores,
    }


ROWS = [
    row("plain", "batch norm alone", None, own=(0.5, 0.52), far=(0.2, 0.22)),
    row(
        "ibn_b",
        "IBN-b",
        "plain",
        own=(0.51, 0.52),
        far=(0.29, 0.31),
        over_plain=("night", 0.09, 0.09),
        over_plain_=("day", 0.01, 0.0),
    ),
    row(
        "pasta",
        "PASTA",
        "ibn_b",
        own=(0.40, 0.42),
        far=(0.31, 0.31),
        over_plain=("night", 0.11, 0.09),
        over_base=("night", 0.02, -0.001),
        over_base_=("day", -0.11, -0.10),
    ),
    row(
        "combined",
        "the combination",
        "ibn_b",
        own=(0.53, 0.51),
        far=(0.41, 0.41),
        over_plain=("night", 0.21, 0.19),
        over_base=("night", 0.12, 0.10),
    ),
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a folder ``results`` with one shift, read once, and its times."""
    folder = tmp_path / "generalisation"
    folder.mkdir()
    part = {
        "targets": ["night"],
        "resampling": {"level": 0.95, "resamples": 10_000, "seed": 0},
        "frames": {"day": ["a", "b", "c"], "night": ["d", "e"]},
        "rows": ROWS,
    }
    content = {"kind": "generalisation", "title": "bright to dark", "source": "day"}
    (folder / "shift.json").write_text(json.dumps(content | {"parts": {"report": part}}))
    plain = {"parameters": 1000, "multiply_adds": 2000}
    times = [
        {
            "shift": "shift",
            "row": "ibn_b",
            "total_ratio": 1.034,
            "pairs": 9,
            "at_inference": {"parameters": 1384, "multiply_adds": 2000},
            "plain_at_inference": plain,
        },
        {
            "shift": "shift",
            "row": "pasta",
            "total_ratio": 1.2,
            "pairs": 9,
            "at_inference": plain,
            "plain_at_inference": plain,
        },
        {"shift": "another", "row": "combined", "total_ratio": 9.9, "pairs": 1},
    ]
    (folder / "step_time.json").write_text(json.dumps(times))
    return tmp_path


def filled(name: str, results: Path) -> str:
    return fill_tables(f"<!-- results:{name} -->\n<!-- /results -->\n", results)


def test_ablation_table_has_spread_interval_differences_and_cost(results: Path) -> None:
    text = filled("generalisation/shift", results)
    cells = {
        line.split(" | ")[0].removeprefix("| "): line.removesuffix(" |").split(" | ")[1:]
        for line in text.splitlines()
        if line.startswith("| ")
    }
    assert cells["batch norm alone"][:3] == ["-", "51.0±1.4 [50.0, 52.0]", "21.0±1.4 [20.0, 22.0]"]
    base, _, night, home, over_plain, over_base, time, later = cells["PASTA (Someone, 2020)"]
    assert (base, night) == ("IBN-b", "31.0±0.0 [30.0, 32.0]")
    assert (home, over_plain) == ("-", "+10.0 [+9.0, +11.0]")
    assert over_base == "+0.9 [-0.1, +1.9]"
    assert (time, later) == ("1.20x", "as plain")
    assert cells["IBN-b (Someone, 2020)"][-2:] == ["1.03x", "+384 parameters"]
    assert cells["the combination (Someone, 2020)"][-2:] == ["-", "-"]  # times of another shift
    assert "over seeds 3, 4" in text
    assert "Settings were chosen with seeds 0, 1." in text
    assert "95 % intervals from 10,000 resamples of the frames (3 of day, 2 of night)" in text


def verdicts(results: Path) -> dict[str, list[str]]:
    lines = filled("generalisation/methods", results).splitlines()
    cells = (line.strip("| ").split(" | ") for line in lines if line.startswith("| "))
    return {name: rest for name, *rest in cells}


def test_methods_say_what_helps_what_is_unclear_and_what_it_costs(results: Path) -> None:
    found = verdicts(results)
    assert "batch norm alone" not in found
    assert found["IBN-b"][0].endswith("**helps**")
    assert found["IBN-b"][1] == "-"
    assert found["PASTA"] == ["+0.9 [-0.1, +1.9]", "day", "1.20x"]  # one of its seeds lost
    assert found["the combination"][0].startswith("+20.0 [")  # over plain, not over its base
    assert list(found)[-1] == "the combination"


def test_what_was_only_tried_when_choosing_is_told_apart(results: Path) -> None:
    file = results / "generalisation/shift.json"
    content = json.loads(file.read_text())
    report = content["parts"]["report"]
    tried = row("efdm", "EFDMix", "ibn_b", own=(0.5, 0.5), far=(0.2, 0.2))
    tried["scores"]["night"]["over_base"] = numbers(-0.1, -0.09)
    content["parts"]["selection"] = report | {"rows": [*ROWS, tried]}
    file.write_text(json.dumps(content))
    found = verdicts(results)
    assert found["EFDMix"][0].endswith("*costs* (tried)")
    assert sum("(tried)" in cell for cells in found.values() for cell in cells) == 1


def test_frames_that_settings_were_chosen_on_are_not_called_new(results: Path) -> None:
    file = results / "generalisation/shift.json"
    content = json.loads(file.read_text())
    report = content["parts"]["report"]
    seeds, frames = "with seeds that no setting was chosen with", "frames of the target that no"
    for chosen_on, is_new in ((["x", "y"], True), (["e", "x"], False)):
        chosen = report | {"frames": report["frames"] | {"night": chosen_on}}
        file.write_text(json.dumps(content | {"parts": {"report": report, "selection": chosen}}))
        text = filled("generalisation/shift", results)
        assert (frames in text, seeds in text) == (is_new, not is_new)


def test_a_shift_read_on_its_source_alone_has_a_table_and_no_recommendation(results: Path) -> None:
    file = results / "generalisation/shift.json"
    content = json.loads(file.read_text())
    part = content["parts"].pop("report") | {"targets": []}
    for one in part["rows"]:
        del one["scores"]["night"], one["selection_seeds"]
    content["parts"]["selection"] = part
    file.write_text(json.dumps(content))
    text = filled("generalisation/shift", results)
    assert "| IBN-b (Someone, 2020) | batch norm alone | 51.5±0.7 [50.5, 52.5] | +0.5 " in text
    assert "What settings were chosen on." in text
    with pytest.raises(SegibnError, match="no results of a shift with a target"):
        filled("generalisation/methods", results)


@pytest.mark.parametrize(
    ("seeds", "half", "verdict"),
    [
        ((0.02, 0.03), 0.01, "helps"),
        ((0.02, 0.03), 0.03, "unclear"),
        ((0.06, -0.01), 0.01, "unclear"),
        ((-0.02, -0.03), 0.01, "hurts"),
        ((-0.06, 0.01), 0.01, "unclear"),
    ],
)
def test_a_verdict_needs_the_interval_and_every_seed(seeds, half, verdict) -> None:
    assert judge(numbers(*seeds, half=half)) == verdict


def test_results_of_another_kind_and_no_results_are_refused(tmp_path: Path) -> None:
    (tmp_path / "generalisation").mkdir()
    with pytest.raises(SegibnError, match="no results of a shift with a target"):
        filled("generalisation/methods", tmp_path)
    (tmp_path / "generalisation/other.json").write_text("[]")
    with pytest.raises(SegibnError, match=r"other\.json holds no rows"):
        filled("generalisation/methods", tmp_path)
