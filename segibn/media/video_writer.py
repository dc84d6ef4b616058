"""Writes a video with one of the encoders that OpenCV has here, and reads it again."""

import math
import shutil
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np

from segibn.errors import SegibnError
from segibn.media.codecs import CODECS, Codec, open_writer
from segibn.media.faults import MediaError, OutputError, shown
from segibn.media.video import MOST_FPS, PLAIN_FPS, VideoReader

_LEAST_FPS = 0.1  # the slowest that VP8 takes
_MOST_TICKS = 65535  # of an MPEG-4 clock in a second
_SMALLEST_SIDE = 2  # pixels; encoders halve the colours' sides
_FULL_BYTES = 1 << 20  # less free space than this is a full disk
_CHECK_EVERY = 16  # frames
_WRITTEN_BEHIND = 4  # frames


class VideoWriter(AbstractContextManager):
    """Writes pictures of one size (H, W) in their order, in a thread; a context manager.

    Encoders take even sides only: others get their last row or column repeated once. MediaError,
    naming the ``source``, where the codec takes no such video, OutputError where the folder cannot
    be written to.
    """

    def __init__(
        self, path: Path, fps: float, size: tuple[int, int], codec: Codec = CODECS["mpeg4"], source: Path | None = None
    ) -> None:
        self._path, self._size, self._count = path, size, 0
        self._padding = tuple(max(_SMALLEST_SIDE, side + side % 2) - side for side in size)
        height, width = (side + more for side, more in zip(size, self._padding, strict=True))
        rate = encoded_rate(fps)
        self._refused = MediaError(
            source or path,
            f"no {codec.title} video of {height}x{width} (H x W) at {rate:g} frames/s can be written here",
            "take another --video-codec, or --save labels,overlay for each frame instead",
        )
        self._require_disk()
        self._writer = open_writer(path, codec, rate, (height, width))
        if not self._writer.isOpened():
            self._writer.release()
            raise self._refused
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        self._writer.release()
        if error is None:
            self._finish(0)
            self._require_whole()

    def write(self, picture: np.ndarray) -> None:
        """Append (H, W, 3) uint8 RGB, scaled to the first's size; OutputError on a full disk."""
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
    """Return the nearest frame rate whose decimals fit the clock of MPEG-4 part 2."""
    rate = min(max(fps, _LEAST_FPS), MOST_FPS) if math.isfinite(fps) and fps > 0 else PLAIN_FPS
    digits = next(n for n in (3, 2, 1, 0) if round(rate, n) * 10**n <= _MOST_TICKS)
    return round(rate, digits)
