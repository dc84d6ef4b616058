"""Perturbed features in a real update: they train, repeat to the bit, and leave no trace."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.load import load_config
from segibn.engine.train import build_model
from segibn.engine.update import Updater

CPU = torch.device("cpu")
SECTIONS = {
    "mixstyle": "{probability: 1}",
    "efdm": "{probability: 1}",
    "np_plus": "{probability: 1}",
    "mrfp": "{probability: 1, channels: 4}",
}


def _updater(blocks: Path, path: Path, overrides: list[str]) -> Updater:
    config = load_config(path, ["engine.precision=float32", "ema.decay=0.5", *overrides])
    labels = build_label_set(config.data.train, None, index_dataset(config.data.train, blocks))
    torch.manual_seed(0)
    return Updater(config, build_model(config, labels, CPU))


def _batch() -> dict:
    rng = np.random.default_rng(0)
    return {
        "image": torch.from_numpy(rng.integers(0, 256, (3, 3, 48, 64)).astype(np.uint8)),
        "target": torch.from_numpy(rng.integers(0, 2, (3, 48, 64)).astype(np.uint8)),
        "name": ["a", "b", "c"],
    }


@pytest.mark.parametrize("method", SECTIONS)
def test_updates_are_perturbed_repeat_to_the_bit_and_leave_a_plain_network(
    method: str, blocks: Path, blocks_config: Path
) -> None:
    on = [f"generalise.{method}={SECTIONS[method]}"]
    plain, first, second = (_updater(blocks, blocks_config, o) for o in ([], on, on))
    losses = [[u.update(_batch(), i).read()[0] for i in range(2)] for u in (plain, first, second)]
    assert losses[1] == losses[2]
    assert losses[0][0] != losses[1][0]

    state = first.model.state_dict()
    plain.model.load_state_dict(state)
    image = _batch()["image"]
    predicted = [u.model.eval().coarse_logits(u.prepare(image)) for u in (plain, first)]
    assert torch.equal(*predicted)
    # The moving average was copied before the hooks were set: not even in training mode.
    average = first.predicting_model.train()
    assert not any(module._forward_hooks for module in average.modules())
