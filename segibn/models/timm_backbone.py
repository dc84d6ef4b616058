"""Any backbone of timm behind the contract of `features.py`, by its own `forward_intermediates`.

*Hierarchical* networks (ConvNeXt, Swin, ResNet) have their last four stages as layer1 .. layer4.
Frames are padded with zeros to a multiple of the largest stride, features cropped back.

*Plain* vision transformers (DINOv2, DINOv3, EVA-02) give the tokens of four blocks, evenly spaced
and ending with the last, after the final norm; all at the stride of the patch. A frame is stretched
to whole patches: padding would shift the logits by up to a patch, and tokens would attend to it.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.errors import ConfigError
from segibn.models.efficientnet_lite import EfficientNetLite, FixedSameConv2d, lite_size
from segibn.models.features import FeatureSpec
from segibn.models.lora import add_lora
from segibn.models.share_norm import InstanceShareNorm2d
from segibn.models.weights.sources import IMAGENET_MEAN, IMAGENET_STD, LITE, LITE_MEAN, LITE_STD
from segibn.text import did_you_mean

Tuning = Literal["full", "frozen", "lora"]

_NUM_FEATURES = 4


class TimmBackbone(nn.Module):
    """A network of timm as a backbone: `network`, without what only its classifier needs."""

    def __init__(self, name: str, output_stride: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.output_stride = output_stride
        self.tuning: Tuning = "full"
        self.network = create_network(name, output_stride)
        info = self.network.feature_info  # num_chs, reduction and module of each feature
        stages: list[dict[str, Any]] = info if isinstance(info, list) else info.info
        self.is_plain = len({stage["reduction"] for stage in stages}) == 1
        _check_stages(name, [stage["reduction"] for stage in stages], output_stride, self.is_plain)
        last = range(len(stages) - _NUM_FEATURES, len(stages))
        spaced = [len(stages) * (k + 1) // _NUM_FEATURES - 1 for k in range(_NUM_FEATURES)]
        self._indices = spaced if self.is_plain else list(last)
        chosen = [stages[index] for index in self._indices]
        self._modules_of_stages = tuple(str(stage["module"]) for stage in chosen)
        self.feature_specs = {
            f"layer{number}": FeatureSpec(stage["num_chs"], stage["reduction"])
            for number, stage in enumerate(chosen, start=1)
        }
        # What follows the last feature would have parameters without a gradient.
        if not self.is_plain:
            for part, module in list(self.network.named_modules()):
                if type(module).__name__ == "Conv2dSame":
                    self.network.set_submodule(part, FixedSameConv2d(module))
        before = self.network.state_dict().keys()
        self.network.prune_intermediate_layers(self._indices, prune_norm=not self.is_plain, prune_head=True)
        self.pruned = tuple(sorted(before - self.network.state_dict().keys()))
        given = self.network.pretrained_cfg
        is_lite = name.startswith(LITE)  # timm has 127.5 for both, which is near
        mean, std = (LITE_MEAN, LITE_STD) if is_lite else (given["mean"], given["std"])
        self._register_rescaling(tuple(mean), tuple(std))

    def set_tuning(self, tuning: Tuning, lora_rank: int = 8, lora_alpha: float = 8.0) -> None:
        """Choose what is trained; once, after weights are loaded, since LoRA wraps layers.

        "frozen": nothing, computed without gradients and as in evaluation also in training mode;
        "lora": updates of low rank (`lora.py`), batch norms as in evaluation.
        """
        self.tuning = tuning
        if tuning == "frozen":
            self.network.requires_grad_(False)
        elif tuning == "lora" and add_lora(self.network, lora_rank, lora_alpha) == 0:
            raise ConfigError(
                f"model.backbone.tuning: {self.name} has no linear layer or 1x1 convolution that "
                f"an update of rank {lora_rank} is for; use full or frozen"
            )
        self.train(self.training)

    def train(self, mode: bool = True) -> "TimmBackbone":
        """Set the mode; what is frozen stays as in evaluation, with its running statistics."""
        super().train(mode)
        if self.tuning == "frozen":
            self.network.eval()
        elif self.tuning == "lora":
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm | InstanceShareNorm2d):
                    module.eval()
        return self

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) normalised float -> features by name, (N, C, ceil(H / s), ceil(W / s))."""
        if self.tuning == "frozen":
            with torch.no_grad():
                return self._features(image)
        return self._features(image)

    def stages_of_parameters(self) -> dict[str, int]:
        """0 for what precedes the stages, else 1..4, the stage that a block leads to."""
        first = self._modules_of_stages[0]
        body = f"network.{first.rpartition('.')[0] or first}."
        ends = [f"network.{module}." for module in self._modules_of_stages]
        names = [name for name, _ in self.named_parameters()]
        last = [max(i for i, name in enumerate(names) if name.startswith(end)) for end in ends]
        start = min(i for i, name in enumerate(names) if name.startswith(body))
        return {name: 0 if i < start else 1 + sum(i > end for end in last[:-1]) for i, name in enumerate(names)}

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        height, width = image.shape[-2:]
        x = image if self.rescale is None else image * self.rescale + self.shift
        x = _to_whole_multiples(x, max(spec.stride for spec in self.feature_specs.values()), stretch=self.is_plain)
        options = {"norm": self.is_plain, "intermediates_only": True}
        found = self.network.forward_intermediates(x, indices=self._indices, **options)
        features = dict(zip(self.feature_specs, found, strict=True))
        if self.is_plain:
            return features
        return {
            name: _cropped(features[name], _ceil(height, spec.stride), _ceil(width, spec.stride))
            for name, spec in self.feature_specs.items()
        }

    def _register_rescaling(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Images come with ImageNet's mean and spread; a network that wants others gets them."""
        scale = shift = None
        if (mean, std) != (IMAGENET_MEAN, IMAGENET_STD):
            pairs = [(s / t, (m - n) / t) for m, s, n, t in zip(IMAGENET_MEAN, IMAGENET_STD, mean, std, strict=True)]
            scale, shift = torch.tensor(pairs, dtype=torch.float32).T.reshape(2, 1, 3, 1, 1)
        # Constants of the preprocessing: checkpoints need not hold them.
        self.register_buffer("rescale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)


def create_network(name: str, output_stride: int | None, *, pretrained: bool = False) -> nn.Module:
    """Build timm's network without a classifier, for frames of any size."""
    size = lite_size(name)
    if size is not None and not pretrained:
        return EfficientNetLite(size, output_stride)
    import timm

    if not timm.is_model(name):
        hint = did_you_mean(name, [*timm.list_models(), *timm.list_pretrained()]) or "; timm.list_models() lists them"
        raise ConfigError(f"model.backbone.model: timm {timm.__version__} has no {name}{hint}")
    options: dict[str, Any] = {"num_classes": 0, "pretrained": pretrained}
    if output_stride is not None:
        options["output_stride"] = output_stride
    try:
        network = _create_for_any_size(name, options)
    except TypeError as error:
        if "output_stride" not in str(error):
            raise
        raise ConfigError(f"model.backbone.output_stride: timm cannot dilate {name}; leave it out") from error
    for method in ("forward_intermediates", "prune_intermediate_layers"):
        if not hasattr(network, method):
            has = f"has no {method} in timm {timm.__version__}, which its features are taken with"
            raise ConfigError(f"model.backbone.model: {name} {has}; choose another")
    return network


def _create_for_any_size(name: str, options: dict[str, Any]) -> nn.Module:
    """With ``dynamic_img_size`` where the network has it; the others take any size, or one."""
    import timm

    try:
        return timm.create_model(name, dynamic_img_size=True, **options)
    except TypeError as error:
        if "dynamic_img_size" not in str(error):
            raise
    network = timm.create_model(name, **options)
    _, height, width = network.pretrained_cfg["input_size"]
    if network.pretrained_cfg.get("fixed_input_size"):
        only = f"takes frames of one size only ({height} x {width})"
        raise ConfigError(f"model.backbone.model: {name} {only}; choose another")
    return network


def _check_stages(name: str, strides: list[int], output_stride: int | None, is_plain: bool) -> None:
    if output_stride is not None and (is_plain or strides[-1] != output_stride):
        why = "a plain transformer: its stride is its patch's" if is_plain else "not made to dilate"
        raise ConfigError(f"model.backbone.output_stride: {name} is {why}, {strides[-1]}; leave it out")
    if len(strides) < _NUM_FEATURES:
        has = f"has {len(strides)} features, heads need {_NUM_FEATURES}"
        raise ConfigError(f"model.backbone.model: {name} {has}; choose another")


def _cropped(feature: Tensor, height: int, width: int) -> Tensor:
    h, w = feature.shape[-2:]
    if torch.compiler.is_compiling():  # a graph must hold for all sizes, and views tie them
        return F.pad(feature, (0, width - w, 0, height - h))
    return feature[:, :, :height, :width]


def _ceil(size: int, stride: int) -> int:
    # Of positive numbers alone: graphs in other runtimes round quotients towards zero.
    return (size + stride - 1) // stride


def _to_whole_multiples(image: Tensor, multiple: int, *, stretch: bool) -> Tensor:
    """Bilinear, in the precision of the image; or zeros below and at the right."""
    height, width = image.shape[-2:]
    size = (_ceil(height, multiple) * multiple, _ceil(width, multiple) * multiple)
    if not stretch:
        return F.pad(image, (0, size[1] - width, 0, size[0] - height))
    # A graph must hold for all sizes; resizing to the same one changes nothing.
    if not torch.compiler.is_compiling() and size == (height, width):
        return image
    with torch.autocast(image.device.type, enabled=False):
        return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
