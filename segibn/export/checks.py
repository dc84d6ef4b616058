"""A written file against the network it was made of, on frames of several sizes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from segibn.errors import SegibnError
from segibn.export.graphs import LabelsGraph, LogitsGraph

TOLERANCE = 1e-4
"""Largest allowed difference of a logit, relative to the largest logit (at least 1)."""

# N, H, W; odd sizes show a frozen shape, a larger frame a choice made by the example's size.
_SIZES = ((1, 96, 160), (3, 65, 129), (1, 257, 385))

Run = Callable[[Tensor], Tensor]
"""(N, 3, H, W) float32 in 0..255 -> logits, or (N, H, W, 3) uint8 -> label maps."""


@torch.inference_mode()
def check_logits(graph: LogitsGraph, exported: Run, name: str) -> float:
    """Return the largest difference of a logit, relative to the largest logit or 1.

    Raises:
        SegibnError: it is larger than `TOLERANCE`, a logit is not finite, or the file refuses a
            size.
    """
    worst = 0.0
    for size in _SIZES:
        image = _frames(size).permute(0, 3, 1, 2).float().contiguous()
        expected = graph(image)
        expected = expected[0] if isinstance(expected, tuple) else expected
        found = _run(exported, image, name)
        require_finite(expected, f"{name}: the network")
        require_finite(found, f"{name}: the exported graph")
        scale = max(1.0, float(expected.abs().max()))
        worst = max(worst, float((found - expected).abs().max()) / scale)
    if not worst <= TOLERANCE:
        raise SegibnError(
            f"{name}: the exported graph differs from the network by {worst:.2e}, more than "
            f"{TOLERANCE:.0e}; not written"
        )
    return worst


def require_finite(logits: Tensor, what: str) -> None:
    """Raise a `SegibnError` if a logit is NaN or infinite: a comparison would say nothing."""
    if not bool(logits.isfinite().all()):
        raise SegibnError(
            f"{what} gives logits that are NaN or infinite; not written. Export another checkpoint"
        )


@torch.inference_mode()
def check_labels(graph: LabelsGraph, exported: Run, name: str) -> float:
    """Return the share of pixels with another class than the network's.

    Raises:
        SegibnError: one of them is not a near tie, or the file refuses a size.
    """
    segmenter, differing, pixels = graph.segmenter, 0, 0
    for size in _SIZES:
        image = _frames(size)
        found = _run(exported, image, name).long()
        logits = segmenter(segmenter.normalize(image.permute(0, 3, 1, 2))).logits
        require_finite(logits, f"{name}: the network")
        best = logits.amax(1)
        chosen = logits.gather(1, found[:, None].clamp(max=logits.shape[1] - 1))[:, 0]
        scale = max(1.0, float(logits.abs().max()))
        if not float((best - chosen).max()) / scale <= TOLERANCE:
            raise SegibnError(
                f"{name}: the exported graph gives other classes than the network; not written"
            )
        differing += int((chosen < best).sum())
        pixels += best.numel()
    return differing / pixels


def _frames(size: tuple[int, int, int]) -> Tensor:
    """(N, H, W, 3) uint8 of random values, always the same."""
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))


def _run(exported: Run, image: Tensor, name: str) -> Tensor:
    try:
        return exported(image)
    except Exception as error:  # each runtime has its own
        raise SegibnError(
            f"{name}: the exported graph refuses a batch of {tuple(image.shape)} ({error}); not "
            "written"
        ) from error
