"""From a model config to a network: the one place where names become classes.

In: `ModelConfig` and the number of classes. Out: a `Segmenter`. Layers below take plain arguments.
"""

import logging
from collections.abc import Callable, Mapping

from torch import nn

from segibn.config.schema import ATROUS_RATES, ModelConfig
from segibn.models.backbones import build_backbone
from segibn.models.features import FeatureSpec
from segibn.models.heads.deeplabv3 import DeepLabV3Head
from segibn.models.heads.deeplabv3plus import DeepLabV3PlusHead
from segibn.models.heads.fcn import FCNHead
from segibn.models.pretrained import load_backbone_weights
from segibn.models.segmenter import Segmenter

logger = logging.getLogger(__name__)

HEADS: dict[str, Callable[..., nn.Module]] = {
    "fcn": FCNHead,
    "deeplabv3": DeepLabV3Head,
    "deeplabv3plus": DeepLabV3PlusHead,
}


def build_segmenter(config: ModelConfig, num_classes: int) -> Segmenter:
    """Build a network and give its backbone the weights that the config names.

    New parameters are drawn from torch's global random state; with one seed, networks that differ
    in `ibn` alone start from the same convolutions.

    Args:
        config: backbone, heads and the source of the weights.
        num_classes: K.

    Raises:
        CheckpointError: the weights cannot be had or belong to another network.
    """
    name = config.backbone.name
    backbone = build_backbone(**config.backbone.model_dump())
    specs = backbone.feature_specs
    head = _build_head(config, specs, num_classes)
    aux_head = None
    if config.aux_head is not None:
        aux_head = FCNHead(specs, num_classes, **config.aux_head.model_dump())
    if config.weights != "none":
        report = load_backbone_weights(
            backbone, config.weights, name, config.backbone.ibn, config.weights_match
        )
        logger.info("%s", report.summary())
    return Segmenter(backbone, head, aux_head, align_corners=config.align_corners)


def _build_head(
    config: ModelConfig, specs: Mapping[str, FeatureSpec], num_classes: int
) -> nn.Module:
    options = config.head.model_dump(exclude={"name"})
    if "atrous_rates" in options and options["atrous_rates"] is None:
        options["atrous_rates"] = ATROUS_RATES[config.backbone.output_stride]
    if config.head.name == "deeplabv3plus":  # the one head that resizes a feature
        options["align_corners"] = config.align_corners
    return HEADS[config.head.name](specs, num_classes, **options)


def describe(model: Segmenter) -> str:
    """One line for the log: parts, classes, strides and parameter counts in millions."""
    parts = {"backbone": model.backbone, "head": model.head, "aux_head": model.aux_head}
    counts = ", ".join(
        f"{name} {type(part).__name__} {sum(p.numel() for p in part.parameters()) / 1e6:.2f} M"
        for name, part in parts.items()
        if part is not None
    )
    strides = "/".join(str(spec.stride) for spec in model.backbone.feature_specs.values())
    return (
        f"{counts}; {model.num_classes} classes; feature strides {strides}, "
        f"logits at {model.head.logits_spec.stride}"
    )
