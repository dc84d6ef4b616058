"""From a model config to a network: layers below take plain arguments."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from segibn.config.backbones import AnyBackboneConfig, BackboneConfig, IbnWhereConfig, TimmBackboneConfig
from segibn.config.model import ATROUS_RATES, ModelConfig
from segibn.errors import ConfigError
from segibn.models.backbones import build_backbone
from segibn.models.features import FeatureSpec
from segibn.models.heads.deeplab import DeepLabV3Head, DeepLabV3PlusHead
from segibn.models.heads.fcn import FCNHead, LinearHead
from segibn.models.layers import initialize_convolutions
from segibn.models.segmenter import Segmenter
from segibn.models.surgery import add_ibn
from segibn.models.weights.pretrained import load_backbone_weights

logger = logging.getLogger(__name__)

HEADS: dict[str, Callable[..., nn.Module]] = {
    "fcn": FCNHead,
    "linear": LinearHead,
    "deeplabv3": DeepLabV3Head,
    "deeplabv3plus": DeepLabV3PlusHead,
}


def build_segmenter(config: ModelConfig, num_classes: int) -> Segmenter:
    """Build a network and give its backbone the weights that the config names.

    With one seed, networks that differ in `ibn` alone start from the same convolutions.
    """
    given = config.backbone
    if isinstance(given, TimmBackboneConfig):
        from segibn.models.timm_backbone import TimmBackbone
        from segibn.models.weights.timm_weights import load_timm_weights

        backbone = TimmBackbone(given.model, given.output_stride)
        load = partial(load_timm_weights, backbone, config.weights)
    else:
        options = given.options if isinstance(given, BackboneConfig) else given.model_dump()
        backbone = build_backbone(**options)
        load = partial(load_backbone_weights, backbone, config.weights, given.name, given.ibn)
    specs = backbone.feature_specs
    head = _build_head(config, specs, num_classes)
    aux_head = None
    if config.aux_head is not None:
        options = config.aux_head.model_dump(exclude={"init"})
        aux_head = _started(FCNHead(specs, num_classes, **options), config.aux_head.init)
    if config.weights != "none":
        logger.info("%s", load(match=config.weights_match).summary())
    if _is_cut_in(given):
        names = _cut_in(backbone, given)
        if config.weights != "none":  # a training begins
            logger.info("ibn %s at %d places: %s", given.ibn, len(names), ", ".join(names))
    if isinstance(given, TimmBackboneConfig):
        backbone.set_tuning(given.tuning, given.lora_rank, given.lora_alpha)
    return Segmenter(backbone, head, aux_head, align_corners=config.align_corners)


def _is_cut_in(given: AnyBackboneConfig) -> bool:
    return given.ibn == "share" or (given.ibn != "none" and isinstance(given, TimmBackboneConfig))


def _cut_in(backbone: nn.Module, given: AnyBackboneConfig) -> list[str]:
    where = given.ibn_where or IbnWhereConfig()
    try:
        return add_ibn(
            backbone, given.ibn, finest=where.finest, places=where.places, share=given.share, ease=given.ibn_ease
        )
    except ValueError as error:
        raise ConfigError(f"model.backbone: {error}") from error


def for_inference(config: ModelConfig) -> ModelConfig:
    """The same for a network whose weights are at hand: none to load, no LoRA, nothing frozen."""
    update: dict[str, Any] = {"weights": "none"}
    if isinstance(config.backbone, TimmBackboneConfig):
        update["backbone"] = config.backbone.model_copy(update={"tuning": "full"})
    return config.model_copy(update=update)


def without_surgery(config: ModelConfig) -> ModelConfig:
    """The same without an IBN that is cut into a built network, which has to run once for it."""
    if not _is_cut_in(config.backbone):
        return config
    plain = config.backbone.model_copy(update={"ibn": "none", "ibn_where": None})
    return config.model_copy(update={"backbone": plain})


def _build_head(config: ModelConfig, specs: Mapping[str, FeatureSpec], num_classes: int) -> nn.Module:
    options = config.head.model_dump(exclude={"name", "init"})
    if "atrous_rates" in options and options["atrous_rates"] is None:
        # The dilations of the nearest stride that has some, as a patch of 14 is near 16.
        stride = specs["layer4"].stride
        options["atrous_rates"] = ATROUS_RATES[min(ATROUS_RATES, key=lambda s: abs(s - stride))]
    if config.head.name == "deeplabv3plus":  # the one head that resizes a feature
        options["align_corners"] = config.align_corners
    head = HEADS[config.head.name](specs, num_classes, **options)
    return _started(head, getattr(config.head, "init", "kaiming_fan_out"))  # not every head has it


def _started(head: nn.Module, init: str) -> nn.Module:
    if init == "kaiming_fan_in":
        initialize_convolutions(head, "fan_in")
    return head


def describe(model: Segmenter) -> str:
    """One line for the log: parts, classes, strides and parameter counts in millions."""
    parts = {"backbone": model.backbone, "head": model.head, "aux_head": model.aux_head}
    there = {name: part for name, part in parts.items() if part is not None}
    counts = ", ".join(f"{n} {type(part).__name__} {_counted(part)}" for n, part in there.items())
    strides = "/".join(str(spec.stride) for spec in model.backbone.feature_specs.values())
    return (
        f"{counts}; {model.num_classes} classes; feature strides {strides}, logits at {model.head.logits_spec.stride}"
    )


def _counted(part: nn.Module) -> str:
    """Parameters in millions, and how many of them are trained where it is not all."""
    every = sum(p.numel() for p in part.parameters())
    trained = sum(p.numel() for p in part.parameters() if p.requires_grad)
    part_of_it = f"{trained / 1e6:.2f} M" if trained else "none"
    return f"{every / 1e6:.2f} M" + ("" if trained == every else f" ({part_of_it} trained)")
