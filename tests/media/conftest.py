"""Pictures and videos as users have them, made here."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_image():
    """Return a function (height, width, seed) -> (H, W, 3) uint8 of coarse random colours."""

    def make(height=24, width=40, seed=0):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
        return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].copy()

    return make
