"""What prediction writes for each frame, below one folder, each file whole or absent.

labels/<name>.png         (H, W) train ids, shown in the palette's colours
colors/<name>.png         the palette's colours
overlays/<name>.jpg       the colours laid over the frame
side_by_side/<name>.jpg   frame and overlay
videos/<name>.mp4         overlays (or another of these pictures) of a video; VP8 in .webm
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segibn.errors import ConfigError
from segibn.files.encode import write_image, write_label_png
from segibn.labels.drawing import colorize, overlay
from segibn.media.codecs import CODECS, Codec

FOLDERS = {
    "labels": "labels",
    "color": "colors",
    "overlay": "overlays",
    "side-by-side": "side_by_side",
    "video": "videos",
}
"""What can be saved -> its folder."""

LEGEND = "legend.png"
"""What the colours mean, in the output folder itself."""

JOURNAL = "predictions.jsonl"
"""What is done, see ``media/journal.py``."""
_RECORDS = (JOURNAL, "summary.json", "failed.txt")
_FOR_IMAGES, _FOR_VIDEOS = ("labels", "overlay"), ("video",)
_LARGEST_JPEG = 65500  # pixels a side that JPEG encoders take
_GAP = 8  # pixels between two pictures


@dataclass(frozen=True, eq=False)
class Outputs:
    """Which files are written, where, and how pictures are drawn."""

    folder: Path
    palette: np.ndarray
    """(K, 3) uint8 RGB of the label PNGs."""
    drawn: np.ndarray
    """(K,) bool: the classes that pictures show; label maps hold all."""
    save: tuple[str, ...] | None = None
    """Keys of `FOLDERS`; None = labels and overlays of images, the video of a video."""
    alpha: float = 0.5
    """Share of the class colour in an overlay, 0..1."""
    video_shows: str = "overlay"
    """One of `SHOWN_IN_VIDEOS`."""
    codec: Codec = CODECS["mpeg4"]

    def kinds(self, is_video: bool) -> tuple[str, ...]:
        """What is saved of an image, or of a video; see ``kinds_of``."""
        return kinds_of(self.save, is_video)

    def write_frame(
        self, name: str, image: np.ndarray, train_ids: np.ndarray, kinds: Sequence[str]
    ) -> None:
        """Write files of one frame (H, W, 3) RGB; ``video`` among the `FOLDERS` is passed over."""
        for kind in kinds:
            stem = self.folder / FOLDERS[kind] / name
            if kind == "labels":
                write_label_png(_with(stem, ".png"), train_ids, self.palette)
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
        if kind == "overlay":
            return laid_over
        left = cv2.copyMakeBorder(image, 0, 0, 0, _GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        return np.hstack([left, laid_over])

    def video_path(self, name: str) -> Path:
        """Where the video of a source goes."""
        return _with(self.folder / FOLDERS["video"] / name, self.codec.suffix)

    def files_of(self, name: str, is_video: bool) -> list[Path]:
        """What a finished source has left: its files, or of a video's single frames the folder.

        A picture too large for a JPEG is there under another suffix: such paths have none.
        """
        stems = {kind: self.folder / FOLDERS[kind] / name for kind in self.kinds(is_video)}
        if is_video:
            return [self.video_path(name) if k == "video" else stem for k, stem in stems.items()]
        return [_with(stem, ".png") if k == "labels" else stem for k, stem in stems.items()]


def kinds_of(save: tuple[str, ...] | None, is_video: bool) -> tuple[str, ...]:
    """What is saved of an image, or of a video; ``video`` is the latter's alone."""
    if save is None:
        return _FOR_VIDEOS if is_video else _FOR_IMAGES
    return tuple(kind for kind in save if is_video or kind != "video")


def is_there(path: Path) -> bool:
    """Whether a file of ``Outputs.files_of`` exists, as .png or .jpg where the suffix is open."""
    return path.exists() or any(_with(path, suffix).exists() for suffix in (".png", ".jpg"))


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
        raise ConfigError(
            f"--classes: the network knows no '{', '.join(unknown)}'; there are {', '.join(names)}"
        )
    return np.isin(names, wanted)
