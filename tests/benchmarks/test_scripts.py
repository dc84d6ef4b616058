"""Every benchmark runs at a tiny size and writes the rows that results are made of."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMISED = {"subject", "against", "ratio", "seconds", "peak_mib", "device", "versions"}


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize(
    "script",
    [
        *("data_pipeline", "metrics", "inference", "train_step", "ibn_layer", "losses"),
        *("augment", "annotations"),
        "predict_files",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("export", "shipped")),
    ],
)
def test_quick_run_prints_a_table_and_writes_its_rows(script, tmp_path, capsys):
    path = tmp_path / "rows.json"
    assert importlib.import_module(f"benchmarks.{script}").main(["--quick", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    printed = capsys.readouterr().out
    assert rows
    for row in rows:
        assert set(row) >= PROMISED
        assert row["seconds"] > 0
        assert row["ratio"] == pytest.approx(row["seconds"] / row["against_seconds"])
        assert row["subject"] in printed
        assert row["against"] in printed
        assert {"segibn", "python", "torch"} <= set(row["versions"])


def test_pairs_alternate_which_one_is_timed_first():
    timing = importlib.import_module("benchmarks.timing")
    order = []
    ticks = iter(range(100))
    seconds = timing.time_pairs(
        lambda: order.append("ours"), lambda: order.append("theirs"), pairs=3, clock=lambda: next(ticks)
    )
    assert order == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert seconds == [(1, 1)] * 3


def test_ratio_is_the_median_of_the_ratios_of_pairs():
    timing = importlib.import_module("benchmarks.timing")
    steps = iter([1, 2, 9, 3, 1, 4])  # ours 1, theirs 2; theirs 9, ours 3; ours 1, theirs 4
    now = 0

    def clock():
        nonlocal now
        clock.calls += 1
        if clock.calls % 2 == 0:
            now += next(steps)
        return now

    clock.calls = 0
    pairs = timing.time_pairs(int, int, pairs=3, clock=clock)
    assert pairs == [(1, 2), (3, 9), (1, 4)]
    assert timing.summarize(pairs).ratio == pytest.approx(1 / 3)


def test_growth_is_the_highest_extra_memory_of_the_call_in_a_child():
    memory = importlib.import_module("benchmarks.memory")
    held = bytearray(b"x" * (32 << 20))  # held before the call: does not count

    def work():
        return len(bytearray(b"y") * (48 << 20)) + len(held)

    growth = memory.growth_in_child(lambda: work)
    if growth is None:
        pytest.skip("this system tells neither fork nor resident sizes")
    assert growth == pytest.approx(48, abs=4)
