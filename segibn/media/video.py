"""Videos through OpenCV's FFmpeg: frames as players show them, upright and of square pixels."""

import math
import tempfile
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, suppress
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from segibn.files.contents import IMAGE_SUFFIXES, begins_with_text, kind_of
from segibn.files.pool import map_in_threads
from segibn.media.codecs import quiet
from segibn.media.faults import MediaError

PLAIN_FPS = 25.0  # where a file does not say how fast it is played
MOST_FPS = 1000.0  # more is a clock's rate that was taken for the frames'
_MOST_PIXELS = 1 << 27  # of a frame: 16384 x 8192
_WIDEST_PIXEL = 10.0  # width over height, or the inverse; more is a damaged header
_READ_AHEAD = 4  # frames
_HOLES = 0.15  # of a video; what lacks less may be damaged, and its rate is the file's
_LOOKED_AT = 32  # frames, for whether they come at one rate
_AGAIN = "copy or download it again"


class VideoReader(AbstractContextManager):
    """An open video; iterate over it once. A context manager.

    ``fps``: frames a second, `PLAIN_FPS` where the file does not say. ``expected``: frames that the
    file announces, 0 where it does not; some containers only say how long they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MediaError(self.path, "no such file", "check the name")
        if not self.path.stat().st_size:
            raise MediaError(self.path, "the file is empty", _AGAIN)
        if begins_with_text(self.path):  # FFmpeg follows playlists, to other files and addresses
            raise MediaError(self.path, "not a readable video (text inside)", _AGAIN)
        quiet()
        self._capture = self._open()
        if not self._capture.isOpened():
            self._capture.release()
            raise MediaError(
                self.path,
                "not a readable video, or cut short (an .mp4 has its index at the end)",
                "copy it again; if players show it, convert it: ffmpeg -i VIDEO converted.mp4",
            )
        self._lock, self._is_open = threading.Lock(), True
        self._require_sane_size()
        self._stretch = self._pixel_stretch()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= MOST_FPS else PLAIN_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.expected = int(count) if math.isfinite(count) and 0 < count < 1 << 31 else 0
        self._measure()

    def _open(self) -> cv2.VideoCapture:
        # An absolute path is never taken for an address such as tcp:... or a device.
        path = self.path.absolute()
        with tempfile.TemporaryDirectory() as folder, suppress(OSError):
            if path.suffix.lower() in IMAGE_SUFFIXES:  # FFmpeg would believe it
                link = Path(folder, "video")
                link.symlink_to(path)
                return cv2.VideoCapture(str(link), cv2.CAP_FFMPEG)
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def _require_sane_size(self) -> None:
        """Refuse before OpenCV makes room for a frame."""
        width = self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)
        height = self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > _MOST_PIXELS:
            self._capture.release()
            raise MediaError(
                self.path,
                f"its header says {height:.0f}x{width:.0f} (H x W), more than {_MOST_PIXELS:,} pixels a frame",
                "make it smaller, or copy it again if that is not its size",
            )

    def _pixel_stretch(self) -> tuple[float, float]:
        """By what rows and columns grow for square pixels; never shrunk, so nothing is lost."""
        parts = (self._capture.get(p) for p in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        over, under = (part if math.isfinite(part) and part > 0 else 1.0 for part in parts)
        wide = over / under
        if not 1 / _WIDEST_PIXEL <= wide <= _WIDEST_PIXEL:
            return 1.0, 1.0
        rows, columns = max(1.0, 1 / wide), max(1.0, wide)
        lies = self._capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90
        return (columns, rows) if lies else (rows, columns)

    def _measure(self) -> None:
        """Where frames come at a varying rate, take their average, for which all are looked at."""
        other, times = self._open(), list[float]()
        while other.grab():
            times.append(other.get(cv2.CAP_PROP_POS_MSEC))
            if len(times) == _LOOKED_AT and self._is_steady(times):
                break
        other.release()
        seconds = (times[-1] - times[0]) / 1000 if times else 0.0
        average = min(MOST_FPS, (len(times) - 1) / seconds) if seconds > 0 else self.fps
        if self._is_steady(times) or abs(average / self.fps - 1) < _HOLES:
            return
        # A container that does not count its frames has them estimated from a rate that is wrong.
        announced, self.fps = self.expected / self.fps, average  # seconds
        kind = kind_of(self.path)
        if kind is None or not kind.counts_frames:
            self.expected = max(len(times), round(announced * self.fps))

    def _is_steady(self, times: list[float]) -> bool:
        """Whether frames at these times in ms come at the rate of the file, but for rounding."""
        steps = np.diff(times)
        return bool(np.all(np.abs(steps - 1000 / self.fps) <= max(2.0, 200 / self.fps)))

    def __exit__(self, *_: object) -> None:
        # The reading thread may be at work still: FFmpeg hangs when it is released meanwhile.
        with self._lock:
            self._is_open = False
            self._capture.release()

    def __iter__(self) -> Generator[np.ndarray, None, None]:
        """Yield (H, W, 3) uint8 RGB up to the first frame that cannot be read, a thread ahead."""
        reads = map_in_threads(lambda _: self._read(), repeat(None), 1, _READ_AHEAD)
        with closing(reads):
            for _, frame in reads:
                if frame is None:
                    return
                yield frame

    def _read(self) -> np.ndarray | None:
        with self._lock:
            is_there, frame = self._capture.read() if self._is_open else (False, None)
        if not is_there or frame is None:
            return None
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frame)
        if max(self._stretch) == 1:
            return frame
        height, width = (round(n * by) for n, by in zip(frame.shape, self._stretch, strict=False))
        return cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)

    def fault_after(self, frames: int) -> MediaError | None:
        """Say what is wrong if only so many frames could be read."""
        if frames == 0:
            return MediaError(self.path, "none of its frames can be decoded", _AGAIN)
        # Containers without a count announce what their length suggests: some may be missing.
        if self.expected - frames <= max(2, self.expected / 50):
            return None
        return MediaError(
            self.path,
            f"cut short or damaged (or of a varying rate): {frames} of about {self.expected} frames could be read",
            "those are predicted; copy or download it again for the rest",
        )
