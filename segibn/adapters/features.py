"""A backbone's features as timm (``features_only``) or torchvision return them.

Level 0, "half", is the feature at stride 2; levels 1 to 4 are layer1 to layer4.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from segibn.models.backbones import backbone

LEVELS = ("half", "layer1", "layer2", "layer3", "layer4")
SEGMENTATION = {"layer4": "out", "layer3": "aux"}
"""The names that torchvision's segmentation networks look for."""


class _Features(nn.Module):
    """A backbone (`name`, `pretrained`, `output_stride` as for `segibn.backbone`) up to a level."""

    def __init__(self, last: int, name: str, pretrained: bool | str, output_stride: int) -> None:
        super().__init__()
        self.last = last
        self.backbone = backbone(name, pretrained=pretrained, output_stride=output_stride)
        self.backbone.leave_out_after(last)


class FeatureList(_Features):
    """A backbone that returns its features as a list, from fine to coarse.

    ``name``, ``pretrained``, ``output_stride`` and what is raised are as for `segibn.backbone`;
    ``out_indices`` are of the five levels, maybe from the end; stages behind are left out. Its
    ``feature_info`` is timm's.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        output_stride: int = 32,
        in_chans: int = 3,
    ) -> None:
        if in_chans != 3:
            fix = "put a 1x1 convolution to 3 channels before it, or replace its first convolution"
            raise ValueError(f"in_chans={in_chans}: {name} sees RGB, 3 channels; {fix}")
        known = len(LEVELS)
        if not out_indices or any(not -known <= index < known for index in out_indices):
            raise ValueError(f"out_indices {tuple(out_indices)}: there are levels 0 to {known - 1}")
        from timm.models import FeatureInfo

        indices = tuple(index % known for index in out_indices)
        super().__init__(max(indices), name, pretrained, output_stride)
        specs = self.backbone.level_specs.items()
        levels = [{"num_chs": spec.channels, "reduction": spec.stride, "module": level} for level, spec in specs]
        self.feature_info = FeatureInfo(levels, indices)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised RGB -> (N, C, h, w) each, as `feature_info` says."""
        features = list(self.backbone.walk(x, self.last).values())
        return [features[index] for index in self.feature_info.out_indices]


class FeatureDict(_Features):
    """A backbone that returns features by the names that a torchvision network looks for.

    `return_layers`: feature (see `LEVELS`) -> name in the result; the rest as for `FeatureList`.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        output_stride: int = 8,
        return_layers: Mapping[str, str] = SEGMENTATION,
    ) -> None:
        unknown = sorted(set(return_layers) - set(LEVELS))
        if unknown or not return_layers:
            raise ValueError(f"return_layers {unknown}: the features are {', '.join(LEVELS)}")
        super().__init__(max(map(LEVELS.index, return_layers)), name, pretrained, output_stride)
        self.return_layers = dict(return_layers)
        specs = self.backbone.level_specs
        self.feature_specs = {new: specs[layer] for layer, new in self.return_layers.items()}

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
    fpn = FeaturePyramidNetwork(channels, out_channels, extra_blocks=LastLevelMaxPool())
    pyramid = nn.Sequential(OrderedDict(body=body, fpn=fpn))
    pyramid.out_channels = out_channels
    return pyramid
