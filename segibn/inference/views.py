"""Several views of one frame: their logits become one label map, and its confidence.

Averages work in bands of rows: logits at full size exist for a few rows only. Legend: `predictor`.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from segibn.devices import accurate_dtype
from segibn.models.layers import banded_argmax, upsample

Size = tuple[int, int]

# Bytes of one band of logits: small enough for a core's cache, large enough to keep a GPU busy.
_CPU_BAND_BYTES = 4 << 20
_DEVICE_BAND_BYTES = 8 << 20


def averaged_argmax(views: Sequence[Tensor], size: Size, *, align_corners: bool = False) -> Tensor:
    """Average the softmax of views at full size and take the best class -> (N, H, W) uint8.

    Views are logits (N, K, h, w) of any resolution. Of equal probabilities the first class wins.
    """
    first = views[0]
    pred = torch.empty((first.shape[0], *size), dtype=torch.uint8, device=first.device)
    for rows in _bands(first, size):
        total = _probabilities(views[0], rows, size, align_corners)
        for view in views[1:]:
            total += _probabilities(view, rows, size, align_corners)
        pred[:, rows] = banded_argmax(total, (total.shape[-2], size[1]))
    return pred


def summed_argmax(views: Iterable[Tensor], size: Size, *, align_corners: bool = False) -> Tensor:
    """As `averaged_argmax`, of views too large to be kept: holds (N, K, H, W) sums and one view."""
    total: Tensor | None = None
    for view in views:
        if total is None:
            total = view.new_zeros((*view.shape[:2], *size))
        for rows in _bands(view, size):
            total[:, :, rows] += _probabilities(view, rows, size, align_corners)
        del view  # before the network computes the next one
    if total is None:
        raise ValueError("no views to average")
    return banded_argmax(total, size)


def predicted_probability(views: Sequence[Tensor], pred: Tensor, *, align_corners: bool) -> Tensor:
    """Softmax probability of the class of ``pred`` (N, H, W), averaged over views -> float32."""
    size = (pred.shape[-2], pred.shape[-1])
    total = torch.zeros(pred.shape, dtype=torch.float32, device=pred.device)
    for rows in _bands(views[0], size):
        chosen = pred[:, None, rows].long()
        for view in views:
            total[:, rows] += _probabilities(view.float(), rows, size, align_corners).gather(1, chosen)[:, 0]
    return total.div_(len(views)).clamp_(max=1.0)


def upsampled_rows(logits: Tensor, rows: slice, size: Size, *, align_corners: bool) -> Tensor:
    """Rows of `layers.upsample(logits, size)`, equal up to rounding -> (N, K, rows, W)."""
    height, count = logits.shape[-2], rows.stop - rows.start
    if height == size[0]:
        return upsample(logits[:, :, rows], (count, size[1]), align_corners=align_corners)
    position = torch.arange(rows.start, rows.stop, dtype=accurate_dtype(logits.device), device=logits.device)
    if align_corners:
        position *= (height - 1) / max(1, size[0] - 1)
    else:
        position = ((position + 0.5) * (height / size[0]) - 0.5).clamp_(min=0)
    upper = position.long().clamp_(max=height - 1)
    lower = (upper + 1).clamp_(max=height - 1)
    weight = (position - upper).to(logits.dtype)[:, None]
    part = torch.lerp(logits[:, :, upper], logits[:, :, lower], weight)
    return upsample(part, (count, size[1]), align_corners=align_corners)


def _probabilities(view: Tensor, rows: slice, size: Size, align_corners: bool) -> Tensor:
    return upsampled_rows(view, rows, size, align_corners=align_corners).softmax(dim=1)


def _bands(logits: Tensor, size: Size) -> Iterator[slice]:
    """Yield slices of the H rows, such that a band of float32 logits is of the size above."""
    budget = _CPU_BAND_BYTES if logits.device.type == "cpu" else _DEVICE_BAND_BYTES
    step = max(1, budget // (4 * logits.shape[0] * logits.shape[1] * size[1]))
    for start in range(0, size[0], step):
        yield slice(start, min(start + step, size[0]))
