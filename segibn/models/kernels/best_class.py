"""The best class of resized logits, computed only where more than one class can be the best: for CPUs."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from segibn.models.kernels import is_eager

_PIECE = 1 << 17  # logits computed at a time: they stay in the cache


def best_classes(coarse: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor | None:
    """`interpolate(coarse, size).argmax(dim=1)` as uint8, up to rounding; (N, K, h, w) logits, K <= 255.

    A pixel's logits are a mean of those at the four places around it, with the same weights for all classes. The class
    that is best at all four is so between them: on a street most cells need no look. In the others a class never
    exceeds its highest corner, so those below another's lowest are out. Of equal logits the first wins. None: this
    gains nothing by it, or cannot: not finite, not on the CPU, not enlarged.
    """
    count, _, height, width = coarse.shape
    is_plain = coarse.device.type == "cpu" and coarse.dtype is torch.float32 and is_eager()
    if not is_plain or size[0] < height or size[1] < width or not coarse.sum().isfinite():
        return None  # a sum is NaN or infinite where a logit is, and a tenth of the work of looking at each
    down, across = _cells(height, size[0], align_corners), _cells(width, size[1], align_corners)
    holds_pixels = (down.last >= down.first)[:, None] & (across.last >= across.first)
    pred = torch.empty((count, *size), dtype=torch.uint8)
    for logits, found in zip(coarse, pred, strict=True):
        best, _ = running_best(logits)
        found.copy_(best[down.of_pixel][:, across.of_pixel])
        is_mixed = _of_corners(best, torch.maximum) != _of_corners(best, torch.minimum)
        rows, columns = (is_mixed & holds_pixels).nonzero(as_tuple=True)
        corners = _corner_logits(logits, rows, columns)
        can_win = corners.amax(dim=1) >= corners.amin(dim=1).amax(dim=0)
        number = can_win.sum(dim=0)
        if number.sum() > logits.numel() / 3:
            return None
        area = len(down.offsets) * len(across.offsets)
        for candidates in sorted(set(number.tolist())):
            same = (number == candidates).nonzero()[:, 0]
            for cells in same.split(max(1, _PIECE // (candidates * area))):
                classes = can_win[:, cells].t().nonzero()[:, 1].view(-1, candidates)
                lines, places = down.pixels(rows[cells]), across.pixels(columns[cells])
                weights = down.weight[lines][:, None], across.weight[places]
                chosen = _best_of_candidates(corners[:, :, cells], classes, *weights)
                found[lines[:, None].expand(chosen.shape), places.expand(chosen.shape)] = chosen
    return pred


def running_best(planes: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Which plane is the highest in each place, uint8, the first of equals, and how high; a NaN stays.

    Faster than `argmax`, which is slow across the first dimension, and holds one plane at a time.
    """
    remaining = iter(planes)
    highest = next(remaining).clone()
    best = torch.zeros(highest.shape, dtype=torch.uint8, device=highest.device)
    for index, plane in enumerate(remaining, start=1):
        best.masked_fill_(plane > highest, index)
        torch.maximum(highest, plane, out=highest)
    return best, highest


class _Cells(NamedTuple):
    """What lies between one place of logits and the next, along an axis; before the first and after the last, one."""

    of_pixel: Tensor
    weight: Tensor
    """Of each pixel, for the next place."""
    first: Tensor
    last: Tensor
    """Of the pixels of each cell."""
    offsets: Tensor
    """From the first pixel of a cell to those that the longest one has, as a column."""

    def pixels(self, cells: Tensor) -> Tensor:
        """(longest, cells): their pixels; a shorter cell has its last one again."""
        return torch.minimum(self.first[cells] + self.offsets, self.last[cells])


def _cells(count: int, size: int, align_corners: bool) -> _Cells:
    position = torch.arange(size, dtype=torch.float32)
    if align_corners:
        position = position * ((count - 1) / max(1, size - 1))
    else:
        position = ((position + 0.5) * (count / size) - 0.5).clamp_(min=0)
    cell = position.long().clamp_(max=count - 1)
    starts = torch.searchsorted(cell, torch.arange(count + 1))
    longest = int(starts.diff().max())
    return _Cells(cell, position - cell, starts[:-1], starts[1:] - 1, torch.arange(longest)[:, None])


def _of_corners(places: Tensor, chosen: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """(h, w) -> (h, w): the highest or lowest value at the four corners of each cell."""
    rows = chosen(places, torch.cat([places[1:], places[-1:]]))
    return chosen(rows, torch.cat([rows[:, 1:], rows[:, -1:]], dim=1))


def _corner_logits(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(K, 4, cells): upper left, upper right, lower left, lower right."""
    _, height, width = logits.shape
    lower, right = (rows + 1).clamp_(max=height - 1), (columns + 1).clamp_(max=width - 1)
    corners = [rows * width + columns, rows * width + right, lower * width + columns, lower * width + right]
    return logits.flatten(1)[:, torch.stack(corners)]


def _best_of_candidates(corners: Tensor, classes: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """(K, 4, cells) logits, (cells, candidates) -> (rows, columns, cells) uint8; cells last are contiguous."""
    cells = torch.arange(len(classes))

    def planes() -> Iterator[Tensor]:
        for index in classes.t():
            upper_left, upper_right, lower_left, lower_right = corners[index, :, cells].t()
            upper = torch.lerp(upper_left, upper_right, across)
            yield torch.lerp(upper, torch.lerp(lower_left, lower_right, across), down)

    candidate, _ = running_best(planes())
    return classes.byte()[cells, candidate.long()]
