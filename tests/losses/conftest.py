"""A small batch: float64 logits (2, 4, 3, 5), train ids with ignored pixels, one class absent."""

import pytest
import torch
from torch import Tensor

NUM_CLASSES = 4
ABSENT = 2


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Return logits that want a gradient, and uint8 targets as the loader gives them."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, NUM_CLASSES, 3, 5, generator=generator, dtype=torch.float64) * 2
    target = torch.randint(0, NUM_CLASSES, (2, 3, 5), generator=generator)
    target[target == ABSENT] = 3
    target[0, 0] = 255
    target[1, :, 2] = 255
    return logits.requires_grad_(), target.to(torch.uint8)
