"""torchvision's forms: features by name in an ``OrderedDict``, or a pyramid of them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from segibn.adapters.feature_list import LEVELS
from segibn.models.backbones import backbone

SEGMENTATION = {"layer4": "out", "layer3": "aux"}
"""The names that torchvision's segmentation networks look for."""


class FeatureDict(nn.Module):
    """A backbone that returns features by the names that a torchvision network looks for.

    Args:
        name: such as "resnet50_ibn_a".
        pretrained: as for `segibn.backbone`.
        output_stride: as there; torchvision's segmentation networks have 8.
        return_layers: feature ("half", "layer1" .. "layer4") -> name in the result.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        output_stride: int = 8,
        return_layers: Mapping[str, str] = SEGMENTATION,
    ) -> None:
        super().__init__()
        unknown = sorted(set(return_layers) - set(LEVELS))
        if unknown or not return_layers:
            raise ValueError(f"return_layers {unknown}: the features are {', '.join(LEVELS)}")
        network = backbone(name, pretrained=pretrained, output_stride=output_stride)
        specs = network.level_specs
        self.return_layers = dict(return_layers)
        self.feature_specs = {new: specs[layer] for layer, new in self.return_layers.items()}
        self.last = max(LEVELS.index(layer) for layer in self.return_layers)
        network.leave_out_after(self.last)
        self.backbone = network

    def forward(self, x: Tensor) -> "OrderedDict[str, Tensor]":
        """(N, 3, H, W) normalised images -> name -> (N, C, h, w), in the order of the layers."""
        levels = self.backbone.walk(x, self.last)
        return OrderedDict((new, levels[layer]) for layer, new in self.return_layers.items())


def with_fpn(
    name: str,
    *,
    pretrained: bool | str = False,
    out_channels: int = 256,
    layers: Sequence[str] = ("layer1", "layer2", "layer3", "layer4"),
) -> nn.Module:
    """Return a feature pyramid network (Lin et al., CVPR 2017) on a backbone, for detectors.

    torchvision's `BackboneWithFPN` in form: has `out_channels`; images -> "0", "1", .., "pool" ->
    (N, out_channels, h, w). `layers` go from fine to coarse; the rest is as for `FeatureDict`.
    """
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

    numbered = {layer: str(index) for index, layer in enumerate(layers)}
    body = FeatureDict(name, pretrained=pretrained, output_stride=32, return_layers=numbered)
    channels = [spec.channels for spec in body.feature_specs.values()]
    pyramid = nn.Sequential(
        OrderedDict(
            body=body,
            fpn=FeaturePyramidNetwork(channels, out_channels, extra_blocks=LastLevelMaxPool()),
        )
    )
    pyramid.out_channels = out_channels
    return pyramid
