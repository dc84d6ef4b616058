"""Cross-entropy at full resolution from coarse logits, which never become full-size tensors.

Resizing by a whole factor s is s * s interpolations between neighbours, one for each place inside a
coarse pixel: each is made, scored and turned into its gradient while it is in the cache.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

from segibn.labels.label_set import IGNORE_INDEX
from segibn.models.kernels import is_eager
from segibn.models.layers import upsample

_PIECE = 1 << 21  # bytes of logits that are worked on at a time
# Coarse pixels below which the calls for each place cost more than the passes that they save.
_WORTHWHILE = 512


def upsampled_cross_entropy(
    coarse: Tensor, target: Tensor, *, align_corners: bool = False, class_weights: Tensor | None = None
) -> Tensor:
    """Sum over the valid pixels of `upsample(coarse, target.shape[1:])`'s cross-entropy."""
    if class_weights is not None:
        class_weights = class_weights.to(coarse.dtype)
    if (
        not align_corners
        and coarse.device.type == "cpu"
        and coarse.shape[0] * coarse.shape[2] * coarse.shape[3] >= _WORTHWHILE
        and target.shape[1] % coarse.shape[2] == 0  # whole factors
        and target.shape[2] % coarse.shape[3] == 0
        and is_eager()
    ):
        return _PiecewiseLoss.apply(coarse, target, class_weights)
    logits = upsample(coarse, (target.shape[1], target.shape[2]), align_corners=align_corners)
    return F.cross_entropy(logits, target.long(), class_weights, ignore_index=IGNORE_INDEX, reduction="sum")


class _PiecewiseLoss(torch.autograd.Function):
    """The sum, and its gradient while the pieces are there."""

    @staticmethod
    def forward(ctx: FunctionCtx, coarse: Tensor, target: Tensor, class_weights: Tensor | None) -> Tensor:
        height, width = coarse.shape[2:]
        # (N, places down, places across, h, w): the pixels of one place are a coarse map.
        places = target.unflatten(1, (height, -1)).unflatten(3, (width, -1))
        places = places.permute(0, 2, 4, 1, 3)
        padded = F.pad(coarse.contiguous(), (1, 1, 1, 1), mode="replicate")
        grad = torch.zeros_like(padded) if ctx.needs_input_grad[0] else None  # type: ignore[attr-defined]
        total = coarse.new_zeros((), dtype=torch.float64)
        for images, rows in _pieces(coarse):
            around = slice(rows.start, rows.stop + 2)
            part = None if grad is None else grad[images, :, around]
            total += _score_piece(padded[images, :, around], places[images, :, :, rows], class_weights, part)
        if grad is not None:
            ctx.save_for_backward(_fold_edges(grad))  # type: ignore[attr-defined]
        return total.to(coarse.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream: Tensor):  # type: ignore[no-untyped-def]
        (grad,) = ctx.saved_tensors
        return grad * upstream, None, None


def _pieces(coarse: Tensor) -> Iterator[tuple[slice, slice]]:
    """Images, or rows of one image, that are few enough for the cache."""
    images, classes, height, width = coarse.shape
    lines = max(1, _PIECE // (classes * width * coarse.element_size()))
    step = max(1, lines // height)
    for first in range(0, images, step):
        for top in range(0, height, lines):
            yield slice(first, first + step), slice(top, min(top + lines, height))


def _score_piece(source: Tensor, places: Tensor, class_weights: Tensor | None, grad: Tensor | None) -> Tensor:
    """Loss of (n, K, rows + 2, w + 2) logits with their neighbours, its gradient into `grad`."""
    # places: (n, places down, places across, rows, w)
    total = source.new_zeros((), dtype=torch.float64)
    rows, width = source.shape[2] - 2, source.shape[3] - 2
    for down, (i, below) in enumerate(_neighbours(places.shape[1])):
        upper, lower = slice(i, i + rows), slice(i + 1, i + 1 + rows)
        lines = torch.lerp(source[:, :, upper], source[:, :, lower], below)
        grad_lines = None if grad is None else torch.zeros_like(lines)
        for across, (j, beside) in enumerate(_neighbours(places.shape[2])):
            left, right = slice(j, j + width), slice(j + 1, j + 1 + width)
            logits = torch.lerp(lines[..., left], lines[..., right], beside)
            label = places[:, None, down, across].long()  # (n, 1, rows, w), like the weight
            weight = (label != IGNORE_INDEX).to(logits.dtype)
            label = torch.where(label != IGNORE_INDEX, label, 0)
            if class_weights is not None:
                weight *= class_weights[label]
            log_p = logits.log_softmax(1)
            total -= (log_p.gather(1, label) * weight).sum()
            if grad_lines is None:
                continue
            # Softmax minus the truth; log_p is ours to overwrite.
            slope = log_p.exp_().scatter_add_(1, label, weight.new_full((), -1).expand_as(weight))
            slope *= weight
            grad_lines[..., left].add_(slope, alpha=1 - beside)
            grad_lines[..., right].add_(slope, alpha=beside)
        if grad is not None:
            grad[:, :, upper].add_(grad_lines, alpha=1 - below)
            grad[:, :, lower].add_(grad_lines, alpha=below)
    return total


def _neighbours(factor: int) -> list[tuple[int, float]]:
    """For each place in a coarse pixel the offset of the pixel before it, the share of the next."""
    centres = [(place + 0.5) / factor + 0.5 for place in range(factor)]
    return [(int(centre), centre - int(centre)) for centre in centres]


def _fold_edges(grad: Tensor) -> Tensor:
    """(N, K, h + 2, w + 2) -> (N, K, h, w): the padding's gradient goes to what it repeats."""
    for dim in (2, 3):
        size = grad.shape[dim] - 2
        inner = grad.narrow(dim, 1, size)
        inner.narrow(dim, 0, 1).add_(grad.narrow(dim, 0, 1))
        inner.narrow(dim, size - 1, 1).add_(grad.narrow(dim, size + 1, 1))
        grad = inner
    return grad.contiguous()
