"""Batches are changed on the device, as a function of seed and iteration alone."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.engine.train import build_model
from segibn.engine.update import Updater

CPU = torch.device("cpu")
ALL = (
    "generalise.copy_paste={classes: [bright], probability: 1.0}",
    "generalise.amplitude_mix={}",
    "generalise.pasta={}",
    "generalise.random_convolution={max_repeats: 2}",
)


def _updater(config: RunConfig, blocks: Path) -> Updater:
    labels = build_label_set(config.data.train, None, index_dataset(config.data.train, blocks))
    return Updater(config, build_model(config, labels, CPU), labels.class_names)


def _batch() -> dict:
    rng = np.random.default_rng(0)
    return {
        "image": torch.from_numpy(rng.integers(0, 256, (4, 3, 32, 48)).astype(np.uint8)),
        "target": torch.from_numpy(rng.integers(0, 2, (4, 32, 48)).astype(np.uint8)),
        "name": [f"frame{index}" for index in range(4)],
    }


def _weights_after(config: RunConfig, blocks: Path, iteration: int, spent: int) -> Tensor:
    """Of the first layer, after one update before which so many numbers were drawn."""
    updater = _updater(config, blocks)
    torch.rand(spent)
    updater.update(_batch(), iteration)
    return updater.model.backbone.conv1.weight.detach().clone()


def test_an_update_depends_on_its_iteration_not_on_what_was_drawn_before(blocks: Path, blocks_config: Path) -> None:
    common = ("optim.global_batch_size=4", "model.head.dropout=0", "model.aux_head=null")
    plain = load_config(blocks_config, common)
    config = load_config(blocks_config, (*common, *ALL))
    first = _weights_after(config, blocks, iteration=1, spent=0)
    assert torch.equal(first, _weights_after(config, blocks, iteration=1, spent=77))
    assert not torch.equal(first, _weights_after(plain, blocks, iteration=1, spent=0))


def test_restyled_views_differ_and_share_the_pasted_labels(blocks: Path, blocks_config: Path) -> None:
    config = load_config(blocks_config, ("optim.global_batch_size=4", *ALL))
    augmentation = _updater(config, blocks).augmentation
    assert augmentation is not None
    batch = _batch()
    torch.manual_seed(0)
    image, target = augmentation.mix(batch["image"].float(), batch["target"])
    assert target.dtype == batch["target"].dtype
    assert ((batch["target"] == 1) <= (target == 1)).all()  # bright is pasted, dark is not
    assert (target == 1).sum() > (batch["target"] == 1).sum()
    one, other = augmentation.restyle(image), augmentation.restyle(image)
    assert not torch.equal(one, other)
