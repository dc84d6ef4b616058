"""Pictures of label maps: colours, overlays, errors, captioned panels and legends.

In: images (H, W, 3) uint8 RGB, train ids (H, W) uint8 in [0, K) or 255, palettes (K, 3) uint8 RGB.
Out: (H, W, 3) uint8 RGB.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont, ImageFont, load_default

from segibn.labels.label_set import IGNORE_INDEX, Color

RIGHT_COLOR: Color = (226, 230, 233)
WRONG_COLOR: Color = (208, 40, 46)
IGNORED_COLOR: Color = (70, 74, 80)

_PAPER: Color = (255, 255, 255)
_INK: Color = (28, 32, 38)
_SWATCH_EDGE: Color = (150, 150, 150)
_SMALLEST_FONT, _PLAIN_FONT = 11, 17  # pixels of height
_GAP = 8  # pixels between cells
_PIXELS_OF_LINE = 500  # of a frame's shorter side, for each pixel of an outline's width
_ROWS_AT_A_TIME = 64  # of an overlay: what is drawn on the way stays in the cache
_CELL_WIDTHS = (320, 640)  # smallest and largest width of a panel's cells unless told


def colorize(train_ids: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Draw each class in its colour; values outside [0, K), such as 255, become black."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return cv2.LUT(cv2.cvtColor(train_ids, cv2.COLOR_GRAY2RGB), table)


def overlay(image: np.ndarray, train_ids: np.ndarray, palette: np.ndarray, alpha: float = 0.4) -> np.ndarray:
    """Lay class colours over a copy of a frame, with outlines in full colour.

    Ignored pixels and black classes show the frame alone. ``alpha``: share of the colour, 0..1.
    """
    if image.shape[:2] != train_ids.shape:
        raise ValueError(f"frame {image.shape[:2]} and label map {train_ids.shape} differ in size")
    is_painted = np.zeros(256, np.uint8)
    is_painted[: len(palette)] = palette.any(axis=1)
    line = max(1, round(min(train_ids.shape) / _PIXELS_OF_LINE))
    picture = image.copy()
    for top in range(0, len(image), _ROWS_AT_A_TIME):
        ids, part = train_ids[top : top + _ROWS_AT_A_TIME], picture[top : top + _ROWS_AT_A_TIME]
        colors = colorize(ids, palette)
        painted: np.ndarray = cv2.LUT(ids, is_painted)
        cv2.copyTo(cv2.addWeighted(part, 1.0 - alpha, colors, alpha, 0.0), painted, part)
        edges = outlines(train_ids[top : top + _ROWS_AT_A_TIME + line], line)[: len(ids)]
        cv2.copyTo(colors, edges & painted, part)
    return picture


def outlines(train_ids: np.ndarray, width: int = 1) -> np.ndarray:
    """Return (H, W) uint8, 1 where a pixel of another class is within ``width``, down or to the right, else 0."""
    kernel = np.ones((width + 1, width + 1), np.uint8)
    anchor = (0, 0)
    dilated = cv2.dilate(train_ids, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    eroded = cv2.erode(train_ids, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(dilated != eroded).view(np.uint8)


def error_map(target: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Show where a prediction is right (light grey), wrong (red) and not scored (dark grey)."""
    if target.shape != pred.shape:
        raise ValueError(f"target {target.shape} and prediction {pred.shape} differ in size")
    outcome = np.where(target == pred, 0, 1).astype(np.uint8)
    outcome[target == IGNORE_INDEX] = 2
    return colorize(outcome, np.array([RIGHT_COLOR, WRONG_COLOR, IGNORED_COLOR], np.uint8))


def panel(
    rows: Sequence[Sequence[np.ndarray | None]],
    column_titles: Sequence[str],
    row_titles: Sequence[str] | None = None,
    cell_size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Set pictures of any sizes side by side on white, with titles; None leaves a cell empty.

    ``cell_size``: (H, W) of a cell; None takes the first picture's, at a width of 320 to 640.
    """
    if cell_size is None:
        first = next(picture for row in rows for picture in row if picture is not None)
        width = int(np.clip(first.shape[1], *_CELL_WIDTHS))
        cell_size = max(1, round(first.shape[0] * width / first.shape[1])), width
    height, width = cell_size
    size = max(_PLAIN_FONT, width // 24)  # large pictures are looked at scaled down
    left = _GAP + (_widest(row_titles, size) + _GAP if row_titles else 0)
    top = 2 * _GAP + round(1.2 * size)
    sheet_width = left + len(column_titles) * (width + _GAP)
    sheet = Image.new("RGB", (sheet_width, top + len(rows) * (height + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(column_titles):
        center = left + column * (width + _GAP) + width / 2
        draw.text((center, top / 2), title, _INK, _fitting_font(title, size, width), anchor="mm")
    for index, row in enumerate(rows):
        y = top + index * (height + _GAP)
        if row_titles:
            place = (_GAP, y + height / 2)
            draw.multiline_text(place, row_titles[index], _INK, load_default(size), anchor="lm")
        for column, picture in enumerate(row):
            if picture is not None:
                fitted = _fit(picture, height, width)
                x = left + column * (width + _GAP) + (width - fitted.shape[1]) // 2
                sheet.paste(Image.fromarray(fitted), (x, y + (height - fitted.shape[0]) // 2))
    return np.asarray(sheet).copy()


def frame_sheet(image: np.ndarray, target: np.ndarray, pred: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Set a scored frame, its truth, its prediction and the errors side by side."""
    truth, prediction = (overlay(image, one, palette) for one in (target, pred))
    row = [image, truth, prediction, error_map(target, pred)]
    return panel([row], ["frame", "truth", "prediction", "errors"])


def legend(class_names: Sequence[str], palette: np.ndarray, width: int = 960) -> np.ndarray:
    """Draw a colour swatch and a name for each class, in columns as wide as the longest name."""
    swatch = max(_PLAIN_FONT, width // 100)
    line = round(1.5 * swatch)
    entry = swatch + 6 + _widest(class_names, swatch) + 2 * _GAP
    per_line = max(1, (width - _GAP) // entry)
    lines = -(-len(class_names) // per_line)
    per_line = -(-len(class_names) // lines)  # evenly filled lines
    sheet = Image.new("RGB", (width, lines * line + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (name, color) in enumerate(zip(class_names, palette, strict=True)):
        x = _GAP + (index % per_line) * entry
        y = _GAP // 2 + (index // per_line) * line
        box = (x, y, x + swatch, y + swatch)
        draw.rectangle(box, fill=tuple(int(value) for value in color), outline=_SWATCH_EDGE)
        draw.text((x + swatch + 6, y + swatch / 2), name, _INK, load_default(swatch), anchor="lm")
    return np.asarray(sheet).copy()


def with_legend(picture: np.ndarray, class_names: Sequence[str], palette: np.ndarray) -> np.ndarray:
    """Set a legend under a picture, at the picture's width."""
    return np.vstack([picture, legend(class_names, palette, picture.shape[1])])


def _fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale into (height, width) with proportions kept: averaged when shrunk, else repeated."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return cv2.resize(picture, size, interpolation=method)


def _fitting_font(text: str, size: int, width: int) -> FreeTypeFont | ImageFont:
    fonts = (load_default(smaller) for smaller in range(size, _SMALLEST_FONT, -1))
    smallest = load_default(_SMALLEST_FONT)
    return next((font for font in fonts if font.getlength(text) <= width), smallest)


def _widest(texts: Sequence[str], size: int) -> int:
    font = load_default(size)
    return int(max(font.getlength(line) for text in texts for line in text.split("\n"))) + 1
