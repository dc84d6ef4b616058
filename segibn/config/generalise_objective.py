"""``generalise``: terms of the objective beside the segmentation loss."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segibn.config import values
from segibn.config.values import Frozen

_OfLayers = tuple[values.NonNegative, values.NonNegative, values.NonNegative, values.NonNegative]


class FeatureDistanceConfig(Frozen):
    """ImageNet-feature distance on things (DAFormer, arXiv 2111.14887, section 3.2).

    The feature of the image, restyled if any is (as in SHADE, arXiv 2204.02548), is held near that
    of the plain one in a frozen ImageNet network. Costs one more forward pass of the backbone.
    """

    weight: values.Positive = 0.005
    """Factor in the loss."""
    layer: Literal["layer1", "layer2", "layer3", "layer4"] = "layer4"
    """Which feature; the paper's is the last."""
    classes: Annotated[tuple[values.Label, ...], Field(min_length=1, max_length=255)] | None = None
    """The things; null = Cityscapes': traffic lights and signs, people, vehicles."""
    min_ratio: values.PositiveFraction = 0.75
    """A feature pixel counts where one of these classes has this share of its input pixels."""
    teacher_weights: values.Text | None = None
    """Of the frozen network: ``ibn_net``, ``torchvision`` or a file; null = ``model.weights``."""


class TextureConfig(Frozen):
    """Texture regularisation (TLDR, arXiv 2303.11546): Gram matrices as an ImageNet network's.

    Of the plain image in both networks. Costs one more forward pass of the backbone (shared with
    ``feature_distance`` if the weights are the same), and where images are restyled a pass forward
    and back of the trained backbone on the plain ones.
    """

    weight: values.Positive = 1.0
    """Factor in the loss, a mean over images; the batch size's square root is the official one."""
    layer_weights: _OfLayers = (5e-3, 5e-4, 5e-5, 5e-6)
    """Factors of layer1..layer4, as in the official script; 0 = not compared."""
    fade_out: bool = True
    """Let the term fall linearly to 0 at the end of the training, as the official script does."""
    teacher_weights: values.Text | None = None
    """Weights of the frozen network, as in ``feature_distance``."""


class ConsistencyConfig(Frozen):
    """Consistency of two views (AugMix, arXiv 1912.02781; SHADE, arXiv 2204.02548).

    The Jensen-Shannon divergence of the predictions for two styles of every image, each drawn anew.
    Costs a step of twice the batch.
    """

    weight: values.Positive = 10.0
    """Factor in the loss; SHADE's official script has 10."""


class MeanTeacherConfig(Frozen):
    """Mean teacher (arXiv 1703.01780): agree with the moving average, which sees plain images.

    Needs ``ema``. Costs one more forward pass of the whole network.
    """

    weight: values.Positive = 1.0
    """Factor in the loss, once the ramp is over."""
    threshold: values.PositiveFraction | None = None
    """Pixels where the teacher's largest probability is below this do not count; null = all do."""
    ramp_up_iterations: values.Iterations | None = None
    """Iterations in which the factor rises from 0.7 per cent to all; null = a quarter of all."""


class WhiteningConfig(Frozen):
    """RobustNet's instance whitening (arXiv 2103.15597); needs ``ibn: b``, ``ibn_affine`` off."""

    kind: Literal["iw", "irw", "isw"] = "isw"
    """Which covariances of normalised channels are pushed to 0: iw = all, irw = all, down to
    ``margin``, isw = those that a change of colour and sharpness moves."""
    weight: values.Positive = 0.6
    """Factor in the loss."""
    margin: values.BelowOne = 1 / 64
    """irw: mean absolute covariance that costs nothing."""
    clusters: values.Clusters = 3
    """isw: how many clusters the covariances are sorted into by how much they move."""
    insensitive_clusters: values.Count = 1
    """isw: how many of them, those that move least, are left alone."""
    statistics_after: values.Iterations = 4644
    """isw: iteration from which moves are measured; the authors' six passes over GTA5 by 16."""
    statistics_iterations: values.PositiveIterations = 310
    """isw: over how many iterations, before the term sets in; the authors take 5000 frames."""
    statistics_passes: values.Count = 10
    """isw: equal parts of these; what moves in all of them is whitened, as in the authors' code."""

    @model_validator(mode="after")
    def _check(self) -> "WhiteningConfig":
        if self.insensitive_clusters >= self.clusters:
            raise ValueError(
                f"insensitive_clusters {self.insensitive_clusters} of {self.clusters} clusters "
                "leave none to whiten; keep it below clusters"
            )
        if self.statistics_iterations % self.statistics_passes:
            raise ValueError(
                f"statistics_iterations {self.statistics_iterations} cannot be divided into "
                f"{self.statistics_passes} statistics_passes; make it a multiple"
            )
        if self.kind != "irw" and self.margin != type(self).model_fields["margin"].default:
            raise ValueError(f"margin belongs to kind: irw; leave it out for {self.kind}")
        return self


class ObjectiveSections(Frozen):
    """Sections of ``generalise`` that add terms to the loss."""

    feature_distance: FeatureDistanceConfig | None = None
    """Hold features of things near a frozen ImageNet network's; null = not."""
    texture: TextureConfig | None = None
    """Hold Gram matrices near a frozen ImageNet network's; null = not."""
    consistency: ConsistencyConfig | None = None
    """Let two styles of an image be predicted alike; null = not."""
    mean_teacher: MeanTeacherConfig | None = None
    """Agree with the moving average of the network; null = not."""
    whitening: WhiteningConfig | None = None
    """Instance whitening: IW, IRW or ISW; null = not."""
