"""``generalise``: what a training does for domains it never sees, beyond IBN.

Each method is one optional section, for training alone; ``{}`` takes the paper's values.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from segibn.config import values
from segibn.config.values import Frozen

Layer = Literal["stem", "layer1", "layer2", "layer3", "layer4"]


def _once_each(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    if len(set(layers)) < len(layers):
        raise ValueError(f"{list(layers)} names a layer twice; name each once")
    return layers


_Layers = Annotated[tuple[Layer, ...], Field(min_length=1), AfterValidator(_once_each)]


class AmplitudeMixConfig(Frozen):
    """Fourier amplitudes mixed with another image's, phase kept (FACT, arXiv 2105.11120)."""

    eta: values.Fraction = 1.0
    """Highest share of the other image's amplitude; the share is uniform from 0 to it."""
    window: values.HalfFraction | None = None
    """Change only frequencies up to this share of the image's shorter side, as FDA
    (arXiv 2004.05498; 0.01 to 0.09 there); null = all frequencies."""
    probability: values.Fraction = 0.5
    """Chance that a sample is changed."""


class PastaConfig(Frozen):
    """Fourier amplitudes jittered, the more the higher the frequency (PASTA, arXiv 2212.00979).

    The standard deviation of the factor on an amplitude is
    ``(2 * alpha * sqrt((m^2 + n^2) / (H^2 + W^2))) ** k + beta`` at frequency (m, n).
    """

    alpha: values.Strength = 3.0
    """How fast the jitter grows with frequency."""
    beta: values.Strength = 0.25
    """Jitter at frequency 0, the mean colour."""
    k: values.PositiveStrength = 2.0
    """Power of the growth."""
    probability: values.Fraction = 1.0
    """Chance that a sample is changed."""


class RandomConvolutionConfig(Frozen):
    """One random 3x3 convolution block for a batch, applied repeatedly (arXiv 2304.00424)."""

    max_repeats: values.Repeats = 10
    """Most applications of the block; their number is uniform from 1 to it."""
    offset: values.Strength = 0.5
    """Highest deviation of the deformable offsets in pixels; 0 = plain convolutions."""
    contrast: values.Strength = 0.5
    """Standard deviation of the random factor and shift of each standardised channel."""
    probability: values.Fraction = 0.5
    """Chance that a sample is changed."""


class CopyPasteConfig(Frozen):
    """Pixels and labels of whole classes from another sample of the batch (arXiv 2012.07177)."""

    classes: Annotated[tuple[values.Label, ...], Field(min_length=1, max_length=255)] | None = None
    """Classes to paste; null = poles, signs, lights, people, two-wheelers, large vehicles."""
    count: values.Count = 1
    """How many of the classes that the other sample shows are pasted."""
    probability: values.Fraction = 0.5
    """Chance that a sample is pasted into."""


class ImageSections(Frozen):
    """Sections of ``generalise`` that act on images."""

    copy_paste: CopyPasteConfig | None = None
    """Paste rare classes of one sample of the batch into another; before what follows."""
    amplitude_mix: AmplitudeMixConfig | None = None
    """Mix the Fourier amplitudes of two samples of the batch."""
    pasta: PastaConfig | None = None
    """Jitter the Fourier amplitudes; after amplitude_mix."""
    random_convolution: RandomConvolutionConfig | None = None
    """Repeat a random convolution; after pasta."""


class MixStyleConfig(Frozen):
    """Channel means and spreads mixed between random pairs: MixStyle (arXiv 2104.02008)."""

    layers: _Layers = ("layer1", "layer2")
    """After which parts of a residual network, ``stem`` (after its pooling) and ``layer1`` to
    ``layer4``; the paper's are low ones."""
    probability: values.Fraction = 0.5
    """Chance that a batch is mixed."""
    alpha: values.PositiveStrength = 0.1
    """A sample's share of its own statistics is drawn from Beta(alpha, alpha)."""


class EFDMixConfig(MixStyleConfig):
    """Whole distributions of channel values mixed, by sorting them: EFDMix (arXiv 2203.07740)."""


class NPPlusConfig(Frozen):
    """Noise on channel means and spreads: Normalization Perturbation (arXiv 2211.04393)."""

    layers: _Layers = ("stem", "layer1")
    """As in ``mixstyle``; noise belongs into low ones, which carry style."""
    probability: values.Fraction = 0.5
    """Chance that a batch is perturbed, drawn for each layer."""
    sigma: values.Strength = 0.75
    """Standard deviation of the factors on a channel's mean and on what varies about it."""
    adaptive: bool = True
    """true = NP+: the noise on a channel's mean is weighted by how much the mean differs within
    the batch, relative to the channel where it differs most; false = NP: all channels alike."""
    adaptive_scale: values.Strength = 1.5
    """Factor on those weights; NP+ only."""


class MRFPConfig(Frozen):
    """Fine structure from a random network, and NP+: MRFP (arXiv 2311.18331, as in its code)."""

    layers: _Layers = ("stem",)
    """Where the random network's output is added; ``stem`` and ``layer1`` cost most."""
    probability: values.Fraction = 0.5
    """Chance that it is added to a batch; its weights are drawn anew each time."""
    channels: values.Channels | None = None
    """Width of the random network; null = the feature's own, as in the paper; 8 to 16 are cheap."""
    gain_std: values.Strength = 0.5
    """Standard deviation of the random gains of its batch norms."""
    style_layers: Annotated[tuple[Layer, ...], AfterValidator(_once_each)] = ("stem", "layer1")
    """Where NP+ acts; [] = nowhere."""
    style_probability: values.Fraction = 0.5
    """Chance that NP+ acts on a batch, drawn for each layer."""
    sigma: values.Strength = 0.75
    """As in ``np_plus``."""
    adaptive_scale: values.Strength = 1.5
    """As in ``np_plus``."""


class FeatureSections(Frozen):
    """Sections of ``generalise`` that act on features."""

    mixstyle: MixStyleConfig | None = None
    """MixStyle: mixes the channel statistics of random pairs of samples; null = off."""
    efdm: EFDMixConfig | None = None
    """EFDMix: as MixStyle with whole distributions, slower on a CPU; null = off."""
    np_plus: NPPlusConfig | None = None
    """NP or NP+: noise on channel statistics; null = off."""
    mrfp: MRFPConfig | None = None
    """MRFP, without its MRFP+: adds a random network's fine structure, and NP+; null = off."""


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
    """Mean teacher (arXiv 1703.01780), on plain images; needs ``ema``, costs one forward pass."""

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


class GeneraliseConfig(ImageSections, FeatureSections, ObjectiveSections):
    """Methods for unseen domains, in images, features and objective."""

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the methods that are switched on, in the order of their fields."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _check(self) -> "GeneraliseConfig":
        styles = [name for name in ImageSections.model_fields if name != "copy_paste"]
        styles += FeatureSections.model_fields
        if self.consistency is not None and not set(styles) & set(self.active):
            raise ValueError(
                "consistency: nothing tells the two views of an image apart; add a method "
                f"that changes images or features ({', '.join(styles)}) or leave consistency out"
            )
        return self
