"""Learning rate, parameter groups, precision, and checkpoints that are not what they should be."""

from pathlib import Path

import pytest
import torch
from torch import nn

from segibn.config.schema import OptimConfig
from segibn.engine.optim import build_optimizer, learning_rate_factor, set_learning_rate
from segibn.engine.precision import autocast, choose_dtype
from segibn.errors import CheckpointError, ConfigError
from segibn.models.weights import read_checkpoint

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [(0, 0.2), (3, 0.8 * 0.97**0.9), (4, 0.96**0.9), (50, 0.5**0.9), (99, 0.01**0.9)],
)
def test_poly_schedule_with_warm_up(iteration: int, expected: float) -> None:
    config = OptimConfig(iterations=100, warmup_iterations=4, poly_power=0.9)
    assert learning_rate_factor(iteration, config) == pytest.approx(expected, rel=1e-12)


def test_poly_schedule_is_that_of_torch() -> None:
    config = OptimConfig(iterations=20, lr=0.3)
    ours = build_optimizer(nn.Linear(2, 2), config, CPU)
    theirs = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3)
    schedule = torch.optim.lr_scheduler.PolynomialLR(theirs, total_iters=20, power=0.9)
    for iteration in range(20):
        set_learning_rate(ours, iteration, config)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        theirs.step()
        schedule.step()


def test_groups_separate_heads_and_undecayed_parameters() -> None:
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model.head = nn.Conv2d(4, 2, 1)
    config = OptimConfig(lr=0.1, head_lr_factor=10, weight_decay=0.5, decay_norms_and_biases=False)
    optimizer = build_optimizer(model, config, CPU)
    settings = {
        id(parameter): (group["initial_lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    conv, norm = model.backbone
    assert settings[id(conv.weight)] == (0.1, 0.5)
    assert settings[id(conv.bias)] == (0.1, 0.0)
    assert settings[id(norm.weight)] == (0.1, 0.0)
    assert settings[id(model.head.weight)] == (1.0, 0.5)
    assert settings[id(model.head.bias)] == (1.0, 0.0)
    assert len(settings) == len(list(model.parameters()))


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
