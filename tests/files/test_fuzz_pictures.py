"""Mutated pictures and label maps: the outcome is an array or an error that names the file."""

import io
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segibn.errors import SegibnError
from segibn.files import png
from segibn.files.pictures import read_image
from segibn.labels.cityscapes import CITYSCAPES

Y, X = np.mgrid[0:40, 0:56]
RGB = Image.fromarray(np.stack([X * 4, Y * 5, 255 - X * 2 - Y], axis=2).astype(np.uint8))
LABELS = Image.fromarray((X // 8 + Y // 9).astype(np.uint8))
COLORS = np.array([row.color for row in CITYSCAPES.labels], np.uint8)[np.asarray(LABELS)]
EXIF = Image.Exif()
EXIF[0x0112] = 6


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _seeds() -> list[bytes]:
    palette = LABELS.copy()
    palette.putpalette([value for row in CITYSCAPES.labels for value in row.color])
    pages = {"save_all": True, "append_images": [RGB]}
    return [
        *(_saved(RGB, form, exif=EXIF) for form in ("JPEG", "PNG", "TIFF", "WEBP")),
        *(_saved(LABELS, form) for form in ("PNG", "BMP", "TIFF")),
        *(_saved(Image.fromarray(COLORS), form) for form in ("PNG", "BMP")),
        _saved(RGB, "JPEG", progressive=True),
        _saved(RGB.convert("CMYK"), "JPEG"),
        _saved(RGB.convert("RGBA"), "PNG"),
        _saved(RGB, "PNG", **pages),
        _saved(RGB, "TIFF", **pages),
        _saved(RGB, "WEBP", lossless=True, **pages),
        _saved(palette, "PNG"),
        _saved(LABELS.convert("1"), "PNG"),
        _saved(Image.fromarray(np.asarray(LABELS).astype(np.uint16)), "PNG"),
        _saved(LABELS, "TIFF", compression="tiff_lzw"),
        _saved(LABELS, "TIFF", compression="tiff_adobe_deflate"),
        _saved(RGB, "TIFF", compression="jpeg"),
        _saved(LABELS.convert("1"), "TIFF", compression="group4"),
    ]


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut, flip bits, overwrite bytes of the header or remove a piece."""
    changed = bytearray(data)
    way = rng.integers(5)
    start, stop = sorted(rng.integers(len(data), size=2))
    if way == 0:
        del changed[start:]
    elif way == 1:
        del changed[start:stop]
    elif way == 2:
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif way == 3:
        place = rng.integers(min(len(data) - 4, 200))
        changed[place : place + 4] = bytes(rng.choice([0, 1, 127, 255], 4).tolist())
    else:
        changed[rng.integers(min(len(data), 120))] = rng.integers(256)
    return bytes(changed) if rng.random() < 0.5 else _with_checksums(bytes(changed))


def _with_checksums(data: bytes) -> bytes:
    """Mend the checksums of a PNG, so that what is behind them is reached; others stay."""
    if not data.startswith(png.SIGNATURE):
        return data
    mended, position = png.SIGNATURE, 8
    while position + 12 <= len(data):
        length = min(int.from_bytes(data[position : position + 4], "big"), len(data) - position - 12)
        content = data[position + 4 : position + 8 + length]
        mended += length.to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
        position += 12 + length
    return mended


def _outcome(read: Callable[[Path], np.ndarray], path: Path) -> bool:
    """Whether it was read; an error of another kind than ours ends the test."""
    start = time.perf_counter()
    try:
        return read(path).ndim in (2, 3)
    except SegibnError as error:
        if str(path) not in str(error):
            raise
        return False
    finally:
        assert time.perf_counter() - start < 2


def _pillow_reads(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return True
    except Exception:  # as it comes: the file is damaged
        return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rounds", [8, pytest.param(400, marks=pytest.mark.slow)], ids=["short", "long"])
def test_a_mutated_file_is_read_or_refused_with_its_name(
    rounds: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(int(os.environ.get("SEGIBN_FUZZ_SEED", "0")))
    path = tmp_path / "mutated.png"
    read = 0
    for _ in range(rounds):
        for seed in _seeds():
            data = _mutated(seed, rng)
            path.write_bytes(data)
            outcomes = [_outcome(reader, path) for reader in (read_image, CITYSCAPES.read)]
            assert not any(outcomes) or _pillow_reads(data)
            read += any(outcomes)
    assert read > rounds  # most mutations are refused, but the others must be read
    capfd.readouterr()  # libtiff's own words about damaged files
