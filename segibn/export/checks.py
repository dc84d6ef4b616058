"""A written file against the network it was made of, on frames of several sizes."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from segibn.errors import SegibnError

TOLERANCE = 1e-4
"""Largest allowed difference of a logit, relative to the largest logit (at least 1)."""

# N, H, W; odd sizes show a frozen shape, a larger frame a choice made by the example's size.
_SIZES = ((1, 96, 160), (3, 65, 129), (1, 257, 385))

Run = Callable[[Tensor], Tensor]
"""(N, 3, H, W) float32 in 0..255 -> logits, or (N, H, W, 3) uint8 -> label maps."""


@torch.inference_mode()
def check(network: Run, exported: Run, name: str, labels: bool = False) -> float:
    """Return the largest difference of a logit, relative to the largest one or 1.

    With ``labels`` the exported graph gives label maps, and the share of pixels with another class
    is returned, all of them near ties. SegibnError for more than `TOLERANCE`.
    """
    worst, differing, pixels = 0.0, 0, 0
    for size in _SIZES:
        frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
        image = frames.permute(0, 3, 1, 2).float().contiguous()
        expected, found = network(image), _run(exported, frames if labels else image, name)
        require_finite(expected, f"{name}: the network")
        if labels:
            best, classes = expected.amax(1), found.long()[:, None].clamp(max=expected.shape[1] - 1)
            apart = best - expected.gather(1, classes)[:, 0]
            differing, pixels = differing + int((apart > 0).sum()), pixels + apart.numel()
        else:
            require_finite(found, f"{name}: the exported graph")
            apart = (found - expected).abs()
        worst = max(worst, float(apart.max()) / max(1.0, float(expected.abs().max())))
    if not worst <= TOLERANCE:
        what = "gives other classes than the network" if labels else "differs from the network"
        raise SegibnError(
            f"{name}: the exported graph {what} (logits by {worst:.2e}, more than "
            f"{TOLERANCE:.0e}); not written"
        )
    return differing / pixels if labels else worst


def require_finite(logits: Tensor, what: str) -> None:
    """SegibnError: a logit is NaN or infinite, so that a comparison would say nothing."""
    if not bool(logits.isfinite().all()):
        raise SegibnError(
            f"{what} gives logits that are NaN or infinite; not written. Export another checkpoint"
        )


def _run(exported: Run, image: Tensor, name: str) -> Tensor:
    try:
        return exported(image)
    except Exception as error:  # each runtime has its own
        raise SegibnError(
            f"{name}: the exported graph refuses a batch of {tuple(image.shape)} ({error}); not "
            "written"
        ) from error
