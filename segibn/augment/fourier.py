"""Styles in the Fourier amplitudes of images, whose phase stays: PASTA and amplitude mix.

PASTA (Chattopadhyay et al., ICCV 2023, arXiv 2212.00979, section 3.2) jitters them the more the
higher the frequency: A(m, n) becomes eps A(m, n), drawn for each channel, m and n in whole waves,

    eps ~ N(1, sigma^2(m, n)),  sigma(m, n) = (2 alpha sqrt((m^2 + n^2) / (H^2 + W^2)))^k + beta.

The paper's script keeps the real part of what it transforms back: (m, n) and (-m, -n) get the mean
of their two eps. So they do here, on the half spectrum (V = W // 2 + 1 columns) of a real
transform: a factor deviates by sigma / sqrt(2), or by sigma where (m, n) is its own opposite.

Amplitude mix (FACT, Xu et al., CVPR 2021, arXiv 2105.11120, section 3.2), of images x and x' of a
batch: A = (1 - lambda) A(x) + lambda A(x') with lambda ~ U(0, eta). With `window` only low
frequencies change, as in FDA (Yang & Soatto, CVPR 2020, arXiv 2004.05498, section 3.1).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from segibn.augment import change_some, draw_partners

_NOTHING = 1e-20  # far below the rounding of any image's spectrum, far above what 1 / x can take


@dataclass(frozen=True)
class Pasta:
    """Fields as in `generalise.pasta` of a config."""

    alpha: float
    beta: float
    k: float
    probability: float

    def __call__(self, image: Tensor) -> Tensor:
        """Change a batch; what leaves 0..255 is clipped."""
        height, width = image.shape[-2:]
        deviation = deviations((height, width), self.alpha, self.beta, self.k, image.device)

        def change(index: Tensor) -> Tensor:
            factor = draw_factors((len(index), image.shape[1]), deviation, width)
            return scale_amplitudes(image[index], factor).clamp_(0.0, 255.0)

        return change_some(image, self.probability, change)


def frequencies(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return m (H, 1) and n (1, V) of a half spectrum: signed waves over height and width."""
    height, width = size
    m = torch.fft.fftfreq(height, 1.0 / height, device=device)
    n = torch.fft.rfftfreq(width, 1.0 / width, device=device)
    return m[:, None], n[None, :]


def deviations(size: tuple[int, int], alpha: float, beta: float, k: float, device: torch.device) -> Tensor:
    """Return the paper's sigma(m, n), (H, V) float32, in the order of `torch.fft.rfft2`."""
    m, n = frequencies(size, device)
    height, width = size
    return (2.0 * alpha * ((m**2 + n**2) / (height**2 + width**2)).sqrt()) ** k + beta


def draw_factors(shape: tuple[int, ...], deviation: Tensor, width: int) -> Tensor:
    """Draw means of the eps, of `deviation` (H, V), at (m, n) and (-m, -n): `shape` and (H, V)."""
    eps = torch.randn(*shape, *deviation.shape, device=deviation.device)
    factor = 1.0 + eps * (deviation * 0.5**0.5)
    for column in [0] if width % 2 else [0, width // 2]:  # here (-m, -n) is in the half spectrum too
        own = 1.0 + eps[..., column] * deviation[:, column]
        opposite = own.flip(-1).roll(1, -1)  # row m holds the value of row -m
        factor[..., column] = (own + opposite) / 2
    return factor


def scale_amplitudes(image: Tensor, factor: Tensor) -> Tensor:
    """Multiply the half spectrum of (N, 3, H, W) images by real factors; nothing is clipped."""
    return torch.fft.irfft2(torch.fft.rfft2(image).mul_(factor), s=image.shape[-2:])


@dataclass(frozen=True)
class AmplitudeMix:
    """Fields as in `generalise.amplitude_mix` of a config."""

    eta: float
    window: float | None
    probability: float

    def __call__(self, image: Tensor) -> Tensor:
        """Change a batch; what leaves 0..255 is clipped."""
        partners = draw_partners(len(image), image.device)
        share = self.eta * torch.rand(len(image), 1, 1, 1, device=image.device)

        def change(index: Tensor) -> Tensor:
            return mix_amplitudes(image[index], image[partners[index]], share[index], self.window).clamp_(0.0, 255.0)

        return change_some(image, self.probability, change)


def mix_amplitudes(image: Tensor, style: Tensor, share: Tensor, window: float | None) -> Tensor:
    """Mix two amplitude spectra, `share` (N, 1, 1, 1) of the style's, with the image's phase."""
    spectrum = torch.fft.rfft2(image)
    own, other = spectrum.abs(), torch.fft.rfft2(style).abs()
    if window is not None:
        height, width = image.shape[-2:]
        m, n = frequencies((height, width), image.device)
        reach = math.floor(min(height, width) * window)  # FDA's square about frequency 0
        share = share * ((m.abs() <= reach) & (n <= reach)).float()
    mixed = torch.lerp(own, other, share)
    empty = own < _NOTHING
    scale = mixed / own.masked_fill_(empty, 1.0)
    spectrum.masked_fill_(empty, 1.0).mul_(scale)
    return torch.fft.irfft2(spectrum, s=image.shape[-2:])
