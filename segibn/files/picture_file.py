"""The file of a picture, and its header held against limits before a decoder makes room for it."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from segibn.errors import ImageFileError, PaletteError, SegibnError
from segibn.files import jpeg, png
from segibn.files.contents import describe
from segibn.text import printable, read_small_file

MAX_PIXELS = 1 << 26
_MAX_BYTES = 1 << 30
_FREE_PIXELS = 1 << 24  # so many are decoded however few bytes declare them,
_PIXELS_PER_BYTE = 4096  # beyond that, no more than any codec packs into a byte
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
_AGAIN = "copy or download it again"
_ORIENTATION = 0x0112  # EXIF 2.32, table 4
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _COMPRESSION = 256, 257, 258, 259  # TIFF 6.0, section 8
_WEBP_KIND = re.compile(rb"VP8[ L]")  # the first chunk of pixels, lossy or lossless (RFC 9649, section 2.5)
_LOSSY_TIFF = {6, 7, 34887, 34892, 50001}  # JPEG, old and new, LERC, lossy DNG, WebP


class PictureFile:
    """A picture's or label map's file, read whole; ImageFileError if it cannot be decoded safely.

    An EXIF orientation is applied, to label maps too: ``size`` is the upright (H, W). Of several
    pages or an animation the first picture is taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.data = read_small_file(self.path, _MAX_BYTES, ImageFileError)
        self.png: png.PngLayout | None = None
        self.jpeg: jpeg.JpegLayout | None = None
        self.orientation = 1  # the EXIF tag, 1..8; 1 is upright as stored
        with self.named():
            if not self.data:
                raise ValueError(f"the file is empty; {_AGAIN}")
            stored = self._read_header()
            _refuse_large(stored, len(self.data), is_packed=self.png is self.jpeg)
        self.size = stored[::-1] if self.orientation >= 5 else stored

    def _read_header(self) -> tuple[int, int]:
        """Keep the layout and the orientation; return (H, W) as stored."""
        if self.data.startswith(png.SIGNATURE):
            self.png = png.read_layout(self.data)
        elif self.data.startswith(jpeg.MAGIC):
            self.jpeg = jpeg.read_layout(self.data)
        known = self.png or self.jpeg
        if known is None or known.has_metadata:
            with self.opened() as image:
                self.orientation = _orientation(image)
                if image.format == "TIFF":  # whose size Pillow turns
                    return int(image.tag_v2[_HEIGHT]), int(image.tag_v2[_WIDTH])  # type: ignore[attr-defined]
                if known is None:
                    return image.height, image.width
        return known.size

    def plain(self, layout: png.PngLayout, box: png.Box | None = None) -> np.ndarray:
        """Decode a window of a plain PNG."""
        if self.orientation == 1:
            return png.decode_window(self.data, layout, box)
        return cut(turned(png.decode_window(self.data, layout), self.orientation), box)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Image.Image]:
        """Open it by Pillow, which raises whatever it stumbles over in a damaged file."""
        from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401 - seldom needed

        if self.png is not None:
            png.verify(self.data, self.png)
        try:
            with Image.open(io.BytesIO(self.data), formats=_FORMATS) as image:
                yield image
        except (SegibnError, ValueError):
            raise
        except Image.UnidentifiedImageError:
            raise ValueError(describe(self.data)) from None
        except Exception as error:
            raise ValueError(f"it cannot be decoded ({_said(error)})") from error

    def upright(self, image: Image.Image) -> Image.Image:
        """Apply the orientation to an image that `opened` gave."""
        return image if self.orientation == 1 else ImageOps.exif_transpose(image)

    def bits(self, image: Image.Image) -> int:
        """Return the bits of a sample; Pillow cuts some kinds of more than 8 without a word."""
        if known := self.png or self.jpeg:
            return known.bits
        if image.format == "TIFF":
            bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
            return max(bits if isinstance(bits, tuple) else (bits,))
        if image.mode.startswith(("I", "F")):
            return 16 if image.mode.startswith("I;16") else 32
        return 1 if image.mode == "1" else 8

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Turn what is wrong with the file into an error that names it."""
        try:
            yield
        except (ValueError, cv2.error, MemoryError, PaletteError) as error:
            reason = _said(error)
            fix = "" if "; " in reason else f"; {_AGAIN}"
            kind = PaletteError if isinstance(error, PaletteError) else ImageFileError
            raise kind(f"{printable(self.path)}: {reason}{fix}") from error


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation to (H, W) or (H, W, C): the upright picture."""
    if orientation == 1:
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def cut(pixels: np.ndarray, box: png.Box | None) -> np.ndarray:
    """Return a window of (H, W) or (H, W, C) as a view; None is all of it."""
    if box is None:
        return pixels
    top, left, bottom, right = box
    return pixels[top:bottom, left:right]


def _refuse_large(size: tuple[int, int], num_bytes: int, is_packed: bool) -> None:
    pixels = size[0] * size[1]
    if min(size) < 1:
        raise ValueError(f"it declares a size of {size[0]}x{size[1]} (H x W)")
    if pixels > MAX_PIXELS:
        raise ValueError(f"more than {MAX_PIXELS} pixels; cut it into parts or make it smaller")
    if is_packed and pixels > max(_FREE_PIXELS, _PIXELS_PER_BYTE * num_bytes):
        raise ValueError("it declares more pixels than its data can hold")


def _said(error: BaseException) -> str:
    text = getattr(error, "err", "") or str(error) or type(error).__name__
    return printable(text)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none or it is damaged."""
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged tag: Pillow raises what it stumbles over; the pixels are fine
        return 1
    return found if found in range(1, 9) else 1


def loss_of(image: Image.Image, data: bytes) -> str:
    """Name the compression that changes values, "" if there is none."""
    if image.format in ("JPEG", "MPO"):
        return "a JPEG"
    kind = _WEBP_KIND.search(data, 12) if image.format == "WEBP" else None
    if kind and kind[0] == b"VP8 ":
        return "a lossy WebP"
    if image.format == "TIFF" and image.tag_v2.get(_COMPRESSION) in _LOSSY_TIFF:  # type: ignore[attr-defined]
        return "a TIFF with lossy compression"
    return ""


def has_several(image: Image.Image) -> bool:
    """Whether a file holds several pages or an animation."""
    with contextlib.suppress(EOFError):
        image.seek(1)
        image.seek(0)
        return True
    return False
