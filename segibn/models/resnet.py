"""ResNet backbones, plain and with instance-batch normalisation (IBN-Net).

In: normalised images (N, 3, H, W). Out: the four stages' features by name (`features.py`).
Module names are those of torchvision and of IBN-Net's published weights: they are API, since they
end up in checkpoints. A smaller output stride replaces strides by dilation, so that the dilated
network computes the same numbers as the strided one, only at more places.
"""

from typing import Literal

from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d

IbnName = Literal["none", "a", "b"]
StageIbn = Literal["a", "b"] | None

STAGES = ("layer1", "layer2", "layer3", "layer4")

# What each stage gets (IBN-Net, figure 3 and its published models): the deepest stage carries the
# most content and stays plain, as does everything that is not named here.
#   a: half instance, half batch normalisation after the first convolution of every block
#   b: full instance normalisation after the addition of the stage's last block; a network whose
#      first stage is b has it after the stem's convolution too
IBN_PLANS: dict[str, tuple[StageIbn, StageIbn, StageIbn, StageIbn]] = {
    "none": (None, None, None, None),
    "a": ("a", "a", "a", None),
    "b": ("b", "b", None, None),
}


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, out_channels, 3, stride, padding=dilation, dilation=dilation, bias=False
    )


def _first_norm(channels: int, ibn: StageIbn) -> nn.Module:
    return InstanceBatchNorm2d(channels) if ibn == "a" else nn.BatchNorm2d(channels)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels))


class _Block(nn.Module):
    """What both kinds of residual block share: shortcut, addition, IBN-b's norm, last ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, ibn: StageIbn) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)
        self.IN = InstanceNorm2d(out_channels) if ibn == "b" else None

    def join(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add the block's input to its residual branch, which is overwritten; then the ReLU."""
        residual += x if self.downsample is None else self.downsample(x)
        if self.IN is not None:
            residual = self.IN(residual)
        return self.relu(residual)


class BasicBlock(_Block):
    """Two 3x3 convolutions (ResNet-18 and -34).

    Args:
        in_channels: channels of the input.
        planes: channels of the output.
        stride: stride of the block, in its first convolution.
        dilations: dilation up to and after the place of the block's stride.
        ibn: variant of this block.
    """

    expansion = 1

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        dilations: tuple[int, int],
        ibn: StageIbn,
    ) -> None:
        super().__init__(in_channels, planes, stride, ibn)
        self.conv1 = _conv3x3(in_channels, planes, stride, dilations[0])
        self.bn1 = _first_norm(planes, ibn)
        self.conv2 = _conv3x3(planes, planes, 1, dilations[1])
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C_out, ceil(h / stride), ceil(w / stride)), not negative."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.join(self.bn2(self.conv2(out)), x)


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions (ResNet-50 and -101), the stride in the 3x3 as torchvision.

    Args:
        in_channels: channels of the input.
        planes: channels of the two inner convolutions; the output has four times as many.
        stride: stride of the block, in its 3x3 convolution.
        dilations: dilation up to and after the place of the block's stride.
        ibn: variant of this block.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: int,
        dilations: tuple[int, int],
        ibn: StageIbn,
    ) -> None:
        out_channels = planes * self.expansion
        super().__init__(in_channels, out_channels, stride, ibn)
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = _first_norm(planes, ibn)
        self.conv2 = _conv3x3(planes, planes, stride, dilations[0])
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C_out, ceil(h / stride), ceil(w / stride)), not negative."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.join(self.bn3(self.conv3(out)), x)


class ResNet(nn.Module):
    """A residual network without its classifier.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: number of blocks in each of the four stages.
        ibn: variant of IBN-Net, a key of `IBN_PLANS`.
        output_stride: input pixels per pixel of the last feature: 8, 16 or 32.

    Attributes:
        feature_specs: channels and stride of the features layer1..layer4.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        ibn: IbnName = "none",
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride is 8, 16 or 32, got {output_stride}")
        plan = IBN_PLANS[ibn]
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = InstanceNorm2d(64) if plan[0] == "b" else nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.feature_specs: dict[str, FeatureSpec] = {}
        spec, dilation = FeatureSpec(channels=64, stride=4), 1
        for index, (name, depth) in enumerate(zip(STAGES, depths, strict=True)):
            step = 1 if index == 0 else 2
            stride = step if spec.stride * step <= output_stride else 1
            dilations = (dilation, dilation * step // stride)
            out = FeatureSpec(64 * 2**index * block.expansion, spec.stride * stride)
            stage = _build_stage(block, depth, spec.channels, out, (stride, dilations, plan[index]))
            self.add_module(name, stage)
            self.feature_specs[name] = out
            spec, dilation = out, dilations[1]
        initialize_convolutions(self)

    def stem(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 64, ceil(H / 4), ceil(W / 4)): everything before the stages."""
        return self.maxpool(self.relu(self.bn1(self.conv1(image))))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Compute the features of normalised images.

        Args:
            image: (N, 3, H, W) float, normalised RGB.

        Returns:
            "layer1".."layer4": float (N, C, h, w) after each stage, as `feature_specs` says.
        """
        x = self.stem(image)
        features = {}
        for name in STAGES:
            x = getattr(self, name)(x)
            features[name] = x
        return features


def _build_stage(
    block: type[BasicBlock] | type[Bottleneck],
    depth: int,
    in_channels: int,
    out: FeatureSpec,
    first: tuple[int, tuple[int, int], StageIbn],
) -> nn.Sequential:
    """Build one stage; `first` holds its stride, dilations and variant."""
    stride, dilations, ibn = first
    planes = out.channels // block.expansion
    blocks = []
    for index in range(depth):
        is_last = index == depth - 1
        # Variant b normalises once a stage, after everything the stage has added.
        block_ibn = None if ibn == "b" and not is_last else ibn
        if index == 0:
            blocks.append(block(in_channels, planes, stride, dilations, block_ibn))
        else:
            blocks.append(block(out.channels, planes, 1, (dilations[1],) * 2, block_ibn))
    return nn.Sequential(*blocks)


def initialize_convolutions(module: nn.Module) -> None:
    """Draw every convolution's weights as He et al. (2015), fan out; norms keep weight 1, bias 0.

    Uses the global random state, equally for every IBN variant of a network: with one seed all
    variants start from the same convolutions.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


_LAYOUTS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
}


def resnet(name: str, ibn: IbnName = "none", output_stride: int = 32) -> ResNet:
    """Build a backbone by name: resnet18, resnet34, resnet50 or resnet101.

    Args:
        name: one of the names above.
        ibn: "none", "a" or "b".
        output_stride: 8, 16 or 32.
    """
    if name not in _LAYOUTS:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(_LAYOUTS)}")
    block, depths = _LAYOUTS[name]
    return ResNet(block, depths, ibn, output_stride)
