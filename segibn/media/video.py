"""Videos through OpenCV's FFmpeg: frames in order with what they need to be shown again.

In: a path. Out: frames (H, W, 3) uint8 RGB as players show them, upright and of square pixels, and
a writer that makes a video of pictures.
"""

import contextlib
import math
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from segibn.errors import SegibnError
from segibn.media.codecs import CODECS, Codec, open_writer, quiet
from segibn.media.faults import MediaError, OutputError, shown
from segibn.media.kinds import IMAGE_SUFFIXES, kind_of

PLAIN_FPS = 25.0
"""Where a file does not say how fast it is played."""

_MOST_FPS = 1000.0  # more is a clock's rate that was taken for the frames'
_LEAST_FPS = 0.1  # the slowest that VP8 takes
_MOST_TICKS = 65535  # of an MPEG-4 clock in a second
_SMALLEST_SIDE = 2  # pixels; the encoder halves the colours' sides
_MOST_PIXELS = 1 << 27  # of a frame: 16384 x 8192
_WIDEST_PIXEL = 10.0  # width over height, or the inverse; more is a damaged header
_FULL_BYTES = 1 << 20  # less free space than this is a full disk
_CHECK_EVERY = 16  # frames
_READ_AHEAD = 4  # frames
_WRITTEN_BEHIND = 4  # frames
_LOOKED_AT = 32  # frames, for whether they come at one rate
_AGAIN = "copy or download it again"


class VideoReader:
    """An open video; iterate over it once. A context manager.

    Attributes:
        path: the file.
        fps: frames a second; ``PLAIN_FPS`` where the file does not say.
        expected: frames as the file announces them, 0 where it does not. Some containers only
            let it be estimated from their length.

    Args:
        path: the file.

    Raises:
        MediaError: it cannot be opened: missing, empty, no video, or cut short where its index
            comes last.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MediaError(self.path, "no such file", "check the name")
        if not self.path.stat().st_size:
            raise MediaError(self.path, "the file is empty", _AGAIN)
        quiet()
        self._capture = self._open()
        if not self._capture.isOpened():
            self._capture.release()
            raise MediaError(
                self.path,
                "not a readable video, or cut short (an .mp4 has its index at the end)",
                "copy it again; if players show it, convert it: ffmpeg -i VIDEO converted.mp4",
            )
        self._require_sane_size()
        self._lock, self._is_open = threading.Lock(), True
        self._stretch = self._pixel_stretch()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= _MOST_FPS else PLAIN_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.expected = int(count) if math.isfinite(count) and 0 < count < 1 << 31 else 0
        self._measure()

    def _open(self) -> cv2.VideoCapture:
        # An absolute path is never taken for an address such as tcp:... or a device.
        path = self.path.absolute()
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(OSError):
            if path.suffix.lower() in IMAGE_SUFFIXES:  # FFmpeg would believe it
                link = Path(folder, "video")
                link.symlink_to(path)
                return cv2.VideoCapture(str(link), cv2.CAP_FFMPEG)
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def _require_sane_size(self) -> None:
        """Refuse before OpenCV makes room for a frame."""
        width, height = (
            self._capture.get(side)
            for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > _MOST_PIXELS:
            self._capture.release()
            raise MediaError(
                self.path,
                f"its header says {height:.0f}x{width:.0f} (H x W), more than {_MOST_PIXELS:,} "
                "pixels a frame",
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
        """Where frames come at a varying rate, take their average, for which all are looked at.

        A container that does not count its frames has them estimated from its length and a rate
        that is wrong then, so that they are counted.
        """
        other, times = self._open(), list[float]()
        while other.grab():
            times.append(other.get(cv2.CAP_PROP_POS_MSEC))
            if len(times) == _LOOKED_AT and self._is_steady(times):
                break
        other.release()
        seconds = (times[-1] - times[0]) / 1000 if times else 0.0
        if seconds <= 0 or self._is_steady(times):
            return
        announced = self.expected / self.fps  # seconds
        self.fps = min(_MOST_FPS, (len(times) - 1) / seconds)
        kind = kind_of(self.path)
        if kind is None or not kind.counts_frames:
            self.expected = max(len(times), round(announced * self.fps))

    def _is_steady(self, times: list[float]) -> bool:
        """Whether frames at these times in ms come at the rate of the file, but for rounding."""
        steps = np.diff(times)
        return bool(np.all(np.abs(steps - 1000 / self.fps) <= max(2.0, 200 / self.fps)))

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The reading thread may be at work still: FFmpeg hangs when it is released meanwhile.
        with self._lock:
            self._is_open = False
            self._capture.release()

    def __iter__(self) -> Generator[np.ndarray, None, None]:
        """Yield (H, W, 3) uint8 RGB up to the first frame that cannot be read, a thread ahead."""
        waiting: deque[Future[np.ndarray | None]] = deque()
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                while True:
                    while len(waiting) < _READ_AHEAD:
                        waiting.append(pool.submit(self._read))
                    frame = waiting.popleft().result()
                    if frame is None:
                        return
                    yield frame
            finally:
                for future in waiting:
                    future.cancel()

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
        """Say what is wrong if only so many frames could be read.

        One frame in fifty may be missing, and two of any video, because containers without a
        count announce what their length suggests.
        """
        if frames == 0:
            return MediaError(self.path, "none of its frames can be decoded", _AGAIN)
        if self.expected - frames <= max(2, self.expected / 50):
            return None
        return MediaError(
            self.path,
            f"damaged or cut short: {frames} of about {self.expected} frames could be read",
            "those are predicted; copy or download it again for the rest",
        )


class VideoWriter:
    """Writes pictures of one size in the order in which they come, in a thread; a context manager.

    Encoders take even sides of at least 2 pixels only: others get their last row or column
    repeated once. The rate is rounded to what they take.

    Args:
        path: the file, new; whoever calls renames it when it is whole.
        fps: frames a second.
        size: (H, W) of the pictures.
        codec: one that works here, with the suffix of the path.
        source: what the pictures were made of, for errors.

    Raises:
        MediaError: the codec does not take this size.
        OutputError: the folder cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        size: tuple[int, int],
        codec: Codec = CODECS["mpeg4"],
        source: Path | None = None,
    ) -> None:
        self._path, self._size, self._count = path, size, 0
        self._padding = tuple(max(_SMALLEST_SIDE, side + side % 2) - side for side in size)
        height, width = (side + more for side, more in zip(size, self._padding, strict=True))
        rate = encoded_rate(fps)
        self._refused = MediaError(
            source or path,
            f"no {codec.title} video of {height}x{width} (H x W) at {rate:g} frames/s can be "
            "written here",
            "take another --video-codec, or --save labels,overlay for each frame instead",
        )
        self._require_disk()
        self._writer = open_writer(path, codec, rate, (height, width))
        if not self._writer.isOpened():
            self._writer.release()
            raise self._refused
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        self._writer.release()
        if error is None:
            self._finish(0)
            self._require_whole()

    def write(self, picture: np.ndarray) -> None:
        """Append (H, W, 3) uint8 RGB; one of another size is scaled to the first one's.

        Raises:
            OutputError: the disk is full. OpenCV does not say so.
        """
        if self._count % _CHECK_EVERY == 0:
            self._require_space()
        self._count += 1
        self._waiting.append(self._thread.submit(self._encode, picture))
        self._finish(_WRITTEN_BEHIND)

    def _encode(self, picture: np.ndarray) -> None:
        if picture.shape[:2] != self._size:
            picture = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
        below, right = self._padding
        if below or right:
            picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def _finish(self, but: int) -> None:
        while len(self._waiting) > but:
            self._waiting.popleft().result()

    def _require_disk(self) -> None:
        """Grow the file, which tells a system that refuses from an encoder that does."""
        try:
            with self._path.open("ab") as file:
                file.write(bytes(_FULL_BYTES >> 4))
        except OSError as error:
            raise OutputError(
                f"{shown(self._path.parent)}: a video cannot be written ({error.strerror}); "
                "is the disk full? It is not kept"
            ) from error

    def _require_space(self) -> None:
        if shutil.disk_usage(self._path.parent).free < _FULL_BYTES:
            raise OutputError(f"{shown(self._path.parent)}: no space left for a video")

    def _require_whole(self) -> None:
        """OpenCV does not say whether the system took the file: its index is read again."""
        try:
            with VideoReader(self._path) as written:
                count = written.expected
        except SegibnError:
            count = 0
        if abs(count - self._count) > 1 + self._count // 100:  # a container may say how long only
            self._require_space()
            self._require_disk()
            raise self._refused


def encoded_rate(fps: float) -> float:
    """Return the nearest frame rate that every encoder here takes.

    Its decimals, as OpenCV hands them on, must fit the clock of MPEG-4 part 2.
    """
    rate = min(max(fps, _LEAST_FPS), _MOST_FPS) if math.isfinite(fps) and fps > 0 else PLAIN_FPS
    digits = next(n for n in (3, 2, 1, 0) if round(rate, n) * 10**n <= _MOST_TICKS)
    return round(rate, digits)
