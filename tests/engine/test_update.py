"""One update: equal however it is shared out, and what it says when it cannot go on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.plan import plan_batch
from segibn.engine.failures import explained_failures
from segibn.engine.train import build_model
from segibn.engine.update import Updater
from segibn.errors import ConfigError, SegibnError

CPU = torch.device("cpu")


def make_updater(config: RunConfig, blocks: Path) -> Updater:
    labels = build_label_set(config.data.train, None, index_dataset(config.data.train, blocks))
    return Updater(config, build_model(config, labels, CPU))


def make_batch(count: int) -> dict:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, (count, 32, 48)).astype(np.uint8)
    for index in range(count):  # samples differ in how much of them counts
        target[index, : 5 * index] = 255
    return {
        "image": torch.from_numpy(rng.integers(0, 256, (count, 3, 32, 48)).astype(np.uint8)),
        "target": torch.from_numpy(target),
        "name": [f"frame{index}" for index in range(count)],
    }


@pytest.mark.parametrize(
    ("batch", "processes", "most", "micro_batch", "steps"),
    [(16, 1, None, 16, 1), (16, 1, 4, 4, 4), (16, 4, 4, 4, 1), (12, 2, 4, 3, 2), (7, 1, 2, 1, 7)],
)
def test_batch_is_shared_out_over_processes_and_steps(
    batch: int, processes: int, most: int | None, micro_batch: int, steps: int
) -> None:
    plan = plan_batch(batch, processes, most)
    assert (plan.micro_batch, plan.steps) == (micro_batch, steps)
    assert plan.micro_batch * plan.steps * processes == batch


def test_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"global_batch_size 16 .* 3 processes"):
        plan_batch(16, 3)


def test_accumulated_steps_give_the_gradients_of_the_whole_batch(blocks: Path, blocks_config: Path) -> None:
    gradients = []
    for most in (4, 1):
        overrides = ["optim.global_batch_size=4", f"engine.max_micro_batch={most}"]
        overrides += ["engine.precision=float32"]
        overrides += ["model.head.dropout=0", "model.aux_head.dropout=0"]
        updater = make_updater(load_config(blocks_config, overrides), blocks)
        updater.model.eval()  # batch statistics are those of a step: leave them out
        loss, _ = updater.update(make_batch(4), 0).read()
        gradients.append((loss, [p.grad for p in updater.model.parameters() if p.grad is not None]))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    for whole, parts in zip(gradients[0][1], gradients[1][1], strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_clipped_gradients_have_the_norm_that_was_asked_for(blocks: Path, blocks_config: Path) -> None:
    limit = 1e-3
    config = load_config(blocks_config, [f"optim.clip_grad_norm={limit}"])
    updater = make_updater(config, blocks)
    updater.update(make_batch(2), 0)
    squares = [p.grad.double().square().sum() for p in updater.model.parameters()]
    assert float(sum(squares)) ** 0.5 == pytest.approx(limit, rel=1e-3)


def test_out_of_memory_says_what_to_lower(blocks_config: Path) -> None:
    config = load_config(blocks_config)
    with (
        pytest.raises(SegibnError, match=r"max_micro_batch=4 .*crop_size below 48x96"),
        explained_failures(config, micro_batch=8),
    ):
        torch.empty(1 << 55)


def test_other_errors_pass_unchanged(blocks_config: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="size of tensor"),
        explained_failures(load_config(blocks_config), micro_batch=8),
    ):
        torch.ones(2) + torch.ones(3)


@pytest.mark.slow
@pytest.mark.parametrize("ibn", ["a", "b"])
def test_a_compiled_update_equals_the_eager_one(ibn: str, blocks: Path, blocks_config: Path) -> None:
    losses = []
    for compiled in (False, True):
        overrides = [f"engine.compile={compiled}", f"model.backbone.ibn={ibn}"]
        overrides += ["engine.precision=float32"]
        overrides += ["model.head.dropout=0", "model.aux_head.dropout=0"]
        updater = make_updater(load_config(blocks_config, overrides), blocks)
        losses.append([updater.update(make_batch(2), i).read()[0] for i in range(3)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
