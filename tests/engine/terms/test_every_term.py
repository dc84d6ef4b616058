"""What holds for every term: it moves the training, and leaves nothing in the network."""

import json
from pathlib import Path

import pytest
import torch

from segibn.builders.checkpoints import read_checkpoint
from segibn.engine.train import train
from segibn.engine.update import Updater

TERMS = ("feature_distance", "texture", "consistency", "mean_teacher")
every_term = pytest.mark.parametrize("name", TERMS)
STILL = ("engine.precision=float32", "model.head.dropout=0", "model.aux_head.dropout=0")


def two_updates(updater: Updater, batch: dict) -> list[float]:
    return [updater.update(batch, iteration).read()[0] for iteration in range(2)]


@every_term
def test_two_updates_with_it_differ_from_those_without(name: str, configure, make_updater, batch: dict) -> None:
    losses, weights = [], []
    for names in ((), (name,)):
        updater = make_updater(configure(names))
        losses.append(two_updates(updater, batch))
        weights.append(updater.model.backbone.conv1.weight.detach().clone())
        assert all(torch.tensor(losses[-1]).isfinite())
    assert losses[0][1] != losses[1][1]
    assert not torch.equal(*weights)


@every_term
def test_the_network_it_leaves_is_one_without_it(name: str, configure, make_updater, batch: dict) -> None:
    plain, ours = (make_updater(configure(names)) for names in ((), (name,)))
    two_updates(ours, batch)
    state = ours.model.state_dict()
    assert state.keys() == plain.model.state_dict().keys()
    trained = {id(p) for group in ours.optimizer.param_groups for p in group["params"]}
    assert trained == {id(parameter) for parameter in ours.model.parameters()}
    plain.model.load_state_dict(state)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = (u.model.eval()(image).logits for u in (plain, ours))
    assert torch.equal(one, other)


@every_term
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_value_is_a_float32_scalar_with_a_gradient_into_the_trained_network_alone(
    name: str, precision: str, configure, make_updater, batch: dict, step_of
) -> None:
    config = configure((name,), (f"engine.precision={precision}",))
    updater = make_updater(config)
    two_updates(updater, batch)
    updater.optimizer.zero_grad(set_to_none=True)
    (term,) = updater.objective.terms
    value = term(step_of(updater, batch))
    assert (value.shape, value.dtype) == ((), torch.float32)
    assert value > 0
    value.backward()
    assert updater.model.backbone.conv1.weight.grad.abs().sum() > 0
    teacher = getattr(term, "teacher", None)
    frozen = getattr(teacher, "backbone", teacher)
    assert frozen is None or all(p.grad is None for p in frozen.parameters())


@pytest.mark.parametrize("name", ["texture", "consistency", "mean_teacher"])
def test_accumulated_steps_give_the_gradients_of_the_whole_batch(
    name: str, configure, make_updater, batch: dict
) -> None:
    gradients = []
    for most in (2, 1):
        overrides = (*STILL, f"engine.max_micro_batch={most}")
        updater = make_updater(configure((name,), overrides))
        updater.model.eval()  # batch statistics are those of a step: leave them out
        loss, _ = updater.update(batch, 0).read()
        gradients.append((loss, [p.grad for p in updater.model.backbone.parameters()]))
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-6)
    for whole, parts in zip(gradients[0][1], gradients[1][1], strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def test_a_run_cut_in_the_middle_ends_with_the_same_bits(configure, blocks: Path, tmp_path: Path) -> None:
    common = ("engine.checkpoint_every=1", "engine.keep_checkpoints=9", "data.val=null")
    config = configure(TERMS, (*common, "optim.iterations=2"))
    whole = train(config, datasets_root=blocks, output=tmp_path / "whole").checkpoint
    half = str(whole.with_name("iteration_00000001.pt"))
    cut = train(config, datasets_root=blocks, output=tmp_path / "cut", resume=half).checkpoint
    expected, found = read_checkpoint(whole), read_checkpoint(cut)
    assert expected["training"].keys() == {"optimizer", "scaler", "model", "average_updates"}
    for key, value in expected["model"].items():
        assert torch.equal(value, found["model"][key]), key
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").open()] for run in ("whole", "cut")
    ]
    assert losses[0][1:] == losses[1]
