"""The demo's road, from paint to picture, with a handful of frames and two iterations."""

import json
import re
from pathlib import Path

import pytest

from segibn.cli.demo import main


def test_demo_leaves_table_rows_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # its configs are found from anywhere
    tiny = ["optim.iterations=2", "optim.warmup_iterations=0", "optim.global_batch_size=2"]
    tiny += ["data.resize=[64,128]", "data.crop_size=[64,128]", "evaluation.input_size=[64,128]"]
    arguments = ["--output", str(tmp_path), "--seed", "3", "--frames", "3", "2", "--set", *tiny]
    assert main(arguments) == 0
    rows = json.loads((tmp_path / "cross_domain.json").read_text())
    found = {(row["train"], row["test"], row["ibn"], row["seed"]) for row in rows}
    tests = ("gta5:val", "cityscapes:val")
    assert found == {("gta5:train", t, ibn, 3) for t in tests for ibn in ("none", "a", "b")}
    assert all(0 <= row[key] <= 1 for row in rows for key in ("miou", "pixel_accuracy"))
    table = (tmp_path / "cross_domain.md").read_text()
    assert "IBN-a" in table
    assert "illustrates" in table
    assert "ublished" not in table
    assert (tmp_path / "comparison.jpg").stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert str(tmp_path / "cross_domain.json") in shown
    best = tmp_path / "runs/sample_ibn_b_seed3"
    *_, predict, report = re.findall(r"^next: (.*)$", shown, re.MULTILINE)
    frames = tmp_path / "data_seed3/gta5/images"
    assert f"segibn predict {best} {frames} --output predictions" in predict
    assert frames.is_dir()
    assert f"segibn report {tmp_path} --datasets {tmp_path / 'data_seed3'}" in report

    assert main(arguments) == 0  # a second time nothing is trained again
