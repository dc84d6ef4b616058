"""DenseNet, plain and with IBN-a (Huang et al., CVPR 2017; Pan et al., ECCV 2018).

Module names are torchvision's and IBN-Net's. IBN goes into dense blocks 1 to 3, into the first norm
of every third layer; there the batch half comes first, the instance half has 40 % of the channels.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.features import Backbone, FeatureSpec
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.plans import IbnName

_IBN_EVERY = 3
_BOTTLENECK = 4


@dataclass(frozen=True)
class DenseNetLayout:
    """What tells one DenseNet from another."""

    stem_channels: int
    growth: int  # channels that each layer adds
    depths: tuple[int, int, int, int]  # layers in each dense block


LAYOUTS: dict[str, DenseNetLayout] = {
    "densenet121": DenseNetLayout(64, 32, (6, 12, 24, 16)),
    "densenet169": DenseNetLayout(64, 32, (6, 12, 32, 32)),
    "densenet201": DenseNetLayout(64, 32, (6, 12, 48, 32)),
    "densenet161": DenseNetLayout(96, 48, (6, 12, 36, 24)),
}


class _DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution; the new channels only."""

    def __init__(self, norm1: nn.Module, in_channels: int, growth: int, dilation: int) -> None:
        super().__init__()
        inner = _BOTTLENECK * growth
        self.norm1 = norm1
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=dilation, dilation=dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.norm1(x), inplace=True))
        return self.conv2(F.relu(self.norm2(out), inplace=True))


class _DenseBlock(nn.ModuleDict):
    """Layers that each read all earlier ones' outputs."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution, 2x2 average; of stride 1, the places are `dilation` apart."""

    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.stride, self.dilation = stride, dilation

    def feature(self, x: Tensor) -> Tensor:  # what a head may read
        return F.relu(self.norm(x))

    def reduce(self, feature: Tensor) -> Tensor:
        x = self.conv(feature)
        if self.stride == 2:
            return F.avg_pool2d(x, 2, 2, ceil_mode=True)
        # The same four places as the strided average would take, around every place; beyond the
        # border the outermost counts, as `ceil_mode` has it.
        d = self.dilation
        x = F.pad(x, (0, d, 0, d), mode="replicate")
        rows = x[:, :, :-d] + x[:, :, d:]
        return (rows[..., :-d] + rows[..., d:]) / 4


class DenseNet(Backbone):
    """A DenseNet without its classifier: layer1 .. layer4 are after the norm behind each block."""

    classifier_name = "classifier"

    def __init__(
        self,
        layout: DenseNetLayout,
        *,
        ibn: bool = False,
        output_stride: int = 32,
        ibn_stages: tuple[int, ...] = (1, 2, 3),
        ibn_ratio: float = 0.4,
    ) -> None:
        super().__init__()
        channels, stride, dilation = layout.stem_channels, 4, 1
        self.half_spec = FeatureSpec(channels, stride=2)
        self.features = nn.Module()
        self.features.conv0 = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.features.norm0 = nn.BatchNorm2d(channels)
        self.feature_specs = {}
        for number, depth in enumerate(layout.depths, start=1):
            block = _DenseBlock()
            for index in range(depth):
                norm: nn.Module = nn.BatchNorm2d(channels)
                if ibn and number in ibn_stages and index % _IBN_EVERY == 0:
                    norm = InstanceBatchNorm2d(channels, ibn_ratio, batch_first=True)
                block[f"denselayer{index + 1}"] = _DenseLayer(norm, channels, layout.growth, dilation)
                channels += layout.growth
            self.features.add_module(f"denseblock{number}", block)
            self.feature_specs[f"layer{number}"] = FeatureSpec(channels, stride)
            if number == 4:
                self.features.norm5 = nn.BatchNorm2d(channels)
                continue
            step = 2 if stride * 2 <= output_stride else 1
            self.features.add_module(f"transition{number}", _Transition(channels, step, dilation))
            channels, stride, dilation = channels // 2, stride * step, dilation * 2 // step

    def step(self, name: str, x: Tensor) -> Tensor:
        """See `Backbone`."""
        if name == "half":
            return F.relu(self.features.norm0(self.features.conv0(x)), inplace=True)
        number = int(name.removeprefix("layer"))
        if number == 1:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        else:
            x = getattr(self.features, f"transition{number - 1}").reduce(x)
        x = getattr(self.features, f"denseblock{number}")(x)
        if number == 4:
            return F.relu(self.features.norm5(x), inplace=True)
        return getattr(self.features, f"transition{number}").feature(x)

    def forward_features(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> "stem", "denseblock1".., "transition1".., "norm5" (before its ReLU)."""
        x = F.max_pool2d(self.step("half", image), 3, stride=2, padding=1)
        seen = {"stem": x}
        for name, part in list(self.features.named_children())[2:]:
            x = seen[name] = part.reduce(part.feature(x)) if isinstance(part, _Transition) else part(x)
        return seen

    def stage_of(self, parameter: str) -> int:
        """See `Backbone`; a transition belongs to the block whose features its norm makes."""
        part = parameter.split(".")[1]
        if part == "norm5":
            return 4
        return int(part[-1]) if part.startswith(("denseblock", "transition")) else 0


def build(name: str, ibn: IbnName = "none", output_stride: int = 32, **options: Any) -> DenseNet:
    """Build a DenseNet by its name in `LAYOUTS`, from the options of a config."""
    return DenseNet(LAYOUTS[name], ibn=ibn == "a", output_stride=output_stride, **options)
