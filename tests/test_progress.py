"""Progress where nobody sees a bar: lines at times that a clock of the test gives."""

import numpy as np

from segibn.cli import score
from segibn.files.encode import write_label_png
from segibn.text.progress import FrameProgress


def test_without_a_terminal_a_line_comes_early_and_then_every_15_seconds(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("segibn.text.progress.time.monotonic", lambda: now[0])
    with FrameProgress("predict", 60) as progress:
        progress(0)
        for done in range(1, 61):
            now[0] += 1.0
            progress(done)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1].rstrip(",") for line in lines] == ["3/60", "18/60", "33/60", "48/60"]
    assert lines[0] == "predict  3/60, 1.0 frames/s, about 57 s left"
    with FrameProgress("silent", 9, enabled=False) as progress:
        now[0] += 99
        progress(3)
    assert capsys.readouterr().err == ""


def test_scoring_folders_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("segibn.text.progress.FIRST_LINE_S", 0.0)
    palette = np.zeros((256, 3), np.uint8)
    for folder in ("target", "pred"):
        for name in range(3):
            write_label_png(tmp_path / folder / f"{name}.png", np.ones((4, 4), np.uint8), palette)
    argv = ["semseg", "--target", str(tmp_path / "target"), "--pred", str(tmp_path / "pred")]
    assert score.main(argv) == 0
    assert "score  1/3" in capsys.readouterr().err
