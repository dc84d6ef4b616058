"""Labels that tell several classes together."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segibn.builders.losses import build_criterion
from segibn.config.schema import LossConfig, OhemConfig
from segibn.errors import ConfigError
from segibn.labels.label_set import FIRST_GROUP

CPU = torch.device("cpu")
GROUPS = ((0, 2), (1, 3))


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 4, 6, 8, generator=generator)
    target = torch.randint(0, 7, (3, 6, 8), generator=generator)
    values = torch.tensor([0, 1, 2, 3, FIRST_GROUP, FIRST_GROUP + 1, 255], dtype=torch.uint8)
    target = values[target]
    target[1] = target[1].clamp(max=3)  # a frame of another set
    return logits.requires_grad_(), target


def _by_hand(logits: np.ndarray, target: np.ndarray) -> float:
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    total = count = 0
    for n, row, column in np.argwhere(target != 255):
        value, p = int(target[n, row, column]), probability[n, :, row, column]
        members = GROUPS[value - FIRST_GROUP] if value >= FIRST_GROUP else (value,)
        total -= np.log(p[list(members)].sum())
        count += 1
    return total / count


def test_a_pixel_of_a_group_costs_what_its_classes_together_lack() -> None:
    logits, target = _batch()
    criterion = build_criterion(LossConfig(), 4, CPU, GROUPS)
    loss, parts = criterion(SimpleNamespace(logits=logits, aux_logits=None), target)
    assert set(parts) == {"main", "groups"}
    assert float(loss.detach()) == pytest.approx(_by_hand(logits.detach().double().numpy(), target.numpy()), rel=1e-5)


def test_the_parts_of_an_update_add_up_with_groups() -> None:
    logits, target = _batch()
    criterion = build_criterion(LossConfig(), 4, CPU, GROUPS)
    loss, _ = criterion(SimpleNamespace(logits=logits, aux_logits=None), target)
    whole = torch.autograd.grad(loss, logits)[0]
    normalizer, summed = criterion.normalizer(target), torch.zeros_like(whole)
    for n in range(3):
        output = SimpleNamespace(logits=logits[n : n + 1], aux_logits=None)
        part, _ = criterion(output, target[n : n + 1], normalizer=normalizer, share=1 / 3)
        summed += torch.autograd.grad(part, logits)[0]
    torch.testing.assert_close(summed, whole)


@pytest.mark.parametrize("options", [{"ohem": OhemConfig()}, {"class_weights": (1, 1, 1, 1)}])
def test_what_counts_single_classes_is_refused_with_groups(options: dict) -> None:
    with pytest.raises(ConfigError, match=r"does not go with `groups: true` in data\.mix"):
        build_criterion(LossConfig(**options), 4, CPU, GROUPS)
