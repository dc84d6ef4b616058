"""Texture regularisation: Gram matrices of features held near those of a frozen ImageNet network.

Kim et al. (TLDR, ICCV 2023, arXiv 2303.11546), on original images. Theirs is one norm of a whole
batch; ours is the mean of one for each image, so that it does not grow with the batch: with N
images that differ alike it is 1/sqrt(N) of theirs, half at a batch of 4.
"""

import torch
from torch import Tensor

from segibn.losses.precision import in_float32


@in_float32
def gram_matrix(feature: Tensor) -> Tensor:
    """Mean products of channels over a feature's pixels: (N, C, h, w) -> (N, C, C), symmetric."""
    pixels = feature.flatten(2)  # a view, of channels-last features too
    return pixels @ pixels.mT / pixels.shape[2]


@in_float32
def gram_distance(feature: Tensor, reference: Tensor) -> Tensor:
    """Frobenius norm of the Gram matrices' difference over C, mean over images.

    `reference`, on as many or other pixels, gets no gradient. At 0 the gradient is 0.
    """
    difference = gram_matrix(feature) - gram_matrix(reference.detach())
    return torch.linalg.vector_norm(difference, dim=(1, 2)).mean() / feature.shape[1]
