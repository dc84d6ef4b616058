"""The contract between any backbone and any head: what each named feature looks like.

A backbone is an `nn.Module` with `feature_specs` (name -> `FeatureSpec`) whose
`forward(image (N, 3, H, W) float)` returns a dict with the same names, each value
(N, channels, ceil(H / stride), ceil(W / stride)). A head is built from `feature_specs` alone and
reads the names it needs.

The features are a chain, each computed from the one before, and the chain can be walked a step at
a time: `x = backbone.step(name, x)` for "half" (of the image; `half_spec` says its shape) and then
every name of `feature_specs`. That is how a toolkit gets stride 2 too, or only the first features.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSpec:
    """Shape of one feature map, independent of the image's size.

    Attributes:
        channels: number of channels C.
        stride: input pixels per feature pixel, the same in both directions.
    """

    channels: int
    stride: int
