"""Precision, and checkpoints that are not what they should be."""

from pathlib import Path

import pytest
import torch
from torch import nn

from segibn.builders.checkpoints import read_checkpoint
from segibn.engine.precision import autocast, choose_dtype
from segibn.errors import CheckpointError, ConfigError

CPU = torch.device("cpu")


def test_float16_on_a_cpu_is_refused_and_bfloat16_runs() -> None:
    with pytest.raises(ConfigError, match="CUDA"):
        choose_dtype("float16", CPU)
    with autocast(choose_dtype("bfloat16", CPU), CPU):
        assert nn.Linear(4, 4)(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(choose_dtype("float32", CPU), CPU):
        assert nn.Linear(4, 4)(torch.ones(1, 4)).dtype == torch.float32


def test_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        read_checkpoint(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="not a segibn checkpoint"):
        read_checkpoint(path)
