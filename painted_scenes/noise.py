"""Repeatable tiles of natural-looking irregularity, the base of every texture.

They do not depend on the seed (painters read them at random offsets) and repeat without seams.
"""

from functools import lru_cache

import numpy as np

TILE = 256  # pixels; a power of two, so that `& (TILE - 1)` wraps an index


@lru_cache(maxsize=32)
def noise_tile(roughness: float) -> np.ndarray:
    """Make a tile whose spectrum falls as frequency ** -roughness.

    Args:
        roughness: 0 gives white noise, 1 gritty asphalt, 2 clouds.

    Returns:
        (TILE, TILE) float32, mean 0, standard deviation 1, clipped to +-3; read only.
    """
    rng = np.random.default_rng([911, 0, round(roughness * 100)])
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    down = np.fft.fftfreq(TILE)[:, None]
    across = np.fft.rfftfreq(TILE)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1.0
    spectrum *= frequency**-roughness
    spectrum[0, 0] = 0.0
    tile = np.fft.irfft2(spectrum, s=(TILE, TILE))
    tile = np.clip(tile / tile.std(), -3, 3).astype(np.float32)
    tile.setflags(write=False)
    return tile


def noise_patch(size: tuple[int, int], roughness: float, offset: tuple[int, int]) -> np.ndarray:
    """Cut (H, W) float32 out of the endlessly repeated tile, from ``offset`` (row, column)."""
    tile = noise_tile(roughness)
    rows = (np.arange(size[0]) + offset[0]) & (TILE - 1)
    columns = (np.arange(size[1]) + offset[1]) & (TILE - 1)
    return tile[rows[:, None], columns[None, :]]


def sample_noise(down: np.ndarray, across: np.ndarray, roughness: float) -> np.ndarray:
    """Read the tile at float positions in tile pixels (nearest one, wrapped) -> float32."""
    index = (down.astype(np.int32) & (TILE - 1)) * TILE + (across.astype(np.int32) & (TILE - 1))
    return noise_tile(roughness).ravel()[index]
