"""Read a picture as people see it: upright, three colours of 8 bits.

In: a path to JPEG, PNG, BMP, WebP or TIFF. Out: (H, W, 3) uint8 RGB, or a ``MediaError`` that says
what to do. Data sets are read otherwise (``segibn.files.read_image``): their label maps belong to
the pixels as stored, while these are predicted for viewers, which turn pictures by their EXIF tag.
"""

import struct
from pathlib import Path

import numpy as np
from PIL import (
    BmpImagePlugin,  # noqa: F401
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from segibn.errors import ImageFileError
from segibn.files import Picture
from segibn.media.faults import MediaError, as_media_error

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
"""Pillow's names, each of whose plugins the import below has loaded."""

_ORIENTATION = 0x0112  # EXIF 2.32, table 4
_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_AGAIN = "copy or download it again"
_TO_8_BITS = (
    "its range has no certain meaning; convert it to 8 bits with the scaling that its camera needs"
)


def read_upright(path: Path) -> np.ndarray:
    """Decode a picture as viewers show it.

    The EXIF orientation is applied. Grey and palette pictures become RGB, CMYK is converted
    without a colour profile, an alpha channel is dropped (as ``read_image`` does, so that a frame
    has one prediction). Of several pages or an animation the first picture is taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        MediaError: missing, empty, cut short, no picture of these formats, of more than 8 bits a
            channel, or larger than Pillow takes for safe (``Image.MAX_IMAGE_PIXELS``, twice).
    """
    path = Path(path)
    try:
        picture = Picture(path)  # whole, by its bytes
        with Image.open(path, formats=FORMATS) as image:
            if _is_deep(image, path):
                raise MediaError(path, "more than 8 bits a channel", _TO_8_BITS)
            # MPO is a JPEG with more pictures behind it, from phones and stereo cameras.
            if image.format in ("JPEG", "MPO", "PNG") and image.mode in _PLAIN_MODES:
                # The decoders that data sets are read with, so that pixels are equal to the bit.
                return _turn(picture.image(), _orientation(image))
            return _by_pillow(image)
    except UnidentifiedImageError as error:
        raise MediaError(path, _what_it_is(path), "give a picture, or leave it out") from error
    except Image.DecompressionBombError as error:
        reason = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels"
        raise MediaError(path, reason, "cut it into parts or make it smaller") from error
    except ImageFileError as error:
        raise as_media_error(path, error) from error
    except (OSError, SyntaxError, ValueError, struct.error, MemoryError) as error:
        reason = f"cannot be decoded ({str(error) or type(error).__name__})"
        raise MediaError(path, reason.replace("\n", " "), _AGAIN) from error


_PLAIN_MODES = ("L", "RGB", "RGBA", "LA")


def _is_deep(image: Image.Image, path: Path) -> bool:
    """Whether a channel has more than 8 bits; Pillow cuts some kinds to 8 without a word."""
    if image.mode in _DEEP_MODES:
        return True
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24] > 8  # the bit depth in IHDR: PNG specification, 11.2.2
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return False


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged tag: Pillow raises what it stumbles over; the pixels are fine
        return 1


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation, 1..8; others are none. (H, W, 3) -> the upright picture."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _by_pillow(image: Image.Image) -> np.ndarray:
    upright = image
    if _orientation(image) != 1:
        upright = ImageOps.exif_transpose(image)
    return np.array(upright.convert("RGB"))


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(512)
    try:
        is_text = "\0" not in start.decode("utf-8")
    except UnicodeDecodeError as error:
        is_text = error.start >= len(start) - 4 and b"\0" not in start  # a character cut in two
    kind = "text" if is_text else "no JPEG, PNG, BMP, WebP or TIFF"
    return f"not a picture ({kind} inside)" if is_text else f"not a readable picture ({kind})"
