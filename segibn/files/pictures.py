"""Decode pictures and label maps: the one reader of training, checks, scores and predictions.

In: paths. Out: numpy arrays, upright, (H, W) order. JPEG, PNG, BMP, WebP and TIFF are read, told by
their content. What a header declares is held against limits before a decoder makes room for it,
and decoders are lenient (OpenCV returns the part it could read), so completeness is checked on the
bytes. 8-bit PNGs, which most data sets are made of, take the faster road of png.py.

Legend: H x W pixels.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageOps

from segibn.errors import ImageFileError, PaletteError, SegibnError
from segibn.files import jpeg, pillow_facts, png
from segibn.files.contents import describe
from segibn.files.label_colors import LabelColors, may_contradict
from segibn.text import printable, read_small_file

LabelStorage = Literal["index", "red16"]
"""How a label map's file holds its values; see `read_label_map`."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Of the kinds that are read, in small letters; they are compared without regard to case."""

MAX_PIXELS = 1 << 27
_MAX_BYTES = 1 << 30
_FREE_PIXELS = 1 << 24  # so many are decoded however few bytes declare them,
_PIXELS_PER_BYTE = 4096  # beyond that, no more than any codec packs into a byte
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
_AGAIN = "copy or download it again"
_EXPECTED_LABEL = (
    "expected one class index per pixel (grey or palette), or the colours of the label table in RGB"
)
_TO_8_BITS = (
    "more than 8 bits a channel; its range has no certain meaning; convert it to 8 bits with the "
    "scaling that its camera needs"
)


class Picture:
    """A picture's or label map's file, read whole; decodes the window that is asked for.

    Pictures are upright: an EXIF orientation is applied, to label maps too. Of several pages or an
    animation the first picture is taken. The pixels of a window are those of the whole picture, cut
    out; of a PNG only what the window needs is decoded.

    Attributes:
        path: of the file.
        size: (H, W), upright, from the header.
        orientation: the EXIF tag, 1..8; 1 is upright as stored.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ImageFileError: missing, no regular file, not a picture of the kinds that are read,
                truncated, or larger than `MAX_PIXELS`.
        """
        self.path = Path(path)
        self._data = read_small_file(self.path, _MAX_BYTES, ImageFileError)
        self._png: png.PngLayout | None = None
        self._jpeg: jpeg.JpegLayout | None = None
        self.orientation = 1
        with self._named():
            if not self._data:
                raise ValueError(f"the file is empty; {_AGAIN}")
            stored = self._read_header()
            _refuse_large(stored, len(self._data), is_packed=self._png is self._jpeg)
        self.size = stored[::-1] if self.orientation >= 5 else stored

    def image(self, box: png.Box | None = None) -> np.ndarray:
        """Decode a window of an image; for the kinds of pictures see `read_image`.

        Args:
            box: top, left, bottom, right; None for all of it.

        Returns:
            (h, w, 3) uint8, RGB; with a box, a view.

        Raises:
            ImageFileError: damaged, or of more than 8 bits a channel.
        """
        with self._named():
            if self._png is not None and self._png.is_plain and self._png.bits == 8:
                return _as_rgb(self._plain(self._png, box), self._png, self._data)
            if self._jpeg is not None and self._jpeg.bits == 8 and self._jpeg.components != 4:
                return _cut(_turn(_decode_jpeg(self._data, self._jpeg), self.orientation), box)
            with self._open() as image:
                if self._bits(image) > 8:
                    raise ValueError(_TO_8_BITS)
                return _cut(np.array(self._upright(image).convert("RGB")), box)

    def label_map(
        self,
        box: png.Box | None = None,
        storage: LabelStorage = "index",
        colors: LabelColors | None = None,
    ) -> np.ndarray:
        """Decode a window of a label map; for the kinds of label maps see `read_label_map`.

        Args:
            box: top, left, bottom, right; None for all of it.
            storage: how the file holds its values.
            colors: of the label table.

        Returns:
            (h, w) uint8 values as stored; with a box, a view.

        Raises:
            ImageFileError: not a label map, or damaged.
            PaletteError: its palette contradicts the table.
        """
        with self._named():
            layout = self._png
            if storage == "red16":
                return self._red_of_16_bits(box)
            if layout is not None and layout.is_plain and layout.bits == 8:
                if layout.color_type == png.GREY:
                    return self._plain(layout, box)
                if layout.color_type == png.PALETTE:
                    palette = layout.palette(self._data)
                    if colors is None or not may_contradict(colors, palette.tobytes()):
                        return self._plain(layout, box)
                    return _cut(_held_against(self._plain(layout), palette, colors), box)
                return _cut(_by_color(self._plain(layout)[..., :3], colors, _kind(layout)), box)
            return _cut(self._label_map_by_pillow(colors), box)

    def _read_header(self) -> tuple[int, int]:
        """(H, W) as stored; keeps the layout and the orientation."""
        if self._data.startswith(png.SIGNATURE):
            self._png = png.read_layout(self._data)
        elif self._data.startswith(jpeg.MAGIC):
            self._jpeg = jpeg.read_layout(self._data)
        known = self._png or self._jpeg
        if known is None or known.has_metadata:
            with self._open() as image:
                self.orientation = pillow_facts.orientation(image)
                return known.size if known else pillow_facts.stored_size(image)
        return known.size

    def _plain(self, layout: png.PngLayout, box: png.Box | None = None) -> np.ndarray:
        """Decode a window of a plain PNG."""
        if self.orientation == 1:
            return png.decode_window(self._data, layout, box)
        return _cut(_turn(png.decode_window(self._data, layout), self.orientation), box)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Image.Image]:
        """Open it by Pillow, which raises whatever it stumbles over in a damaged file."""
        from PIL import TiffImagePlugin, WebPImagePlugin  # noqa: F401 - seldom needed

        if self._png is not None:
            png.verify(self._data, self._png)
        try:
            with Image.open(io.BytesIO(self._data), formats=_FORMATS) as image:
                yield image
        except (SegibnError, ValueError):
            raise
        except Image.UnidentifiedImageError:
            raise ValueError(describe(self._data)) from None
        except Exception as error:
            raise ValueError(f"it cannot be decoded ({_said(error)})") from error

    def _upright(self, image: Image.Image) -> Image.Image:
        return image if self.orientation == 1 else ImageOps.exif_transpose(image)

    def _bits(self, image: Image.Image) -> int:
        known = self._png or self._jpeg
        return pillow_facts.bits_of(image) if known is None else known.bits

    def _label_map_by_pillow(self, colors: LabelColors | None) -> np.ndarray:
        with self._open() as image:
            kind = self._kind_as_label_map(image)
            upright = self._upright(image)
            if image.mode.startswith("I"):
                return _as_bytes(np.array(upright), kind)
            if image.mode in ("RGB", "RGBA"):
                return _by_color(np.array(upright)[..., :3], colors, kind)
            values = np.array(upright.getchannel(0), np.uint8)
            if image.mode == "P" and colors is not None:
                palette = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
                return _held_against(values, palette, colors)
            if image.mode == "L" and self._bits(image) in (2, 4):
                values //= {2: 85, 4: 17}[self._bits(image)]  # undo the stretch to 0..255
            return values

    def _kind_as_label_map(self, image: Image.Image) -> str:
        """Name the kind of file; ValueError for one that cannot be a label map."""
        if loss := pillow_facts.loss_of(image, self._data):
            raise ValueError(f"{loss}; its compression changes values. {_EXPECTED_LABEL}")
        if pillow_facts.has_several(image):
            raise ValueError(f"several pages or an animation; {_EXPECTED_LABEL}, in one picture")
        kind = f"{self._bits(image)}-bit {image.mode} {image.format}"
        if self._png is not None:
            kind = _kind(self._png)
        if image.mode.startswith("I"):
            return kind
        if self._bits(image) > 8 or image.mode not in ("1", "L", "P", "LA", "RGB", "RGBA"):
            raise ValueError(f"{kind}; {_EXPECTED_LABEL}")
        return kind

    def _red_of_16_bits(self, box: png.Box | None) -> np.ndarray:
        """The first channel of a 16-bit RGB PNG as (h, w) uint8."""
        layout = self._png
        is_deep = layout is not None and layout.bits == 16 and layout.is_plain
        if layout is None or not is_deep or layout.color_type not in (png.RGB, png.RGBA):
            kind = "not a PNG" if layout is None else _kind(layout)
            raise ValueError(
                f"{kind}; expected a 16-bit RGB PNG with the class in its first channel: the "
                "label files as published, not a converted or coloured copy"
            )
        red = self._plain(layout, box)[..., 0]
        if red.max() > 255:
            raise ValueError(f"holds the class {red.max()}; a class is at most 255")
        return red.astype(np.uint8)

    def instance_map(self) -> np.ndarray:
        """Decode it as `read_instance_map` does."""
        with self._named():
            layout = self._png
            if layout is None or layout.color_type != png.GREY or layout.bits < 8:
                raise ValueError("expected a grey PNG of 8 or 16 bits")
            if layout.is_plain:
                return self._plain(layout).astype(np.uint16, copy=False)
            with self._open() as image:
                return np.array(self._upright(image)).astype(np.uint16, copy=False)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what is wrong with the file into an error that names it."""
        try:
            yield
        except (ValueError, cv2.error, MemoryError) as error:
            reason = _said(error)
            fix = "" if "; " in reason else f"; {_AGAIN}"
            kind = PaletteError if isinstance(error, _ContradictionError) else ImageFileError
            raise kind(f"{printable(self.path)}: {reason}{fix}") from error


def read_image(path: Path) -> np.ndarray:
    """Decode a picture as viewers show it.

    An EXIF orientation is applied. Grey and palette pictures become RGB, CMYK is converted without
    a colour profile, an alpha channel is dropped. More than 8 bits a channel are refused, as only
    the camera's maker knows what the range means.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageFileError: the file is missing, truncated, damaged or not a picture of these kinds.
    """
    return Picture(path).image()


def image_size(path: Path) -> tuple[int, int]:
    """Read a picture's upright (H, W) from its header, without decoding it."""
    return Picture(path).size


def read_label_map(
    path: Path, storage: LabelStorage = "index", colors: LabelColors | None = None
) -> np.ndarray:
    """Read a label map's raw values.

    Grey files of 1 to 16 bits give the stored numbers (decoders stretch 2 and 4 bits to 0..255),
    palette files their indices, whose colours must not contradict ``colors``; an alpha channel is
    dropped. With ``colors`` an RGB file is read by them; see `LabelColors`. Lossy files (JPEG, most
    WebP) are refused. `LabelSet.read` passes what belongs to a label table.

    Args:
        path: the file.
        storage: "index" for one value per pixel; "red16" for an RGB PNG of 16 bits whose first
            channel holds the class (SYNTHIA, which keeps the instance in the second).
        colors: of the label table.

    Returns:
        (H, W) uint8 values as stored, not yet train ids.

    Raises:
        ImageFileError: the file is missing, truncated, or not stored in this way.
        PaletteError: its palette contradicts the table.
    """
    return Picture(path).label_map(storage=storage, colors=colors)


def read_instance_map(path: Path) -> np.ndarray:
    """Read a single-channel PNG of 8 or 16 bits, such as Cityscapes' instanceIds.

    Returns:
        (H, W) uint16 values as stored.

    Raises:
        ImageFileError: the file is missing, truncated, or of another kind.
    """
    return Picture(path).instance_map()


def _refuse_large(size: tuple[int, int], num_bytes: int, is_packed: bool) -> None:
    """Hold the declared size against what is decoded; ``is_packed``: of a kind not looked into."""
    pixels = size[0] * size[1]
    if min(size) < 1:
        raise ValueError(f"it declares a size of {size[0]}x{size[1]} (H x W)")
    if pixels > MAX_PIXELS:
        raise ValueError(f"more than {MAX_PIXELS} pixels; cut it into parts or make it smaller")
    if is_packed and pixels > max(_FREE_PIXELS, _PIXELS_PER_BYTE * num_bytes):
        raise ValueError("it declares more pixels than its data can hold")


def _decode_jpeg(data: bytes, layout: jpeg.JpegLayout) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None or image.shape[:2] != layout.size:
        raise ValueError(png.DAMAGED)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _as_rgb(pixels: np.ndarray, layout: png.PngLayout, data: bytes) -> np.ndarray:
    """Pixels of a plain PNG as (h, w, 3) RGB."""
    if layout.color_type == png.PALETTE:
        colors = np.zeros((256, 3), np.uint8)
        palette = layout.palette(data)
        colors[: len(palette)] = palette
        return colors[pixels]
    if pixels.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2RGB)
    return pixels[..., :3]


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
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


def _cut(pixels: np.ndarray, box: png.Box | None) -> np.ndarray:
    if box is None:
        return pixels
    top, left, bottom, right = box
    return pixels[top:bottom, left:right]


def _kind(layout: png.PngLayout) -> str:
    return f"{layout.bits}-bit {png.KINDS[layout.color_type]} PNG"


def _by_color(image: np.ndarray, colors: LabelColors | None, kind: str) -> np.ndarray:
    """Values (H, W) of an RGB label map."""
    if colors is None:
        raise ValueError(f"{kind}; {_EXPECTED_LABEL}")
    return colors.values_of(image)


def _held_against(values: np.ndarray, palette: np.ndarray, colors: LabelColors) -> np.ndarray:
    """Return indices (H, W) whose palette does not contradict the table."""
    used = np.flatnonzero(np.bincount(values.ravel())).tolist()
    if problem := colors.contradiction(palette, used):
        raise _ContradictionError(problem)
    return values


class _ContradictionError(ValueError):
    """A palette that the label table contradicts."""


def _as_bytes(values: np.ndarray, kind: str) -> np.ndarray:
    """Values of more than 8 bits, (H, W), as uint8."""
    beyond = (values < 0) | (values > 255)
    if beyond.any():
        row, column = map(int, np.argwhere(beyond)[0])
        raise ValueError(
            f"{kind} with the value {values[row, column]} at row {row}, column {column}; a class "
            f"index is at most 255. {_EXPECTED_LABEL}"
        )
    return values.astype(np.uint8)


def _said(error: BaseException) -> str:
    text = getattr(error, "err", "") or str(error) or type(error).__name__
    return printable(text)
