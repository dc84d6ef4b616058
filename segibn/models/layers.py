"""The small stacks that several heads are made of, and their logits resized, to label maps too."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from segibn.models.kernels.best_class import best_classes, running_best
from segibn.models.kernels.depthwise import DepthwiseConv2d
from segibn.models.kernels.pointwise import PointwiseConv2d

Separable = bool | Literal["normed"]
NOT_FINITE = 255  # stands in a label map where there is no best class: no network has as many


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    """A 3x3 convolution without bias, padded by its dilation."""
    options = {"padding": dilation, "dilation": dilation, "groups": groups, "bias": False}
    return nn.Conv2d(in_channels, out_channels, 3, stride, **options)


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1) -> nn.Sequential:
    """Convolution of 1x1 or 3x3 without bias, batch norm, ReLU; the spatial size stays."""
    if kernel_size == 1:
        conv: nn.Conv2d = PointwiseConv2d(in_channels, out_channels)
    else:
        conv = conv3x3(in_channels, out_channels, dilation=dilation)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def conv3x3_norm_relu(
    in_channels: int, out_channels: int, dilation: int = 1, *, separable: Separable = False
) -> nn.Sequential:
    """A 3x3 convolution, batch norm, ReLU; the spatial size stays.

    Separable as in DeepLabV3+ (section 3.1): each channel by itself, then 1x1; "normed" with the
    authors' batch norm and ReLU in between, as in mmsegmentation, True without them, as in
    segmentation_models_pytorch.
    """
    if not separable:
        return conv_norm_relu(in_channels, out_channels, 3, dilation)
    depthwise = DepthwiseConv2d(in_channels, dilation)
    # Each of its outputs sees nine weights: fan in, where fan out would count all channels.
    nn.init.kaiming_normal_(depthwise.weight, mode="fan_in", nonlinearity="linear")
    between = [nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True)] if separable == "normed" else []
    return nn.Sequential(depthwise, *between, *conv_norm_relu(in_channels, out_channels, 1))


def pixel_classifier(in_channels: int, num_classes: int) -> nn.Conv2d:
    """1x1 convolution to class logits that starts nearly undecided: loss log(K) on day one."""
    conv = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.zeros_(conv.bias)
    return conv


def dropout_of(unit: Literal["value", "channel"], probability: float) -> nn.Module:
    """Dropout of single values, or of whole channels of an image."""
    return nn.Dropout2d(probability) if unit == "channel" else nn.Dropout(probability)


def initialize_convolutions(module: nn.Module, mode: Literal["fan_in", "fan_out"]) -> None:
    """Draw all convolutions anew as He et al. (2015), biases 0; equally for every IBN variant.

    "fan_out" is usual in backbones; RobustNet starts its heads, with their classifier, by "fan_in"
    (`initialize_weights` in network/mynn.py).
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def upsample(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Bilinear resize (N, C, h, w) -> (N, C, H, W), `size` is (H, W), laid out channels-first."""
    # The softmax that follows is fastest there, and one layout rounds alike in all uses.
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x.contiguous(), size=size, mode="bilinear", align_corners=align_corners)


def banded_argmax(coarse: Tensor, size: tuple[int, int], band: int = 1, *, align_corners: bool = False) -> Tensor:
    """`interpolate(coarse, size).argmax(dim=1)` as uint8, bit by bit, `band` classes at a time.

    K <= 255; of equal logits the first wins; `NOT_FINITE` where one is NaN, or the best infinite. Much enlarged
    logits on a CPU are compared up to rounding, see `kernels.best_class`.
    """
    if (found := best_classes(coarse, size, align_corners=align_corners)) is not None:
        return found
    bands = (upsample(part, size, align_corners=align_corners) for part in coarse.split(band, dim=1))
    pred, best = running_best(logits for resized in bands for logits in resized.unbind(1))
    return pred.masked_fill_(~best.isfinite(), NOT_FINITE)
