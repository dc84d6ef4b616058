"""Amplitude mix: the Fourier amplitudes of one image take on those of another, the phase stays.

FACT (Xu et al., CVPR 2021, arXiv 2105.11120, section 3.2): of images x and x' of the batch
A = (1 - lambda) A(x) + lambda A(x') with lambda ~ U(0, eta). With `window` only low frequencies
change, as in FDA (Yang & Soatto, CVPR 2020, arXiv 2004.05498, section 3.1).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from segibn.augment.chance import change_some, draw_partners
from segibn.augment.pasta import frequencies

_NOTHING = 1e-20  # far below the rounding of any image's spectrum, far above what 1 / x can take


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
            style = image[partners[index]]
            return mix_amplitudes(image[index], style, share[index], self.window).clamp_(0.0, 255.0)

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
