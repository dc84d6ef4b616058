"""Encode pictures and label maps: numpy arrays, (H, W) order, RGB -> files, whole or not at all."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from segibn.errors import ImageFileError
from segibn.files.writing import write_bytes


def write_label_png(path: Path, label_map: np.ndarray, palette: np.ndarray | None = None) -> None:
    """Write (H, W) uint8 as an 8-bit PNG, atomically: grey, or shown in a palette (K, 3) RGB."""
    if label_map.ndim != 2 or label_map.dtype != np.uint8:
        raise ValueError(f"a label map is (H, W) uint8, got {label_map.shape} {label_map.dtype}")
    if palette is None:
        write_bytes(path, cv2.imencode(".png", label_map)[1].tobytes())
        return
    image = Image.fromarray(label_map)
    full = np.zeros((256, 3), np.uint8)  # all 256: with fewer, Pillow would store fewer bits
    full[: len(palette)] = palette
    image.putpalette(full.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", bits=8)
    write_bytes(path, buffer.getvalue())


def write_image(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as .png or .jpg (by the suffix of ``path``), atomically."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise ImageFileError(f"{path}: cannot write '{suffix}' pictures; use .png or .jpg")
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 95]
    write_bytes(path, cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes())
