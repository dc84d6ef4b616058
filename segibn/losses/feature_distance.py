"""Distance of features from those of a frozen ImageNet network, where things are.

Networks that are fine-tuned on drawn frames unlearn what ImageNet's photographs taught them about
cars, people and signs. Hoyer et al. (DAFormer, CVPR 2022, arXiv 2111.14887, section 3.2) hold the
last feature near the ImageNet network's own, at places that belong to a thing; stuff such as road
and sky, which ImageNet has no classes for, is left free.

In: two features of one image, its target. Out: a number. N images, C channels, h x w cells of s x s
input pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses.precision import in_float32


def pure_cells(target: Tensor, classes: Sequence[int], stride: int, min_ratio: float) -> Tensor:
    """Find the feature pixels that one of some classes fills.

    A cell is what a feature pixel covers without its surround: ``stride`` x ``stride`` input
    pixels. At the right and lower edge it may reach beyond the image; what is missing there counts
    as ignored. So do ignored pixels: as part of the cell, and of no class.

    Args:
        target: (N, H, W) train ids, any integer type.
        classes: train ids; two of them in one cell do not add up.
        stride: s.
        min_ratio: least share of a cell's pixels, 0..1, that a class must have.

    Returns:
        (N, ceil(H / s), ceil(W / s)) bool.
    """
    right, below = -target.shape[2] % stride, -target.shape[1] % stride
    padded = F.pad(target, (0, right, 0, below), value=IGNORE_INDEX)
    cells = padded.unflatten(2, (-1, stride)).unflatten(1, (-1, stride))  # (N, h, s, w, s)
    needed = min_ratio * stride**2
    images, rows, _, columns, _ = cells.shape
    pure = torch.zeros(images, rows, columns, dtype=torch.bool, device=target.device)
    for train_id in classes:
        pure |= (cells == train_id).sum((2, 4)) >= needed
    return pure


@in_float32
def feature_distance(feature: Tensor, reference: Tensor, cells: Tensor) -> Tensor:
    """Mean Euclidean distance of two features over some of their pixels.

    Args:
        feature: (N, C, h, w) float, of the network in training.
        reference: the same shape, of the frozen network; gets no gradient.
        cells: (N, h, w) bool, the pixels that count.

    Returns:
        A scalar of at least 0; 0 with zero gradient where no pixel counts.
    """
    difference = feature - reference.detach().to(feature.dtype)
    distance = torch.linalg.vector_norm(difference, dim=1)
    return torch.where(cells, distance, 0).sum() / cells.sum().clamp(min=1)
