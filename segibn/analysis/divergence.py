"""Feature divergence: how differently a network's features respond to frames of two domains.

IBN-Net (arXiv 1807.09441), section 4.3: over a domain, the spatial mean of a channel is a Gaussian;
a feature's divergence is the symmetric Kullback-Leibler divergence of two domains' Gaussians, mean
over its C channels. Features are the outputs of stem and residual blocks: 17 in a ResNet-50.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segibn.distributed import gather
from segibn.errors import SegibnError
from segibn.inference.options import WHOLE, InferenceOptions
from segibn.models.kernels.resize import resize_image
from segibn.models.segmenter import Segmenter

# Added to every variance (batch norm's epsilon): right after an instance norm the spatial mean
# hardly varies, and a channel that is dead in both domains must give 0, not 0 / 0.
VARIANCE_FLOOR = 1e-5


class Moments:
    """Streamed mean and variance per channel, in float64 (Chan, Golub, LeVeque 1983)."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = np.zeros(channels)
        self._squares = np.zeros(channels)  # summed squared deviations from the mean

    def add(self, values: NDArray[np.floating]) -> None:
        """Add one image's (C,) spatial means."""
        self.count += 1
        delta = values - self.mean
        self.mean += delta / self.count
        self._squares += delta * (values - self.mean)

    def merge(self, other: NDArray[np.float64]) -> None:
        """Add the ``as_array`` of what another saw of the same channels."""
        count, mean, squares = int(other[0, 0]), other[1], other[2]
        if count == 0:
            return
        total, delta = self.count + count, mean - self.mean
        self.mean += delta * (count / total)
        self._squares += squares + delta**2 * (self.count * count / total)
        self.count = total

    def as_array(self) -> NDArray[np.float64]:
        """(3, C): count, mean, summed squares."""
        return np.stack([np.full_like(self.mean, self.count), self.mean, self._squares])

    @property
    def variance(self) -> NDArray[np.float64]:
        """(C,) population variance."""
        return self._squares / max(1, self.count)


def symmetric_kl(a: Moments, b: Moments) -> NDArray[np.float64]:
    """KL(A||B) + KL(B||A) of two Gaussians for each channel, (C,); the logarithms cancel."""
    va, vb = a.variance + VARIANCE_FLOOR, b.variance + VARIANCE_FLOOR
    squared = (a.mean - b.mean) ** 2
    return (va + squared) / (2 * vb) + (vb + squared) / (2 * va) - 1


def compute_divergence(a: Mapping[str, Moments], b: Mapping[str, Moments]) -> dict[str, float]:
    """Compare two domains seen by one network -> feature -> its divergence, in order."""
    return {name: float(symmetric_kl(a[name], b[name]).mean()) for name in a}


def feature_modules(backbone: nn.Module) -> dict[str, nn.Module]:
    """Find the modules of the features: ``relu``, the blocks of ``layer1`` ...; SegibnError: there are none."""
    stages = [(name, part) for name, part in backbone.named_children() if name.startswith("layer")]
    if not stages or not hasattr(backbone, "relu"):
        raise SegibnError(
            f"feature divergence follows the blocks of residual networks; a {type(backbone).__name__} has none"
        )
    found = {"stem": backbone.get_submodule("relu")}
    for name, stage in stages:
        found |= {f"{name}.{index}": block for index, block in stage.named_children()}
    return found


@torch.inference_mode()
def collect_moments(
    segmenter: Segmenter, images: Iterable[NDArray[np.uint8]], options: InferenceOptions = WHOLE
) -> dict[str, Moments]:
    """Run a domain's images through the backbone -> moments of the spatial means of each feature.

    Runs on every rank, each with images of its own (at least one; two over all ranks, else a
    ValueError), (H, W, 3) uint8 RGB; all get the moments of all. ``options``: the input size.
    """
    moments: dict[str, Moments] = {}

    def take(name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # at once: a later in-place operation may overwrite the feature
        means = output[0].double().mean(dim=(1, 2)).cpu().numpy()
        moments.setdefault(name, Moments(len(means))).add(means)

    with ExitStack() as hooks:
        for name, module in feature_modules(segmenter.backbone).items():
            hooks.callback(module.register_forward_hook(partial(take, name)).remove)
        for image in images:
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)
            seen = resize_image(pixels.to(segmenter.pixel_mean.device), options.size_for(image.shape))
            segmenter.backbone(segmenter.normalize(seen))
    moments = {name: merged(gather(part.as_array())) for name, part in moments.items()}
    if not moments or min(part.count for part in moments.values()) < 2:
        raise ValueError("a domain needs at least two images to have a variance")
    return moments


def merged(arrays: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> Moments:
    """Merge ``Moments.as_array`` of several processes, in their order."""
    moments = Moments(arrays[0].shape[1])
    for array in arrays:
        moments.merge(array)
    return moments
