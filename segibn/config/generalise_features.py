"""``generalise``: methods that change features while training."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from segibn.config.values import Channels, Fraction, Frozen, PositiveStrength, Strength

Layer = Literal["stem", "layer1", "layer2", "layer3", "layer4"]


def _once_each(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    if len(set(layers)) < len(layers):
        raise ValueError(f"{list(layers)} names a layer twice; name each once")
    return layers


_Layers = Annotated[tuple[Layer, ...], Field(min_length=1), AfterValidator(_once_each)]


class MixStyleConfig(Frozen):
    """Channel means and spreads mixed between random pairs: MixStyle (arXiv 2104.02008)."""

    layers: _Layers = ("layer1", "layer2")
    """After which parts of a residual network, ``stem`` (after its pooling) and ``layer1`` to
    ``layer4``; the paper's are low ones."""
    probability: Fraction = 0.5
    """Chance that a batch is mixed."""
    alpha: PositiveStrength = 0.1
    """A sample's share of its own statistics is drawn from Beta(alpha, alpha)."""


class EFDMixConfig(MixStyleConfig):
    """Whole distributions of channel values mixed between random pairs: EFDMix (arXiv 2203.07740).

    Its keys are those of ``mixstyle``. It sorts every channel, which makes it slower on a CPU.
    """


class NPPlusConfig(Frozen):
    """Noise on channel means and spreads: Normalization Perturbation (arXiv 2211.04393)."""

    layers: _Layers = ("stem", "layer1")
    """After which parts of a residual network, ``stem`` (after its pooling) and ``layer1`` to
    ``layer4``; noise belongs into low ones, which carry style."""
    probability: Fraction = 0.5
    """Chance that a batch is perturbed, drawn for each layer."""
    sigma: Strength = 0.75
    """Standard deviation of the factors on a channel's mean and on what varies about it."""
    adaptive: bool = True
    """true = NP+: the noise on a channel's mean is weighted by how much the mean differs within
    the batch, relative to the channel where it differs most; false = NP: all channels alike."""
    adaptive_scale: Strength = 1.5
    """Factor on those weights; NP+ only."""


class MRFPConfig(Frozen):
    """Fine structure from a random network, and NP+: MRFP (arXiv 2311.18331), without its MRFP+.

    Values are those of the authors' released code.
    """

    layers: _Layers = ("stem",)
    """Where the random network's output is added: ``stem`` (after its pooling), ``layer1`` to
    ``layer4``; the cost is highest at the high resolution of ``stem`` and ``layer1``."""
    probability: Fraction = 0.5
    """Chance that it is added to a batch; its weights are drawn anew each time."""
    channels: Channels | None = None
    """Width of the random network; null = the feature's own, as in the paper; 8 to 16 are cheap."""
    gain_std: Strength = 0.5
    """Standard deviation of the random gains of its batch norms."""
    style_layers: Annotated[tuple[Layer, ...], AfterValidator(_once_each)] = ("stem", "layer1")
    """Where NP+ acts; [] = nowhere."""
    style_probability: Fraction = 0.5
    """Chance that NP+ acts on a batch, drawn for each layer."""
    sigma: Strength = 0.75
    """As in ``np_plus``."""
    adaptive_scale: Strength = 1.5
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
