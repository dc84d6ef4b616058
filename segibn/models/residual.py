"""Residual blocks: plain, grouped (ResNeXt) and squeezed (SE-ResNet), each with any IBN variant."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d, ParallelInstanceBatchNorm2d
from segibn.models.kernels.pointwise import PointwiseConv2d
from segibn.models.layers import conv3x3
from segibn.models.plans import BlockNorms, InnerNorm
from segibn.models.share_norm import EasedInstanceNorm2d, InstanceShareNorm2d, first_channels


@dataclass(frozen=True)
class BlockShape:
    """Sizes of one residual block."""

    in_channels: int
    planes: int  # 64 * 2 ** (stage - 1); `planes * expansion` channels come out
    stride: int = 1  # of the block, in its (first) 3x3 convolution
    dilations: tuple[int, int] = (1, 1)  # up to and after the place of the stride
    groups: int = 1
    base_width: int = 64  # inner channels per group at 64 planes
    se_reduction: int | None = None  # channels per hidden unit of squeeze-and-excitation


def _conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    if stride == 1:
        return PointwiseConv2d(in_channels, out_channels)
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def _inner_norm(kind: InnerNorm, channels: int, norms: BlockNorms) -> nn.Module:
    if kind == "parallel":
        return ParallelInstanceBatchNorm2d(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if norms.ease:
        return InstanceShareNorm2d(channels, first_channels(channels, norms.ratio), ease=norms.ease)
    return InstanceBatchNorm2d(channels, norms.ratio)


class SqueezeExcitation(nn.Module):
    """Scales every channel by a gate computed from all channels' means (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        narrow = nn.Linear(channels, channels // reduction, bias=False)
        widen = nn.Linear(channels // reduction, channels, bias=False)
        self.fc = nn.Sequential(narrow, nn.ReLU(inplace=True), widen, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None].to(x.dtype)


class PartialInstanceNorm2d(InstanceNorm2d):
    """Instance-normalises the first floor(C * ratio) channels and passes the others (IBN-d)."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__(int(channels * ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        instance, plain = torch.split(x, [self.num_features, x.shape[1] - self.num_features], dim=1)
        return torch.cat([super().forward(instance), plain], dim=1)


class _Block(nn.Module):
    """What both kinds of block share: shortcut, addition, norm after it, last ReLU."""

    def __init__(self, shape: BlockShape, out_channels: int, norms: BlockNorms) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        reduction = shape.se_reduction
        self.se = SqueezeExcitation(out_channels, reduction) if reduction else None
        self.downsample: nn.Sequential | None = None
        if shape.stride != 1 or shape.in_channels != out_channels:
            conv = _conv1x1(shape.in_channels, out_channels, shape.stride)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(out_channels))
        self.IN: nn.Module | None = None
        if norms.last == 1.0:
            eased = EasedInstanceNorm2d(out_channels, ease=norms.ease) if norms.ease else None
            self.IN = eased or InstanceNorm2d(out_channels, affine=norms.affine)
        elif norms.last is not None:
            self.IN = PartialInstanceNorm2d(out_channels, norms.last)

    def join(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add the block's input to its residual branch, which is overwritten; then the ReLU."""
        if self.se is not None:
            residual = self.se(residual)
        residual += x if self.downsample is None else self.downsample(x)
        if self.IN is not None:
            residual = self.IN(residual)
        return self.relu(residual)


class BasicBlock(_Block):
    """Two 3x3 convolutions (ResNet-18 and -34); `groups` and `base_width` play no part."""

    expansion = 1

    def __init__(self, shape: BlockShape, norms: BlockNorms) -> None:
        planes = shape.planes
        super().__init__(shape, planes, norms)
        self.conv1 = conv3x3(shape.in_channels, planes, shape.stride, shape.dilations[0])
        self.bn1 = _inner_norm(norms.first, planes, norms)
        inner = 2 * planes if norms.first == "parallel" else planes
        self.conv2 = conv3x3(inner, planes, 1, shape.dilations[1])
        self.bn2 = _inner_norm(norms.second, planes, norms)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C_out, ceil(h / stride), ceil(w / stride)), not negative."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.join(self.bn2(self.conv2(out)), x)


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions, the stride in the 3x3 as in torchvision."""

    expansion = 4

    def __init__(self, shape: BlockShape, norms: BlockNorms) -> None:
        out_channels = shape.planes * self.expansion
        super().__init__(shape, out_channels, norms)
        width = shape.planes * shape.base_width // 64 * shape.groups
        self.conv1 = _conv1x1(shape.in_channels, width)
        self.bn1 = _inner_norm(norms.first, width, norms)
        inner = 2 * width if norms.first == "parallel" else width
        self.conv2 = conv3x3(inner, width, shape.stride, shape.dilations[0], shape.groups)
        self.bn2 = _inner_norm(norms.second, width, norms)
        self.conv3 = _conv1x1(width, out_channels)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C_out, ceil(h / stride), ceil(w / stride)), not negative."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.join(self.bn3(self.conv3(out)), x)
