"""Batches of small images, their height and width even or odd."""

import pytest
import torch
from torch import Tensor


@pytest.fixture(params=[(12, 16), (11, 15), (12, 15)], ids=["even", "odd", "both"])
def image(request: pytest.FixtureRequest) -> Tensor:
    """(4, 3, H, W) RGB 0..255."""
    return 255 * torch.rand(4, 3, *request.param, generator=torch.Generator().manual_seed(0))
