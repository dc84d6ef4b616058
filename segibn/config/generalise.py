"""``generalise``: what a training does for domains it never sees, beyond IBN.

Each method is one optional section, off until it is given; ``{}`` takes the paper's values.
None of them is there when a trained network predicts.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from segibn.config import values
from segibn.config.generalise_objective import ObjectiveSections
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
    """Whole distributions of channel values mixed between random pairs: EFDMix (arXiv 2203.07740).

    Keys as ``mixstyle``. It sorts every channel, which makes it slower on a CPU.
    """


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
    """Fine structure from a random network, and NP+: MRFP (arXiv 2311.18331), without its MRFP+.

    Values are those of the authors' released code.
    """

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
    """EFDMix: mixes the distributions of channel values of random pairs; null = off."""
    np_plus: NPPlusConfig | None = None
    """NP or NP+: noise on channel statistics; null = off."""
    mrfp: MRFPConfig | None = None
    """MRFP: adds a random network's fine structure, and NP+; null = off."""


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
