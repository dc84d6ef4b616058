"""Distance of features from those of a frozen ImageNet network: values, or Gram matrices.

DAFormer (Hoyer et al., CVPR 2022, arXiv 2111.14887, section 3.2): where things are; stuff such as
road and sky, which ImageNet has no classes for, is left free. TLDR's texture regularisation (Kim et
al., ICCV 2023, arXiv 2303.11546): theirs is one norm of a whole batch, ours the mean of one for
each image, which does not grow with the batch: 1/sqrt(N) of theirs where N images differ alike.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses import in_float32


def pure_cells(target: Tensor, classes: Sequence[int], stride: int, min_ratio: float) -> Tensor:
    """Find the feature pixels that one of some classes fills: (N, ceil(H / s), ceil(W / s)) bool.

    One class has at least `min_ratio` (0..1) of a cell's `stride` x `stride` input pixels. Ignored
    pixels, and what is missing at the right and lower edge, count as pixels of no class.
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
    """Mean distance of two (N, C, h, w) over `cells` (N, h, w); no gradient to `reference`."""
    distance = torch.linalg.vector_norm(feature - reference.detach().to(feature.dtype), dim=1)
    return torch.where(cells, distance, 0).sum() / cells.sum().clamp(min=1)


@in_float32
def gram_matrix(feature: Tensor) -> Tensor:
    """Mean products of channels over the pixels: (N, C, h, w) -> (N, C, C), symmetric."""
    pixels = feature.flatten(2)  # a view, of channels-last features too
    return pixels @ pixels.mT / pixels.shape[2]


@in_float32
def gram_distance(feature: Tensor, reference: Tensor) -> Tensor:
    """Frobenius norm of the Gram matrices' difference over C, mean; no gradient to `reference`."""
    difference = gram_matrix(feature) - gram_matrix(reference.detach())
    return torch.linalg.vector_norm(difference, dim=(1, 2)).mean() / feature.shape[1]
