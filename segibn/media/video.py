"""Videos through OpenCV's FFmpeg: frames in order with what they need to be shown again.

In: a path. Out: frames (H, W, 3) uint8 RGB, upright as players show them, and a writer that makes
an .mp4 of pictures (MPEG-4 part 2, which every OpenCV can write).
"""

import math
import os
import shutil
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from segibn.errors import SegibnError
from segibn.media.faults import MediaError, OutputError, shown

PLAIN_FPS = 25.0
"""Where a file does not say how fast it is played."""

_MOST_FPS = 1000.0  # more is a clock's rate that was taken for the frames'
_SMALLEST_SIDE = 2  # pixels; the encoder halves the colours' sides
_FULL_BYTES = 1 << 20  # less free space than this is a full disk
_CHECK_EVERY = 16  # frames
_READ_AHEAD = 4  # frames


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
            raise MediaError(self.path, "the file is empty", "copy or download it again")
        _quiet()
        # An absolute path is never taken for an address such as tcp:... or a device.
        self._capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            self._capture.release()
            raise MediaError(
                self.path,
                "not a readable video, or cut short (an .mp4 has its index at the end)",
                "copy it again; if players show it, convert it: ffmpeg -i VIDEO converted.mp4",
            )
        self._lock, self._is_open = threading.Lock(), True
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if math.isfinite(fps) and 0 < fps <= _MOST_FPS else PLAIN_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.expected = int(count) if math.isfinite(count) and 0 < count < 1 << 31 else 0

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
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frame) if is_there else None

    def fault_after(self, frames: int) -> MediaError | None:
        """Say what is wrong if only so many frames could be read.

        One frame in fifty may be missing, and two of any video, because containers without a
        count announce what their length suggests.
        """
        if frames == 0:
            return MediaError(
                self.path, "none of its frames can be decoded", "copy or download it again"
            )
        if self.expected - frames <= max(2, self.expected / 50):
            return None
        return MediaError(
            self.path,
            f"damaged or cut short: {frames} of about {self.expected} frames could be read",
            "those are predicted; copy or download it again for the rest",
        )


class VideoWriter:
    """Writes pictures of one size to an .mp4, in the order in which they come; a context manager.

    The encoder takes even sides of at least 2 pixels only: others get their last row or column
    repeated once.

    Args:
        path: the file, new; whoever calls renames it when it is whole.
        fps: frames a second.
        size: (H, W) of the pictures.

    Raises:
        OutputError: there is no encoder for these.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path, self._size, self._count = path, size, 0
        self._padding = tuple(max(_SMALLEST_SIDE, side + side % 2) - side for side in size)
        height, width = (side + more for side, more in zip(size, self._padding, strict=True))
        _quiet()
        self._writer = cv2.VideoWriter(
            str(path.absolute()),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter_fourcc(*"mp4v"),
            fps,
            (width, height),
        )
        if not self._writer.isOpened():
            self._writer.release()
            raise OutputError(
                f"{shown(path.parent)}: OpenCV cannot write a video (mp4v) of {height}x{width} at "
                f"{fps:g} frames/s here; is the folder writable and each side at most 8192? Use "
                "--save labels,overlay to write each frame instead"
            )

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.release()
        if error is None:
            self._require_whole()

    def write(self, picture: np.ndarray) -> None:
        """Append (H, W, 3) uint8 RGB; one of another size is scaled to the first one's.

        Raises:
            OutputError: the disk is full. OpenCV does not say so.
        """
        if self._count % _CHECK_EVERY == 0:
            self._require_space()
        if picture.shape[:2] != self._size:
            picture = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
        below, right = self._padding
        if below or right:
            picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._count += 1

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
        if count != self._count:
            raise OutputError(
                f"{shown(self._path.parent)}: a video of {self._count} frames holds {count} after "
                "writing; is the disk full? It is not kept"
            )


def _quiet() -> None:
    """Keep FFmpeg's and OpenCV's own lines off the terminal: what matters, an error here says.

    FFmpeg reads the variable when OpenCV first uses it.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
