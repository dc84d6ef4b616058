"""MobileNetV2 and ShuffleNetV2 x1.0, torchvision's, plain and with RobustNet's IBN-b.

RobustNet (Choi et al., CVPR 2021; `wt_layer 0 0 4 4 4 0 0`) has three full affine instance norms:

    MobileNetV2    after blocks 1, 6 and 10: 16, 32 and 64 channels at stride 2, 8 and 16
    ShuffleNetV2   in the stem instead of its batch norm, and after the last block (its shuffle) of
                   stages 2 and 3: 24, 116 and 232 channels at stride 2, 8 and 16

Ours: layer1 has stride 4 (RobustNet's decoder reads stride 8), and dilation goes on behind the lost
stride: the same numbers at more places.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenetv2, shufflenetv2

from segibn.models.features import Backbone, FeatureSpec
from segibn.models.ibn import InstanceNorm2d
from segibn.models.plans import IbnName

_MOBILE_IBN_BLOCKS = (1, 6, 10)
# The blocks that compute a feature.
_MOBILE_ENDS = {"half": 2, "layer1": 4, "layer2": 7, "layer3": 14, "layer4": 19}
_MOBILE_STARTS = dict(zip(_MOBILE_ENDS, (0, 2, 4, 7, 14), strict=True))
_MOBILE_HALF, _MOBILE_CHANNELS = 16, (24, 32, 96, 1280)
_SHUFFLE_DEPTHS = [4, 8, 4]
_SHUFFLE_CHANNELS = [24, 116, 232, 464, 1024]


class _WithNorm(nn.Module):
    """A block of torchvision, its output passed through `IN`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.IN: nn.Module = nn.Identity()


class _MobileBlock(_WithNorm, mobilenetv2.InvertedResidual):
    def forward(self, x: Tensor) -> Tensor:
        return self.IN(super().forward(x))


class _ShuffleBlock(_WithNorm, shufflenetv2.InvertedResidual):
    """Its output has the memory layout of its input (torchvision's has not)."""

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            first, second = x.chunk(2, dim=1)
        else:
            first, second = self.branch1(x), x
        return self.IN(F.channel_shuffle(torch.cat([first, self.branch2(second)], dim=1), 2))


class MobileNetV2(Backbone):
    """MobileNetV2 of width 1 without its classifier."""

    classifier_name, classifier_dropout = "classifier", 0.2

    def __init__(self, *, ibn: bool = False, output_stride: int = 32) -> None:
        super().__init__()
        self.feature_specs = _feature_specs(_MOBILE_CHANNELS, output_stride)
        self.half_spec = FeatureSpec(_MOBILE_HALF, stride=2)
        self.features = mobilenetv2.MobileNetV2(num_classes=1, block=_MobileBlock).features
        _replace_strides(self.features[1:-1], 2, output_stride)
        for number in _MOBILE_IBN_BLOCKS if ibn else ():
            self.features[number].IN = InstanceNorm2d(self.features[number].out_channels)

    def step(self, name: str, x: Tensor) -> Tensor:
        """See `Backbone`."""
        for number in range(_MOBILE_STARTS[name], _MOBILE_ENDS[name]):
            x = self.features[number](x)
        return x

    def stage_of(self, parameter: str) -> int:
        """See `Backbone`."""
        block = int(parameter.split(".")[1])
        return 0 if block == 0 else max(1, sum(end <= block for end in _MOBILE_ENDS.values()))


class ShuffleNetV2(Backbone):
    """ShuffleNetV2 of width 1 without its classifier; layer1 is the stem's output, pooled."""

    def __init__(self, *, ibn: bool = False, output_stride: int = 32) -> None:
        super().__init__()
        stem, stage2, stage3, _, last = _SHUFFLE_CHANNELS
        self.half_spec = FeatureSpec(stem, stride=2)
        self.feature_specs = _feature_specs((stem, stage2, stage3, last), output_stride)
        network = shufflenetv2.ShuffleNetV2(_SHUFFLE_DEPTHS, _SHUFFLE_CHANNELS, 1, _ShuffleBlock)
        for part in ("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5"):
            self.add_module(part, getattr(network, part))
        _replace_strides([*self.stage2, *self.stage3, *self.stage4], 4, output_stride)
        if ibn:
            self.conv1[1] = InstanceNorm2d(stem)
            self.stage2[-1].IN = InstanceNorm2d(stage2)
            self.stage3[-1].IN = InstanceNorm2d(stage3)

    def step(self, name: str, x: Tensor) -> Tensor:
        """See `Backbone`."""
        parts = {"half": self.conv1, "layer1": self.maxpool, "layer2": self.stage2, "layer3": self.stage3}
        return self.conv5(self.stage4(x)) if name == "layer4" else parts[name](x)

    def stage_of(self, parameter: str) -> int:
        """See `Backbone`; layer1 is the stem, pooled."""
        return {"stage2": 2, "stage3": 3, "stage4": 4, "conv5": 4}.get(parameter.split(".")[0], 0)


def _feature_specs(channels: Iterable[int], output_stride: int) -> dict[str, FeatureSpec]:
    """Channels of layer1..layer4, at strides 4, 8, 16 and 32 or what dilation leaves of them."""
    return {
        f"layer{number}": FeatureSpec(count, min(2 ** (number + 1), output_stride))
        for number, count in enumerate(channels, start=1)
    }


def _replace_strides(blocks: Iterable[nn.Module], stride: int, output_stride: int) -> None:
    """Let dilation take the place of strides; `block.stride` says what a ShuffleNet block has."""
    dilation = 1
    for block in blocks:
        stride *= block.stride
        for part in block.modules():
            if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
                part.dilation = part.padding = (dilation, dilation)
                if stride > output_stride:
                    part.stride = (1, 1)
        if stride > output_stride:
            dilation, stride = dilation * block.stride, output_stride


def build(name: str, ibn: IbnName = "none", output_stride: int = 32) -> Backbone:
    """Build a light backbone by its name."""
    return (MobileNetV2 if name == "mobilenet_v2" else ShuffleNetV2)(ibn=ibn == "b", output_stride=output_stride)
