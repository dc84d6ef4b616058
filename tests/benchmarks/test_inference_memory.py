"""What prediction adds to the network's own peak of memory, weighed in child processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results_table import fill_tables

ROOT = Path(__file__).resolve().parents[2]
FRAME_LOGITS_MIB = 19 * 1024 * 2048 * 4 / 2**20
LIMIT_MIB = 64


@pytest.fixture(scope="module")
def weighed(tmp_path_factory):
    """Return the script's file for 19 classes at 1024x2048 and next to no network."""
    path = tmp_path_factory.mktemp("memory") / "memory.json"
    script = str(ROOT / "benchmarks" / "inference_memory.py")
    command = [sys.executable, script, "--network", "thin", "--json", str(path)]
    command += ["--frames", "4", "--scales", "0.5", "1", "1.25"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    content = json.loads(path.read_text())
    if any(row["peak_mib"] is None for row in content["rows"]):
        pytest.skip("this system tells no resident sizes")
    return path


def test_whole_frames_and_many_views_add_less_than_64_mib(weighed):
    rows = [r for r in json.loads(weighed.read_text())["rows"] if r["way"].startswith("whole")]
    assert max(row["views"] for row in rows) == 6
    for row in rows:
        assert row["peak_mib"] > 20  # the frame as floats alone has 24: it was measured at all
        assert row["added_mib"] < LIMIT_MIB, row


def test_windows_hold_the_logits_of_one_frame(weighed):
    rows = [r for r in json.loads(weighed.read_text())["rows"] if r["way"].startswith("slide")]
    assert {row["way"].split("|")[0].split("-")[-1] for row in rows} == {"flat", "gaussian"}
    for row in rows:
        assert row["added_mib"] < FRAME_LOGITS_MIB + LIMIT_MIB, row


def test_memory_does_not_grow_with_the_number_of_frames(weighed):
    two, four = json.loads(weighed.read_text())["rows"][-2:]
    assert (two["frames"], four["frames"]) == (2, 4)
    assert four["peak_mib"] - two["peak_mib"] < 6  # a frame has 6 as bytes; four would have 12 more


def test_the_table_shows_what_was_weighed(weighed):
    text = fill_tables("<!-- results:memory -->\n<!-- /results -->\n", weighed.parent)
    assert "`whole scales:1.0 flip:no` | 1 | 1 |" in text
    assert "frames of 1024x2048, thin" in text
