"""Terms on two processes: means over a rank's part average to those of the whole batch."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from segibn.config.load import load_config
from segibn.engine.train import train

TRAIN = str(Path(__file__).resolve().parents[3] / "tools/train.py")


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(
    run_two_ranks: Callable[..., str], blocks: Path, blocks_config: Path, teacher_file: Path, tmp_path: Path
) -> None:
    more = ["model.head.dropout=0", "model.aux_head.dropout=0", "engine.precision=float32"]
    more += ["optim.global_batch_size=4", "optim.iterations=3", "optim.lr=0.002", "data.val=null"]
    more += [f"generalise.texture={{teacher_weights: {teacher_file}, fade_out: false}}"]
    more += ["generalise.mean_teacher={ramp_up_iterations: 0}", "ema={}"]
    train(load_config(blocks_config, more), datasets_root=blocks, output=tmp_path / "one")
    data = ["--datasets", blocks, "--output", tmp_path / "two"]
    run_two_ranks(TRAIN, blocks_config, *data, *more)
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").open()] for run in ("one", "two")
    ]
    assert len(losses[0]) == 3
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
