"""The linear head: what DINOv2 is scored with on segmentation (arXiv 2304.07193, section 7.4)."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from segibn.models.features import FeatureSpec
from segibn.models.layers import dropout_of, pixel_classifier


class LinearHead(nn.Module):
    """Batch norm, dropout, 1x1 classifier."""

    def __init__(
        self,
        feature_specs: Mapping[str, FeatureSpec],
        num_classes: int,
        *,
        dropout: float = 0.0,
        dropout_unit: Literal["value", "channel"] = "value",
    ) -> None:
        super().__init__()
        spec = feature_specs["layer4"]
        self.logits_spec = FeatureSpec(num_classes, spec.stride)
        self.norm = nn.BatchNorm2d(spec.channels)
        self.dropout = dropout_of(dropout_unit, dropout)
        self.classifier = pixel_classifier(spec.channels, num_classes)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by name -> coarse logits (N, K, h, w) at the stride of "layer4"."""
        return self.classifier(self.dropout(self.norm(features["layer4"])))
