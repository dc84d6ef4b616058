"""From a loss config to the criterion of a training."""

from collections.abc import Sequence
from functools import partial

import torch

from segibn.config.schema import LossConfig
from segibn.errors import ConfigError
from segibn.losses.criterion import REGION_LOSSES, RegionLoss, SegmentationLoss


def build_criterion(
    config: LossConfig, num_classes: int, device: torch.device, groups: Sequence[Sequence[int]] = ()
) -> SegmentationLoss:
    """Build the criterion of outputs (N, K, H, W); ``groups``: train ids that labels tell together."""
    weights = config.class_weights
    if groups and (weights is not None or config.ohem is not None):
        refused = "loss.class_weights" if weights is not None else "loss.ohem"
        raise ConfigError(f"{refused} does not go with `groups: true` in data.mix; leave out one of them")
    if weights is not None and len(weights) != num_classes:
        raise ConfigError(
            f"loss.class_weights has {len(weights)} numbers, but the training has {num_classes} "
            "classes; give one for each, in the order of train ids"
        )
    regions: dict[str, tuple[float, RegionLoss]] = {}
    for name, weight in config.region_weights.items():
        keys = [key for key in LossConfig.model_fields if key.startswith(f"{name}_")]
        options = {key.removeprefix(f"{name}_"): getattr(config, key) for key in keys}
        del options["weight"]
        regions[name] = (weight, partial(REGION_LOSSES[name], **options))
    return SegmentationLoss(
        aux_weight=config.aux_weight,
        class_weights=None if weights is None else torch.tensor(weights, device=device),
        label_smoothing=config.label_smoothing,
        ohem=None if config.ohem is None else config.ohem.model_dump(),
        regions=regions,
        groups=tuple(map(tuple, groups)),
    )
