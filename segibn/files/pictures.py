"""Decode pictures and label maps.

In: paths. Out: numpy arrays, RGB, uint8, (H, W) order. Decoders are lenient
about damaged files (OpenCV returns the part it could read), so completeness is checked on the
bytes before decoding. 8-bit PNGs, which most data sets are made of, take the faster road of png.py.

Legend: H x W pixels.
"""

import io
import struct
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from segibn.errors import ImageFileError
from segibn.files import png

LabelStorage = Literal["index", "red16"]
"""How a label map's file holds its values; see `read_label_map`."""

_PNG_END = b"IEND\xaeB\x60\x82"  # the last chunk's type and its constant checksum
_PNG_KINDS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_EXPECTED_LABEL = "expected one class index per pixel: an 8-bit grey or a palette PNG"


class Picture:
    """A picture's or label map's file, read whole; decodes the window that is asked for.

    The pixels of a window are those of the whole picture, cut out; of a PNG only what the window
    needs is decoded.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ImageFileError: it is missing, empty or truncated.
        """
        self.path = Path(path)
        self._data = _read_picture_bytes(self.path)
        self._layout = png.read_layout(self._data)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), from the header.

        Raises:
            ImageFileError: not a picture.
        """
        if self._layout is not None:
            return self._layout.size
        return _size_in_header(io.BytesIO(self._data), self.path)

    def image(self, box: png.Box | None = None) -> np.ndarray:
        """Decode a window of an image; for the kinds of pictures see `read_image`.

        Args:
            box: top, left, bottom, right; None for all of it.

        Returns:
            (h, w, 3) uint8, RGB; with a box, a view.

        Raises:
            ImageFileError: not a picture, or damaged.
        """
        if self._layout is not None and self._layout.color_type == png.RGB:
            pixels = png.decode_window(self._data, self._layout, box)
            if pixels is not None:
                return pixels
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = _cut(_decode(self._data, flags, self.path), box)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image if box is None else None)

    def label_map(self, box: png.Box | None = None, storage: LabelStorage = "index") -> np.ndarray:
        """Decode a window of a label map; for the kinds of label maps see `read_label_map`.

        Args:
            box: top, left, bottom, right; None for all of it.
            storage: how the file holds its values.

        Returns:
            (h, w) uint8 values as stored; with a box, a view.

        Raises:
            ImageFileError: not a label map, or damaged.
        """
        if storage == "red16":
            return _cut(_red_of_16_bits(self._data, self.path), box)
        if self._layout is not None and self._layout.color_type != png.RGB:
            values = png.decode_window(self._data, self._layout, box)
            if values is not None:
                return values
        return _cut(_whole_label_map(self._data, self.path), box)


def read_image(path: Path) -> np.ndarray:
    """Decode a picture.

    Grey and palette pictures become RGB, an alpha channel is dropped, 16 bits become 8. Pixels
    come as stored: an EXIF rotation is not applied, because label maps do not carry one.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageFileError: the file is missing, truncated or not a picture.
    """
    return Picture(path).image()


def image_size(path: Path) -> tuple[int, int]:
    """Read a picture's (H, W) from its header, without decoding it."""
    return _size_in_header(path, path)


def read_label_map(path: Path, storage: LabelStorage = "index") -> np.ndarray:
    """Read a label map's raw values; a palette PNG gives its indices, never its colours.

    Grey PNGs of 1, 2 and 4 bits give the stored numbers too (decoders stretch them to 0..255).

    Args:
        path: the file.
        storage: "index" for one value per pixel; "red16" for an RGB PNG of 16 bits whose first
            channel holds the class (SYNTHIA, which keeps the instance in the second).

    Returns:
        (H, W) uint8 values as stored, not yet train ids.

    Raises:
        ImageFileError: the file is missing, truncated, or not stored in this way.
    """
    return Picture(path).label_map(storage=storage)


def read_instance_map(path: Path) -> np.ndarray:
    """Read a single-channel PNG of 8 or 16 bits, such as Cityscapes' instanceIds.

    Returns:
        (H, W) uint16 values as stored.

    Raises:
        ImageFileError: the file is missing, truncated, or of another kind.
    """
    data = _read_picture_bytes(Path(path))
    if not data.startswith(png.SIGNATURE) or (data[24], data[25]) not in ((8, 0), (16, 0)):
        raise ImageFileError(f"{path}: expected a grey PNG of 8 or 16 bits")
    return _decode(data, cv2.IMREAD_UNCHANGED, Path(path)).astype(np.uint16, copy=False)


def _read_picture_bytes(path: Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ImageFileError(f"{path}: no such file") from error
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise ImageFileError(f"{path}: the file is empty; copy or download it again")
    if not _is_complete(data):
        raise ImageFileError(f"{path}: the file is cut short; copy or download it again")
    return data


def _size_in_header(file: Path | io.BytesIO, path: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.height, image.width
    except FileNotFoundError as error:
        raise ImageFileError(f"{path}: no such file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{path}: not a readable picture ({error})") from error


def _is_complete(data: bytes) -> bool:
    """Say whether a PNG or JPEG has its end marker; other kinds are left to their decoder."""
    if data.startswith(png.SIGNATURE[:4]):
        return data.rfind(_PNG_END) > 33  # after a whole header
    if data.startswith(b"\xff\xd8"):
        # Only after the first scan: a thumbnail in the header has an end marker of its own.
        return data.find(b"\xff\xd9", _jpeg_scan_start(data)) > 0
    return True


def _jpeg_scan_start(data: bytes) -> int:
    """Return where the first scan's data begins, or the end of ``data`` if there is none."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
        if marker == 0xDA:
            return position
    return len(data)


def _cut(pixels: np.ndarray, box: png.Box | None) -> np.ndarray:
    if box is None:
        return pixels
    top, left, bottom, right = box
    return pixels[top:bottom, left:right]


def _decode(data: bytes, flags: int, path: Path) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageFileError(f"{path}: not a readable picture ({error.err})") from error
    if image is None:
        raise ImageFileError(f"{path}: not a readable picture, or its data is damaged")
    return image


def _whole_label_map(data: bytes, path: Path) -> np.ndarray:
    if not data.startswith(png.SIGNATURE):
        return _label_map_by_pillow(data, path)
    bit_depth, color_type = data[24], data[25]
    if color_type not in (0, 3) or bit_depth > 8:
        kind = f"{bit_depth}-bit {_PNG_KINDS.get(color_type, 'unknown')} PNG"
        raise ImageFileError(f"{path}: {kind}; {_EXPECTED_LABEL}")
    if color_type == 0 and bit_depth == 8:
        return _decode(data, cv2.IMREAD_GRAYSCALE, path)
    label_map = _label_map_by_pillow(data, path)
    if color_type == 0:
        label_map //= {1: 1, 2: 85, 4: 17}[bit_depth]  # undo the stretch of 2 and 4 bits
    return label_map


def _red_of_16_bits(data: bytes, path: Path) -> np.ndarray:
    """The first channel of a 16-bit RGB PNG as (H, W) uint8; Pillow would cut it to 8 bits."""
    is_png = data.startswith(png.SIGNATURE)
    if not is_png or (data[24], data[25]) not in ((16, 2), (16, 6)):
        kind = "not a PNG"
        if is_png:
            kind = f"{data[24]}-bit {_PNG_KINDS.get(data[25], 'unknown')} PNG"
        raise ImageFileError(
            f"{path}: {kind}; expected a 16-bit RGB PNG with the class in its first channel: the "
            "label files as published, not a converted or coloured copy"
        )
    red = _decode(data, cv2.IMREAD_UNCHANGED, path)[:, :, 2]  # OpenCV's order is BGR
    if red.max() > 255:
        raise ImageFileError(f"{path}: holds the class {red.max()}; a class is at most 255")
    return red.astype(np.uint8)


def _label_map_by_pillow(data: bytes, path: Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format == "JPEG":
                raise ImageFileError(
                    f"{path}: a JPEG; its compression changes values. {_EXPECTED_LABEL}"
                )
            if image.mode not in ("L", "P", "1"):
                kind = f"{image.format} of mode {image.mode}"
                raise ImageFileError(f"{path}: {kind}; {_EXPECTED_LABEL}")
            return np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{path}: not a readable label map ({error})") from error
