"""The best class of resized logits, computed only where a class can be the best: for CPUs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.models.kernels import is_eager


def best_classes(coarse: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor | None:
    """`interpolate(coarse, size).argmax(dim=1)` as uint8, up to rounding; (N, K, h, w) logits, K <= 255.

    Between four places of logits a class is never above the highest of its own there, nor below the lowest: where its
    highest is below another's lowest it needs no look. On frames of a street one or two classes are left. Of equal
    logits the first wins. None: this gains nothing by it, or cannot: not finite, not on the CPU, hardly enlarged.
    """
    count, num_classes, height, width = coarse.shape
    is_plain = coarse.device.type == "cpu" and coarse.dtype is torch.float32 and is_eager()
    if not is_plain or size[0] < 2 * height or size[1] < 2 * width or not coarse.isfinite().all():
        return None
    can_win = _of_corners(coarse, torch.maximum) >= _of_corners(coarse, torch.minimum).amax(dim=1, keepdim=True)
    is_there = can_win.any(dim=3)
    first = can_win.byte().argmax(dim=3)  # of the cells of a row, by class
    last = width - 1 - can_win.flip(3).byte().argmax(dim=3)
    if ((last - first + 1) * is_there).sum() > can_win.numel() / 3:
        return None
    pred = torch.empty((count, *size), dtype=torch.uint8)
    top, weights = _cells(height, size[0], align_corners)
    left, _ = _cells(width, size[1], align_corners)
    wide = F.interpolate(coarse.contiguous(), (height, size[1]), mode="bilinear", align_corners=align_corners)
    starts, ends = _at(left[:-1], first), _at(left[1:], last)
    there = is_there.tolist()
    for image in range(count):
        for row in range(height):
            part = slice(top[row], top[row + 1])  # rows between two rows of logits
            found = pred[image, part]
            classes = [index for index in range(num_classes) if there[image][index][row]]
            if len(classes) == 1 or part.start == part.stop:
                found.fill_(classes[0])
                continue
            pair = wide[image][:, [row, min(row + 1, height - 1)]]
            best = torch.full(found.shape, -torch.inf)
            for index in classes:
                columns = slice(starts[image][index][row], ends[image][index][row])
                logits = weights[part] @ pair[index, :, columns]
                found[:, columns].masked_fill_(logits > best[:, columns], index)
                torch.maximum(best[:, columns], logits, out=best[:, columns])
    return pred


def _cells(count: int, size: int, align_corners: bool) -> tuple[list[int], Tensor]:
    """Where the pixels of each cell begin and the last ends, and each pixel's weights (size, 2) of the cell's two ends.

    A cell lies between one place and the next, as `interpolate` has them; before the first and after the last place
    both ends are one.
    """
    position = torch.arange(size, dtype=torch.float32)
    if align_corners:
        position = position * ((count - 1) / max(1, size - 1))
    else:
        position = ((position + 0.5) * (count / size) - 0.5).clamp_(min=0)
    cell = position.long().clamp_(max=count - 1)
    weight = position - cell
    return torch.searchsorted(cell, torch.arange(count + 1)).tolist(), torch.stack([1 - weight, weight], dim=1)


def _of_corners(coarse: Tensor, chosen: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """(N, K, h, w): the highest or lowest logit at the four corners of each cell."""
    rows = chosen(coarse, torch.cat([coarse[:, :, 1:], coarse[:, :, -1:]], dim=2))
    return chosen(rows, torch.cat([rows[..., 1:], rows[..., -1:]], dim=3))


def _at(places: Sequence[int], index: Tensor) -> list[list[list[int]]]:
    return torch.tensor(places)[index].tolist()
