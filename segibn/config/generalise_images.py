"""``generalise``: methods that change the appearance of training images, on the device."""

from typing import Annotated

from pydantic import Field

from segibn.config.values import (
    Count,
    Fraction,
    Frozen,
    HalfFraction,
    Label,
    PositiveStrength,
    Repeats,
    Strength,
)


class AmplitudeMixConfig(Frozen):
    """Fourier amplitudes mixed with another image's, phase kept (FACT, arXiv 2105.11120)."""

    eta: Fraction = 1.0
    """Highest share of the other image's amplitude; the share is uniform from 0 to it."""
    window: HalfFraction | None = None
    """Change only frequencies up to this share of the image's shorter side, as FDA
    (arXiv 2004.05498; 0.01 to 0.09 there); null = all frequencies."""
    probability: Fraction = 0.5
    """Chance that a sample is changed."""


class PastaConfig(Frozen):
    """Fourier amplitudes jittered, the more the higher the frequency (PASTA, arXiv 2212.00979).

    The standard deviation of the factor on an amplitude is
    ``(2 * alpha * sqrt((m^2 + n^2) / (H^2 + W^2))) ** k + beta`` at frequency (m, n).
    """

    alpha: Strength = 3.0
    """How fast the jitter grows with frequency."""
    beta: Strength = 0.25
    """Jitter at frequency 0, the mean colour."""
    k: PositiveStrength = 2.0
    """Power of the growth."""
    probability: Fraction = 1.0
    """Chance that a sample is changed."""


class RandomConvolutionConfig(Frozen):
    """One random 3x3 convolution block for a batch, applied repeatedly (arXiv 2304.00424)."""

    max_repeats: Repeats = 10
    """Most applications of the block; their number is uniform from 1 to it."""
    offset: Strength = 0.5
    """Upper end of the range of the deformable offsets' deviation, in pixels; 0 = plain
    convolutions."""
    contrast: Strength = 0.5
    """Standard deviation of the random factor and shift of each standardised channel."""
    probability: Fraction = 0.5
    """Chance that a sample is changed."""


class CopyPasteConfig(Frozen):
    """Pixels and labels of whole classes from another sample of the batch (arXiv 2012.07177)."""

    classes: Annotated[tuple[Label, ...], Field(min_length=1, max_length=255)] | None = None
    """Classes that may be pasted; null = things other than cars: poles, signs, lights, people,
    two-wheelers, large vehicles."""
    count: Count = 1
    """How many of the classes that the other sample shows are pasted."""
    probability: Fraction = 0.5
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
