"""EfficientNet-Lite as timm's `tf_efficientnet_lite{0..4}` has it, names of tensors included, without timm.

The networks that ship have it as their encoder, and importing timm takes longer and more memory than a frame does.
Source: Tan and Le, arXiv 1905.11946, table 1; the Lite changes (ReLU6, no squeeze-excitation, stem and head of one
width, ends of one depth): github.com/tensorflow/tpu, `efficientnet/lite`.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.weights.sources import LITE

_SCALES = {"0": (1.0, 1.0), "1": (1.0, 1.1), "2": (1.1, 1.2), "3": (1.2, 1.4), "4": (1.4, 1.8)}  # width, depth
# blocks, kernel, stride, expansion, channels
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_EPS = 1e-3


class EfficientNetLite(nn.Module):
    """The encoder, with what `TimmBackbone` asks of a network; ``size``: "0" .. "4"."""

    pretrained_cfg: ClassVar[dict[str, Any]] = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "classifier": "classifier"}

    def __init__(self, size: str, output_stride: int | None = None) -> None:
        super().__init__()
        width, depth = _SCALES[size]
        self.conv_stem = _conv(3, _STEM, 3, stride=2)
        self.bn1, self.act1 = _norm(_STEM), nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()
        self.feature_info: list[dict[str, Any]] = []
        channels, reduction, dilation = _STEM, 2, 1
        for number, (count, kernel, stride, expansion, wide) in enumerate(_STAGES):
            is_end = number in (0, len(_STAGES) - 1)
            later = dilation
            if stride > 1 and reduction * stride > (output_stride or 32):
                stride, later = 1, dilation * stride
            reduction *= stride
            blocks = nn.Sequential()
            for _ in range(count if is_end else math.ceil(count * depth)):
                found = _rounded(wide * width)
                shape = (channels, found, kernel, stride, dilation)
                blocks.append(_Expanded(*shape, expansion) if expansion > 1 else _Separable(*shape))
                channels, stride, dilation = found, 1, later
            self.blocks.append(blocks)
            info = {"stage": number + 1, "reduction": reduction, "module": f"blocks.{number}", "num_chs": channels}
            if number in (0, 1, 2, 4, 6):  # the last of each stride, where nothing is dilated
                self.feature_info.append(info)
        self.conv_head: nn.Module = _conv(channels, _HEAD, 1)
        self.bn2: nn.Module = _norm(_HEAD)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * math.prod(module.kernel_size) // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))

    def prune_intermediate_layers(self, indices: Sequence[int], **_: bool) -> None:
        """Take the layers away that lead to the classifier alone."""
        self.conv_head, self.bn2 = nn.Identity(), nn.Identity()

    def forward_intermediates(self, x: Tensor, indices: Sequence[int], **_: bool) -> list[Tensor]:
        """(N, 3, H, W), sides divisible by 32 -> the features of `feature_info` at ``indices``."""
        wanted = [self.feature_info[index]["stage"] for index in indices]
        x = self.act1(self.bn1(self.conv_stem(x)))
        found = []
        for stage, blocks in enumerate(self.blocks, start=1):
            x = blocks(x)
            if stage in wanted:
                found.append(x)
        return found


def lite_size(name: str) -> str | None:
    """``"0"`` .. ``"4"`` for timm's name of such a network; None for others."""
    base, _, tag = name.partition(".")
    size = base.removeprefix(LITE)
    return size if base == LITE + size and size in _SCALES and tag in ("", "in1k") else None


class FixedSameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding for maps whose sides its stride divides.

    `Conv2dSame` of timm computes its padding from each size: sums of them that a graph of free
    sizes must carry from layer to layer take minutes to export.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        options = (conv.kernel_size, conv.stride, 0, conv.dilation, conv.groups, conv.bias is not None)
        super().__init__(conv.in_channels, conv.out_channels, *options)
        self.weight, self.bias = conv.weight, conv.bias
        sides = zip(conv.kernel_size, conv.stride, conv.dilation, strict=True)
        high, wide = (max((k - 1) * d + 1 - s, 0) for k, s, d in sides)
        self.around = (wide // 2, wide - wide // 2, high // 2, high - high // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h / stride, w / stride)."""
        return super().forward(F.pad(x, self.around))


class _Separable(nn.Module):
    """Depthwise, then 1x1 convolution."""

    def __init__(self, channels: int, wide: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.has_shortcut = stride == 1 and channels == wide
        self.conv_dw = _conv(channels, channels, kernel, stride, dilation, channels)
        self.bn1, self.act1 = _norm(channels), nn.ReLU6(inplace=True)
        self.conv_pw = _conv(channels, wide, 1)
        self.bn2 = _norm(wide)

    def forward(self, x: Tensor) -> Tensor:
        found = self.bn2(self.conv_pw(self.act1(self.bn1(self.conv_dw(x)))))
        return found + x if self.has_shortcut else found


class _Expanded(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to fewer: an inverted residual block."""

    def __init__(self, channels: int, wide: int, kernel: int, stride: int, dilation: int, expansion: int) -> None:
        super().__init__()
        self.has_shortcut = stride == 1 and channels == wide
        inner = channels * expansion
        self.conv_pw = _conv(channels, inner, 1)
        self.bn1, self.act1 = _norm(inner), nn.ReLU6(inplace=True)
        self.conv_dw = _conv(inner, inner, kernel, stride, dilation, inner)
        self.bn2, self.act2 = _norm(inner), nn.ReLU6(inplace=True)
        self.conv_pwl = _conv(inner, wide, 1)
        self.bn3 = _norm(wide)

    def forward(self, x: Tensor) -> Tensor:
        found = self.act2(self.bn2(self.conv_dw(self.act1(self.bn1(self.conv_pw(x))))))
        found = self.bn3(self.conv_pwl(found))
        return found + x if self.has_shortcut else found


def _conv(channels: int, wide: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    around = 0 if stride > 1 else (kernel - 1) // 2 * dilation
    conv = nn.Conv2d(channels, wide, kernel, stride, around, dilation, groups, bias=False)
    return FixedSameConv2d(conv) if stride > 1 else conv


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPS)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that does not take more than a tenth away."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
