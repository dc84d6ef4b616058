"""Residual networks: ResNet, ResNeXt and SE-ResNet, plain and with every IBN variant.

A smaller output stride replaces strides by dilation: the same numbers, at more places.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from segibn.models.features import Backbone, FeatureSpec
from segibn.models.ibn import InstanceNorm2d
from segibn.models.layers import conv3x3, initialize_convolutions
from segibn.models.plans import IbnName, IbnPlan
from segibn.models.residual import BasicBlock, BlockShape, Bottleneck
from segibn.models.share_norm import InstanceShareNorm2d

STAGES = ("layer1", "layer2", "layer3", "layer4")
Stem = Literal["conv7x7", "conv3x3", "resnet_c"]
_DEEP_STEMS = {"conv3x3": (64, 128), "resnet_c": (32, 64)}  # channels of the first two convolutions, of the third


@dataclass(frozen=True)
class ResNetLayout:
    """What tells one residual network from another."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]
    kind: Mapping[str, int] = field(default_factory=dict)  # other fields of every `BlockShape`


_KINDS = {"resnet": {}, "resnext": {"groups": 32, "base_width": 4}, "se_resnet": {"se_reduction": 16}}
_DEPTHS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
LAYOUTS: dict[str, ResNetLayout] = {
    "resnet18": ResNetLayout(BasicBlock, (2, 2, 2, 2)),
    "resnet34": ResNetLayout(BasicBlock, (3, 4, 6, 3)),
} | {
    f"{name}{depth}": ResNetLayout(Bottleneck, depths, kind)
    for name, kind in _KINDS.items()
    for depth, depths in _DEPTHS.items()
}


class ResNet(Backbone):
    """A residual network without its classifier.

    Module names are torchvision's and IBN-Net's. `stem` "conv3x3" is three convolutions, as in
    RobustNet's ResNet-101, "resnet_c" narrower ones. `dilate_first` dilates a stage's first block
    too where dilation replaces a stride, as RobustNet does.
    """

    def __init__(
        self,
        layout: ResNetLayout,
        plan: IbnPlan | None = None,
        output_stride: int = 32,
        *,
        stem: Stem = "conv7x7",
        dilate_first: bool = False,
    ) -> None:
        super().__init__()
        plan = plan or IbnPlan()
        self.conv1, self.bn1, channels = _build_stem(stem, plan)
        self.half_spec = FeatureSpec(channels, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.feature_specs = {}
        spec, dilation = FeatureSpec(channels, stride=4), 1
        for number, name in enumerate(STAGES, start=1):
            step = 1 if number == 1 else 2
            stride = step if spec.stride * step <= output_stride else 1
            after = dilation * step // stride
            dilations = (after if dilate_first else dilation, after)
            planes = 64 * 2 ** (number - 1)
            shape = BlockShape(spec.channels, planes, stride, dilations, **layout.kind)
            channels, blocks = planes * layout.block.expansion, []
            for left in reversed(range(layout.depths[number - 1])):
                blocks.append(layout.block(shape, plan.block(number, is_last=left == 0)))
                shape = replace(shape, in_channels=channels, stride=1, dilations=(after, after))
            self.add_module(name, nn.Sequential(*blocks))
            spec = self.feature_specs[name] = FeatureSpec(channels, spec.stride * stride)
            dilation = after
        initialize_convolutions(self, "fan_out")

    def step(self, name: str, x: Tensor) -> Tensor:
        """See `Backbone`."""
        if name == "half":
            return self.relu(self.bn1(self.conv1(x)))
        return getattr(self, name)(self.maxpool(x) if name == "layer1" else x)

    def forward_features(self, image: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) -> "stem" and "layer1".."layer4", each (N, C, h, w)."""
        x = self.maxpool(self.step("half", image))
        features = {"stem": x}
        for name in STAGES:
            x = features[name] = getattr(self, name)(x)
        return features

    def stage_of(self, parameter: str) -> int:
        """See `Backbone`."""
        return int(parameter[5]) if parameter.startswith("layer") else 0


def _build_stem(stem: Stem, plan: IbnPlan) -> tuple[nn.Module, nn.Module, int]:
    norm: Callable[[int], nn.Module] = nn.BatchNorm2d
    if plan.stem:
        norm = partial(InstanceNorm2d, affine=plan.affine)
        if plan.ease:
            norm = partial(InstanceShareNorm2d, share=1.0, ease=plan.ease)
    if stem == "conv7x7":
        return nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), norm(64), 64
    if stem not in _DEEP_STEMS:
        raise ValueError(f"stem is conv7x7, {' or '.join(_DEEP_STEMS)}, got {stem!r}")
    first, last = _DEEP_STEMS[stem]
    convolutions = nn.Sequential(
        *(conv3x3(3, first, stride=2), norm(first), nn.ReLU(inplace=True)),
        *(conv3x3(first, first), norm(first), nn.ReLU(inplace=True)),
        conv3x3(first, last),
    )
    # RobustNet's IBN network has instance norms after the first two only.
    return convolutions, nn.BatchNorm2d(last), last


def build(name: str, ibn: IbnName = "none", output_stride: int = 32, **options: Any) -> ResNet:
    """Build a residual network by its name in `LAYOUTS`, from the options of a config."""
    of_plan = {key.removeprefix("ibn_"): options.pop(key) for key in [*options] if key.startswith("ibn_")}
    return ResNet(LAYOUTS[name], IbnPlan(ibn, **of_plan), output_stride, **options)
