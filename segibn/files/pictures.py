"""Decode pictures and label maps: the one reader of training, checks, scores and predictions.

Decoders are lenient (OpenCV returns the part it could read), so completeness is checked on the
bytes. 8-bit PNGs, which most data sets are made of, take the faster road of png.py.
"""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from segibn.errors import PaletteError
from segibn.files import jpeg, png
from segibn.files.label_colors import LabelColors, may_contradict
from segibn.files.picture_file import PictureFile, cut, has_several, loss_of, turned

LabelStorage = Literal["index", "red16"]  # see `read_label_map`

_EXPECTED_LABEL = "expected one class index per pixel: a grey or palette PNG"
_TO_8_BITS = (
    "more than 8 bits a channel; its range has no certain meaning; convert it to 8 bits with the "
    "scaling that its camera needs"
)


class Picture(PictureFile):
    """A picture or a label map; decodes the window that is asked for (of a PNG only that)."""

    def image(self, box: png.Box | None = None) -> np.ndarray:
        """Decode a window of an image -> (h, w, 3) uint8, a view; see `read_image`."""
        with self.named():
            if self.png is not None and self.png.is_plain and self.png.bits == 8:
                return _as_rgb(self.plain(self.png, box), self.png, self.data)
            if self.jpeg is not None and self.jpeg.bits == 8 and self.jpeg.components != 4:
                return cut(turned(_decode_jpeg(self.data, self.jpeg), self.orientation), box)
            with self.opened() as image:
                if self.bits(image) > 8:
                    raise ValueError(_TO_8_BITS)
                return cut(np.array(self.upright(image).convert("RGB")), box)

    def label_map(
        self, box: png.Box | None = None, storage: LabelStorage = "index", colors: LabelColors | None = None
    ) -> np.ndarray:
        """Decode a window of a label map -> (h, w) uint8, a view; see `read_label_map`."""
        with self.named():
            layout = self.png
            if storage == "red16":
                return self._red_of_16_bits(box)
            if layout is not None and layout.is_plain and layout.bits == 8:
                if layout.color_type == png.GREY:
                    return self.plain(layout, box)
                if layout.color_type == png.PALETTE:
                    palette = layout.palette(self.data)
                    if colors is None or not may_contradict(colors, palette.tobytes()):
                        return self.plain(layout, box)
                    return cut(_held_against(self.plain(layout), palette, colors), box)
                return cut(_by_color(self.plain(layout), colors, _kind(layout)), box)
            return cut(self._label_map_by_pillow(colors), box)

    def _label_map_by_pillow(self, colors: LabelColors | None) -> np.ndarray:
        with self.opened() as image:
            kind = self._kind_as_label_map(image)
            upright = self.upright(image)
            if image.mode.startswith("I"):
                return _as_bytes(np.array(upright), kind)
            if image.mode in ("RGB", "RGBA"):
                return _by_color(np.array(upright), colors, kind)
            if image.mode == "LA":
                return _without_alpha(np.array(upright))[..., 0]
            values = np.array(upright.getchannel(0), np.uint8)
            if image.mode == "P" and colors is not None:
                palette = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
                return _held_against(values, palette, colors)
            if image.mode == "L" and self.bits(image) in (2, 4):
                values //= {2: 85, 4: 17}[self.bits(image)]  # undo the stretch to 0..255
            return values

    def _kind_as_label_map(self, image: Image.Image) -> str:
        """Name the kind of file; ValueError for one that cannot be a label map."""
        if loss := loss_of(image, self.data):
            raise ValueError(f"{loss}; its compression changes values. {_EXPECTED_LABEL}")
        if has_several(image):
            raise ValueError(f"several pages or an animation; {_EXPECTED_LABEL}, in one picture")
        kind = f"{self.bits(image)}-bit {image.mode} {image.format}"
        if self.png is not None:
            kind = _kind(self.png)
        if image.mode.startswith("I"):
            return kind
        if self.bits(image) > 8 or image.mode not in ("1", "L", "P", "LA", "RGB", "RGBA"):
            raise ValueError(f"{kind}; {_EXPECTED_LABEL}")
        return kind

    def _red_of_16_bits(self, box: png.Box | None) -> np.ndarray:
        layout = self.png
        is_deep = layout is not None and layout.bits == 16 and layout.is_plain
        if layout is None or not is_deep or layout.color_type not in (png.RGB, png.RGBA):
            kind = "not a PNG" if layout is None else _kind(layout)
            raise ValueError(
                f"{kind}; expected a 16-bit RGB PNG with the class in its first channel: the "
                "label files as published, not a converted or coloured copy"
            )
        red = self.plain(layout, box)[..., 0]
        if red.max() > 255:
            raise ValueError(f"holds the class {red.max()}; a class is at most 255")
        return red.astype(np.uint8)

    def instance_map(self) -> np.ndarray:
        """Decode a grey PNG of 8 or 16 bits, such as Cityscapes' instanceIds -> (H, W) uint16."""
        with self.named():
            layout = self.png
            if layout is None or layout.color_type != png.GREY or layout.bits < 8:
                raise ValueError("expected a grey PNG of 8 or 16 bits")
            if layout.is_plain:
                return self.plain(layout).astype(np.uint16, copy=False)
            with self.opened() as image:
                return np.array(self.upright(image)).astype(np.uint16, copy=False)


def read_image(path: Path) -> np.ndarray:
    """Decode a JPEG, PNG, BMP, WebP or TIFF as viewers show it -> (H, W, 3) uint8 RGB.

    Content tells the kind. An EXIF orientation is applied, CMYK is converted without a colour
    profile, an alpha channel is dropped. ImageFileError for what is damaged or has more than 8 bits
    a channel, whose range only the camera's maker knows.
    """
    return Picture(path).image()


def image_size(path: Path) -> tuple[int, int]:
    """Read a picture's upright (H, W) from its header, without decoding it."""
    return Picture(path).size


def read_label_map(path: Path, storage: LabelStorage = "index", colors: LabelColors | None = None) -> np.ndarray:
    """Read a label map's raw values -> (H, W) uint8 as stored, not yet train ids.

    Grey files of 1 to 16 bits give the stored numbers, palette files their indices, whose colours
    must not contradict ``colors`` (PaletteError), RGB files are read by ``colors``; alpha is
    dropped. Lossy files are refused. ``storage`` red16 is an RGB PNG of 16 bits whose first channel
    holds the class (SYNTHIA, which keeps the instance in the second).
    """
    return Picture(path).label_map(storage=storage, colors=colors)


def _decode_jpeg(data: bytes, layout: jpeg.JpegLayout) -> np.ndarray:
    # OpenCV before 4.11 gives BGR alone; to turn it round takes a copy of the frame.
    is_rgb = hasattr(cv2, "IMREAD_COLOR_RGB")
    flags = (cv2.IMREAD_COLOR_RGB if is_rgb else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None or image.shape[:2] != layout.size:
        raise ValueError(png.DAMAGED)
    return image if is_rgb else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _as_rgb(pixels: np.ndarray, layout: png.PngLayout, data: bytes) -> np.ndarray:
    if layout.color_type == png.PALETTE:
        colors = np.zeros((256, 3), np.uint8)
        palette = layout.palette(data)
        colors[: len(palette)] = palette
        return colors[pixels]
    if pixels.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2RGB)
    return pixels[..., :3]


def _kind(layout: png.PngLayout) -> str:
    return f"{layout.bits}-bit {png.KINDS[layout.color_type]} PNG"


def _by_color(image: np.ndarray, colors: LabelColors | None, kind: str) -> np.ndarray:
    """Values (H, W) of an RGB(A) label map, or of a grey one that was saved so."""
    if image.shape[-1] == 4:
        image = _without_alpha(image)
    if colors is not None:
        return colors.values_of(image)
    if (image == image[..., :1]).all():
        return np.ascontiguousarray(image[..., 0])
    raise ValueError(f"{kind}; {_EXPECTED_LABEL}, or the colours of a label table whose rows have a `color`")


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Drop the last channel of (H, W, C), unless it alone tells the pixels apart."""
    colors, alpha = pixels[..., :-1], pixels[..., -1]
    if (alpha != alpha[0, 0]).any() and (colors == colors[0, 0]).all():
        raise ValueError(
            "its pixels differ in their alpha channel alone, which is not read; save that channel "
            "as a grey PNG of class indices"
        )
    return colors


def _held_against(values: np.ndarray, palette: np.ndarray, colors: LabelColors) -> np.ndarray:
    """Return (H, W) palette indices; PaletteError where the palette contradicts the table."""
    used = np.flatnonzero(np.bincount(values.ravel())).tolist()
    if problem := colors.contradiction(palette, used):
        raise PaletteError(problem)
    return values


def _as_bytes(values: np.ndarray, kind: str) -> np.ndarray:
    beyond = (values < 0) | (values > 255)
    if beyond.any():
        row, column = map(int, np.argwhere(beyond)[0])
        raise ValueError(
            f"{kind} with the value {values[row, column]} at row {row}, column {column}; a class "
            f"index is at most 255. {_EXPECTED_LABEL}"
        )
    return values.astype(np.uint8)
