"""Which video encoders OpenCV has here, which differ by platform: tried by writing a few frames."""

import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from segibn.errors import ConfigError
from segibn.text.streams import silenced


@dataclass(frozen=True)
class Codec:
    """A way to encode videos."""

    title: str
    tag: str  # that OpenCV's writer takes
    suffix: str
    read_as: tuple[str, ...]  # tags that the reader gives for it
    plays: str = "plays in browsers"


# By the name of the option; what "auto" prefers comes first.
CODECS = {
    "h264": Codec("H.264", "avc1", ".mp4", ("avc1", "h264", "H264", "X264")),
    "vp9": Codec("VP9", "vp09", ".mp4", ("VP90", "vp09")),
    "vp8": Codec("VP8", "vp08", ".webm", ("VP80", "vp08")),
    "mpeg4": Codec("MPEG-4 part 2", "mp4v", ".mp4", ("FMP4", "mp4v"), "players, not browsers"),
}
_SIZE = (240, 320)  # pixels, H x W; encoders in hardware refuse very small ones
_FRAMES = 3


def choose_codec(name: str = "auto") -> Codec:
    """Return a codec that OpenCV can write here; "auto": the first of `CODECS` that works."""
    for each in CODECS if name == "auto" else [name]:
        if works(CODECS[each]):
            return CODECS[each]
    there = ", ".join(each for each, codec in CODECS.items() if works(codec))
    raise ConfigError(
        f"--video-codec {name}: this OpenCV ({cv2.__version__}) has no such encoder; "
        + (f"it has {there}" if there else "it writes no video; --save labels,overlay does without")
    )


@cache
def works(codec: Codec) -> bool:
    """Whether frames written in this codec are there when they are read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, f"try{codec.suffix}"))
        writer = open_writer(Path(path), codec, 25.0, _SIZE)
        for grey in range(_FRAMES) if writer.isOpened() else ():
            writer.write(np.full((*_SIZE, 3), 60 * grey, np.uint8))
        writer.release()
        reader = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        tag = int(reader.get(cv2.CAP_PROP_FOURCC)) if reader.isOpened() else 0
        frames = 0
        while reader.read()[0]:
            frames += 1
        reader.release()
    return frames == _FRAMES and any(tag == _number(each) for each in codec.read_as)


def open_writer(path: Path, codec: Codec, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Return OpenCV's writer, open or not; (H, W) even sides."""
    quiet()
    with silenced(2):  # for WebM it prints of a tag, past all levels of logging
        return cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, _number(codec.tag), fps, size[::-1])


def quiet() -> None:
    """Keep FFmpeg's and OpenCV's own lines off the terminal: what matters, an error here says."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)


def _number(tag: str) -> int:
    return int(cv2.VideoWriter.fourcc(*tag))
