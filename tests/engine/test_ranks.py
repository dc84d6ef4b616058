"""Ranks that are not alone: a signal to one stops all, a dead one lets none hang."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from segibn.builders.checkpoints import read_checkpoint

TRAIN = str(Path(__file__).resolve().parents[2] / "tools/train.py")
ENDLESS = ("optim.iterations=100000", "data.val=null")
Start = Callable[..., list[subprocess.Popen]]


def wait_for(path: Path, ranks: list[subprocess.Popen]) -> None:
    deadline = time.monotonic() + 200
    while not path.exists():
        assert all(rank.poll() is None for rank in ranks), ranks[0].communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_signal_to_one_rank_stops_all_at_one_iteration(
    two_ranks: Start, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run/checkpoints/last.pt"
    data = ["--datasets", blocks, "--output", tmp_path / "run"]
    ranks = two_ranks(TRAIN, light_config, *data, *ENDLESS, "engine.checkpoint_every=3")
    wait_for(checkpoint, ranks)
    ranks[1].send_signal(signal.SIGTERM)
    texts = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [143, 143], texts
    done = read_checkpoint(checkpoint)["iteration"]
    assert all(f"after {done} iterations" in text for text in texts), texts


def test_a_rank_whose_peer_died_leaves_unsaved_and_says_so(
    two_ranks: Start, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    data = ["--datasets", blocks, "--output", tmp_path / "run"]
    ranks = two_ranks(TRAIN, light_config, *data, *ENDLESS, "engine.checkpoint_every=2")
    wait_for(tmp_path / "run/checkpoints/last.pt", ranks)
    ranks[1].kill()
    text, _ = ranks[0].communicate(timeout=120)
    ranks[1].communicate()
    assert ranks[0].returncode == 3, text
    assert "another process of this run ended" in text
    assert read_checkpoint(tmp_path / "run/checkpoints/last.pt")["iteration"] % 2 == 0
