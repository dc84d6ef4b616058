"""What ``segibn stress`` wrote, on the page: the numbers of its own table, and nothing that acts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from segibn.cli.report import main
from segibn.errors import SegibnError

EVIL = "<script>alert(1)</script>"
SAMPLE = Path(__file__).parents[2] / "results" / "sample_stress"


def _page(folder: Path, tmp_path: Path) -> str:
    assert main([str(folder), "--no-frames", "--output", str(tmp_path / "r.html")]) == 0
    return (tmp_path / "r.html").read_text(encoding="utf-8")


def _section(page: str) -> str:
    text = page.partition('<section id="robustness"')[2].partition('<p class="chart-note">')[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\N{MINUS SIGN}", "-")


def test_the_page_has_the_table_that_was_written(tmp_path: Path) -> None:
    section = _section(_page(SAMPLE, tmp_path))
    rows = json.loads((SAMPLE / "stress.json").read_text())
    for ibn in ("none", "a", "b"):
        original, changed = (
            np.array([row["miou"] for row in rows if row["ibn"] == ibn and row["transform"] == name])
            for name in ("original", "RGB+50")
        )
        assert len(original) == len(changed) == 2  # seeds, in one order
        assert f" {100 * original.mean():.1f} ± {100 * original.std(ddof=1):.1f} frames as they are " in section
        points, kept = 100 * (changed - original).mean(), 100 * (changed / original).mean()
        spread = f"{100 * changed.mean():.1f} ± {100 * changed.std(ddof=1):.1f}"
        assert f" {spread} {points:+.1f} points {kept:.0f} % kept" in section


def test_levels_are_averaged_and_what_was_never_seen_stands_below(tmp_path: Path) -> None:
    given = json.loads((SAMPLE / "stress.json").read_text())[:1]
    rows = [
        {**given[0], "transform": name, "level": level, "miou": miou, "network": EVIL}
        for name, level, miou in (
            ("original", None, 0.5),
            ("fog", 1, 0.4),
            ("fog", 3, 0.2),
            ("rain", 1, 0.5),
            ("rain", 3, 0.45),
        )
    ]
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "stress.json").write_text(json.dumps(rows))
    found = {EVIL: {"road_anomaly": {"entropy": {"auroc": 0.912, "auprc": None, "fpr95": 0.345}}}}
    (tmp_path / "s" / "ood.json").write_text(json.dumps(found))
    page = _page(tmp_path / "s", tmp_path)
    assert "fog 30.0 -20.0 points 60 % kept" in _section(page)
    assert "mean kept 77.5 %" in _section(page)
    assert "mean of levels 1, 3 of 5" in re.sub(r"\s+", " ", page)
    assert EVIL not in page.partition("<body")[2].partition("<script>")[0]
    cells = re.findall(r"<td>([^<]*)</td>", page.partition("road_anomaly")[2])[:4]
    assert cells == ["entropy", "91.2", "\N{EN DASH}", "34.5"]


def test_a_table_without_frames_as_they_are_is_refused(tmp_path: Path) -> None:
    rows = [row for row in json.loads((SAMPLE / "stress.json").read_text()) if row["transform"] != "original"]
    (tmp_path / "stress.json").write_text(json.dumps(rows))
    with pytest.raises(SegibnError, match="has no row of frames as they are"):
        _page(tmp_path, tmp_path)
