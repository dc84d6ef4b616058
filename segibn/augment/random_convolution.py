"""Progressive random convolutions: Pro-RandConv (Choi et al., CVPR 2023, arXiv 2304.00424).

Section 3: one random block, drawn anew for each batch, is applied L times over, L uniform in 1 ..
`max_repeats`. On images in -1 .. 1 it is

1. a 3x3 convolution from RGB to RGB, its weights from N(0, 1 / 27), each times a Gaussian of its
   distance to the middle with sigma_g ~ U(eps, 1);
2. deformable: each of the nine taps reads at an offset of its own at every pixel, from
   N(0, sigma_d^2) with sigma_d ~ U(eps, `offset`), in pixels, by bilinear interpolation;
3. each channel of each image standardised over its pixels, times gamma, plus beta, both from
   N(0, s^2) with s = `contrast`, then tanh.

Ours: offsets of different pixels are independent; edges are repeated (zeros would leave the rest no
contrast); a sample is changed with a probability, while the paper trains on both forms of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segibn.augment import change_some

TAPS = 9  # of the 3x3 kernel
EPSILON = 1e-4  # the paper's "small value"; also keeps a flat channel's variance from being 0
_BAND = 8192  # pixels that a CPU samples at a time: what they take fits into a core's cache


@dataclass(frozen=True)
class Block:
    """One random convolution block, for images in -1 .. 1."""

    weight: Tensor  # (3, 3, 3, 3): out, in, row, column
    grid: Tensor | None  # see `sampling_grid`; None = taps read at the pixels themselves
    gamma: Tensor  # (3, 1, 1)
    beta: Tensor

    def convolve(self, image: Tensor) -> Tensor:
        """Apply the convolution alone; equals `torchvision.ops.deform_conv2d` inside."""
        if self.grid is None:
            return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), self.weight)
        count, channels, height, width = image.shape
        # all samples as channels of one image: several times faster on a CPU
        together = image.reshape(1, count * channels, height, width)
        weight = self.weight.flatten(1)
        rows = max(1, _BAND // width) if image.device.type == "cpu" else height
        bands = []
        for grid in self.grid.split(rows, dim=1):
            taps = F.grid_sample(together, grid.flatten(0, 1)[None], padding_mode="border", align_corners=False)
            bands.append(weight @ taps.view(count, channels * TAPS, -1))
        return torch.cat(bands, dim=2).view(count, -1, height, width)

    def __call__(self, image: Tensor) -> Tensor:
        """Apply the block once."""
        image = self.convolve(image)
        variance, mean = torch.var_mean(image, dim=(-2, -1), keepdim=True, correction=0)
        scale = self.gamma * (variance + EPSILON).rsqrt()
        return torch.addcmul(self.beta - mean * scale, image, scale).tanh_()


@dataclass(frozen=True)
class RandomConvolution:
    """Fields as in `generalise.random_convolution` of a config."""

    max_repeats: int
    offset: float
    contrast: float
    probability: float

    def __call__(self, image: Tensor) -> Tensor:
        """Change a batch; the result lies in 0..255 by itself."""
        block = draw_block(image.shape[-2:], self.offset, self.contrast, image.device)
        # on the CPU: else the host would have to wait for it
        repeats = int(torch.randint(1, self.max_repeats + 1, ()))

        def change(index: Tensor) -> Tensor:
            changed = image[index] / 127.5 - 1.0
            for _ in range(repeats):
                changed = block(changed)
            return (changed + 1.0) * 127.5

        return change_some(image, self.probability, change)


def draw_block(size: Sequence[int], offset: float, contrast: float, device: torch.device) -> Block:
    """Draw a block for images of `size` (H, W) as the module's docstring says."""
    weight = torch.randn(3, 3, 3, 3, device=device) * (3 * TAPS) ** -0.5
    axis = torch.arange(-1.0, 2.0, device=device)
    distance2 = axis[:, None] ** 2 + axis[None, :] ** 2
    weight = weight * torch.exp(-distance2 / (2 * _uniform(1.0, device) ** 2))
    grid = sampling_grid(torch.randn(TAPS, *size, 2, device=device) * _uniform(offset, device)) if offset > 0 else None
    gamma, beta = contrast * torch.randn(2, 3, 1, 1, device=device)
    return Block(weight, grid, gamma, beta)


def sampling_grid(offset: Tensor) -> Tensor:
    """Where taps read, for `F.grid_sample`, by `offset` right and down in pixels; both (9, H, W, 2), row by row."""
    _, height, width, _ = offset.shape
    tap = torch.arange(TAPS, device=offset.device).view(TAPS, 1, 1)
    x = torch.arange(width, device=offset.device) + tap % 3 - 1 + offset[..., 0]
    y = torch.arange(height, device=offset.device)[:, None] + tap // 3 - 1 + offset[..., 1]
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)


def _uniform(highest: float, device: torch.device) -> Tensor:
    return EPSILON + (highest - EPSILON) * torch.rand((), device=device)
