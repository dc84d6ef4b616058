"""What Pillow's open images do not say in one place: orientation, stored size, bits, loss.

In: an image that Pillow has opened but not decoded. Out: plain values.
"""

import contextlib

from PIL import Image

_ORIENTATION = 0x0112  # EXIF 2.32, table 4
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _COMPRESSION = 256, 257, 258, 259  # TIFF 6.0, section 8
_LOSSY_TIFF = {6, 7, 34887, 34892, 50001}  # JPEG, old and new, LERC, lossy DNG, WebP


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none or it is damaged."""
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged tag: Pillow raises what it stumbles over; the pixels are fine
        return 1
    return found if found in range(1, 9) else 1


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(H, W) before the orientation; Pillow turns the size of a TIFF."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        return int(tags[_HEIGHT]), int(tags[_WIDTH])
    return image.height, image.width


def bits_of(image: Image.Image) -> int:
    """Bits of a sample; Pillow cuts some kinds of more than 8 to 8 without a word."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,))
    if image.mode.startswith(("I", "F")):
        return 16 if image.mode.startswith("I;16") else 32
    return 1 if image.mode == "1" else 8


def loss_of(image: Image.Image, data: bytes) -> str:
    """Name the compression that changes values, "" if there is none."""
    if image.format in ("JPEG", "MPO"):
        return "a JPEG"
    if image.format == "WEBP" and _is_lossy_webp(data):
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


def _is_lossy_webp(data: bytes) -> bool:
    """Whether a chunk of the WebP container holds VP8 and not VP8L (RFC 9649, section 2.5)."""
    position = 12
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        # A frame of an animation begins with 16 bytes of its own.
        position += 24 if kind == b"ANMF" else 8 + length + length % 2
    return True
