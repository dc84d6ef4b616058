"""Several looks at one frame: where the windows lie, and how the looks are averaged.

In: sizes, and the logits of each look. Out: slices, and one label map, in little memory.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from segibn.models.layers import upsample

Size = tuple[int, int]


def averaged_argmax(views: Sequence[Tensor], size: Size, *, align_corners: bool = False) -> Tensor:
    """Average the softmax of several views at full size and take the best class.

    Works class by class: a first pass streams each view's log-sum-exp, a second adds the
    probabilities of one class at a time. Full-size memory is ``len(views)`` + 3 maps, not K.

    Args:
        views: logits (N, K, h, w) each, of any resolution.
        size: (H, W) of the result.
        align_corners: see `layers.upsample`.

    Returns:
        (N, H, W) uint8 class indices; of equal probabilities the first class wins.
    """
    num_classes = views[0].shape[1]
    resize = partial(upsample, size=size, align_corners=align_corners)
    normalizers = [_log_sum_exp(view, resize) for view in views]
    best = torch.full_like(normalizers[0], -1.0)
    pred = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for index in range(num_classes):
        probability = torch.zeros_like(best)
        for view, normalizer in zip(views, normalizers, strict=True):
            logit = resize(view[:, index : index + 1])[:, 0]
            probability += torch.exp(logit - normalizer)
        pred.masked_fill_(probability > best, index)
        torch.maximum(best, probability, out=best)
    return pred


def window_slices(size: Size, window: Size, stride: Size) -> Iterator[tuple[slice, slice]]:
    """Yield (rows, columns) of windows that cover an image; the last ones end at its border.

    A window larger than the image is cut to the image.
    """
    for top in _starts(size[0], window[0], stride[0]):
        for left in _starts(size[1], window[1], stride[1]):
            yield slice(top, top + window[0]), slice(left, left + window[1])


def _starts(length: int, window: int, stride: int) -> list[int]:
    if window >= length:
        return [0]
    return [*range(0, length - window, stride), length - window]


def _log_sum_exp(logits: Tensor, resize: Callable[[Tensor], Tensor]) -> Tensor:
    """(N, K, h, w) -> (N, H, W), log of the sum over classes of the exponentials at full size."""
    total = resize(logits[:, :1])[:, 0].clone()
    for index in range(1, logits.shape[1]):
        torch.logaddexp(total, resize(logits[:, index : index + 1])[:, 0], out=total)
    return total
