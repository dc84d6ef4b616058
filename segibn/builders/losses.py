"""From a loss config to the criterion of a training: the one place where names become functions.

In: `LossConfig` and the number of classes. Out: a `SegmentationLoss`.
"""

import torch

from segibn.config.schema import LossConfig
from segibn.errors import ConfigError
from segibn.losses.criterion import OhemRule, SegmentationLoss


def build_criterion(config: LossConfig, num_classes: int, device: torch.device) -> SegmentationLoss:
    """Build the criterion.

    Args:
        config: what is minimised.
        num_classes: K.
        device: where targets and logits will be.

    Raises:
        ConfigError: as many class weights as classes are needed.
    """
    weights = config.class_weights
    if weights is not None and len(weights) != num_classes:
        raise ConfigError(
            f"loss.class_weights has {len(weights)} numbers, but the training has {num_classes} "
            "classes; give one for each, in the order of train ids"
        )
    return SegmentationLoss(
        aux_weight=config.aux_weight,
        class_weights=None if weights is None else torch.tensor(weights, device=device),
        label_smoothing=config.label_smoothing,
        ohem=None if config.ohem is None else OhemRule(**config.ohem.model_dump()),
        dice_weight=config.dice_weight,
        lovasz_weight=config.lovasz_weight,
    )
