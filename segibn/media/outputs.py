"""What prediction writes for each frame, below one folder, each file whole or absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segibn.errors import ConfigError
from segibn.files.encode import write_image, write_label_png
from segibn.labels.drawing import colorize, overlay
from segibn.labels.marks import with_legend_inside, with_region_names
from segibn.media import FOLDERS
from segibn.media.codecs import CODECS, Codec

LEGEND = "legend.png"  # what the colours mean, in the output folder itself
JOURNAL = "predictions.jsonl"  # what is done, see ``media/journal.py``
_RECORDS = (JOURNAL, "summary.json", "failed.txt")
_LARGEST_JPEG = 65500  # pixels a side that JPEG encoders take
_GAP = 8  # pixels between two pictures
MARKS = {"names": with_region_names, "legend": with_legend_inside}
"""What words in an overlay may say, in the order in which they are drawn."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """Which files are written, where, and how pictures are drawn."""

    folder: Path
    palette: np.ndarray  # (K, 3) uint8 RGB of the label PNGs
    drawn: np.ndarray  # (K,) bool: the classes that pictures show; label maps hold all
    save: tuple[str, ...] | None = None  # see `kinds_of`
    alpha: float = 0.4  # share of the class colour in an overlay, 0..1
    class_names: tuple[str, ...] = ()  # K, for the words in pictures
    marks: tuple[str, ...] = ()  # of `MARKS`, drawn in overlays
    video_shows: str = "overlay"  # one of `SHOWN_IN_VIDEOS`
    codec: Codec = CODECS["mpeg4"]

    def write_frame(
        self,
        name: str,
        image: np.ndarray,
        train_ids: np.ndarray,
        kinds: Sequence[str],
        confidence: np.ndarray | None = None,
    ) -> None:
        """Write the files of one frame (H, W, 3) RGB; of ``kinds`` video is passed over.

        ``confidence``: (H, W) float32 in 0..1, for the kind of that name.
        """
        for kind in kinds:
            stem = self.folder / FOLDERS[kind] / name
            if kind == "labels":
                write_label_png(_with(stem, ".png"), train_ids, self.palette)
            elif kind == "confidence":
                assert confidence is not None
                write_label_png(_with(stem, ".png"), np.rint(255 * confidence).astype(np.uint8))
            elif kind != "video":
                picture = self.draw(kind, image, train_ids)
                plain = kind == "color" or max(picture.shape) > _LARGEST_JPEG
                write_image(_with(stem, ".png" if plain else ".jpg"), picture)

    def draw(self, kind: str, image: np.ndarray, train_ids: np.ndarray) -> np.ndarray:
        """Return the picture of a kind: (h, w, 3) uint8 RGB."""
        colors = np.where(self.drawn[:, None], self.palette, 0).astype(np.uint8)
        if kind == "color":
            return colorize(train_ids, colors)
        laid_over = overlay(image, train_ids, colors, self.alpha)
        for mark in self.marks:
            laid_over = MARKS[mark](laid_over, train_ids, self.class_names, colors)
        if kind == "overlay":
            return laid_over
        left = cv2.copyMakeBorder(image, 0, 0, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        return np.hstack([left, laid_over])

    def video_path(self, name: str) -> Path:
        """Where the video of a source goes."""
        return _with(self.folder / FOLDERS["video"] / name, self.codec.suffix)

    def has(self, name: str, is_video: bool) -> bool:
        """Whether a finished source's files are there; of a video's single frames, the folder."""
        for kind in kinds_of(self.save, is_video):
            stem = self.folder / FOLDERS[kind] / name
            suffixes = (self.codec.suffix,) if kind == "video" else ("",) if is_video else (".png", ".jpg")
            if not any(_with(stem, suffix).exists() for suffix in suffixes):
                return False
        return True


def kinds_of(save: tuple[str, ...] | None, is_video: bool) -> tuple[str, ...]:
    """Return the keys of `FOLDERS` that are saved of an image or a video; None is the default."""
    if save is None:
        return ("video",) if is_video else ("labels", "overlay")
    return tuple(kind for kind in save if is_video or kind != "video")


def _with(stem: Path, suffix: str) -> Path:
    """Append a suffix; the stem may have dots of its own."""
    return stem.with_name(stem.name + suffix)


def places_of(folder: Path) -> list[Path]:
    """Return every place in an output folder that is written to."""
    return [folder / name for name in (LEGEND, *_RECORDS, *FOLDERS.values())]


def chosen_classes(names: Sequence[str], wanted: Sequence[str] | None) -> np.ndarray:
    """Return (K,) bool, which classes to draw; all where ``wanted`` is None."""
    if wanted is None:
        return np.ones(len(names), bool)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise ConfigError(f"--classes: the network knows no '{', '.join(unknown)}'; there are {', '.join(names)}")
    return np.isin(names, wanted)
