"""From sources to outputs: read ahead, predict in batches, draw and write in threads.

In: a predictor, sources and outputs. Out: the files, and a ``Tally``. A file that cannot be read
is noted and passed over; an output that cannot be written ends the work at once.

Legend: H x W pixels, K classes.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segibn.evaluation.batches import Predict, predicted
from segibn.files import atomic_path
from segibn.media.faults import Faults, MediaError
from segibn.media.journal import Journal
from segibn.media.outputs import Outputs
from segibn.media.sources import Source
from segibn.media.stills import read_upright
from segibn.media.video import VideoReader
from segibn.media.video_writer import VideoWriter

Still = tuple[Source, np.ndarray]
"""A source and its image (H, W, 3) uint8 RGB."""

_HELD_SIZES = 4  # full batches' worth of frames that wait for others of their size
_OUT_OF_MEMORY = "the memory does not suffice for a frame of this size"
_CONVERT = "convert it to JPEG, PNG or a video, or leave it out"
_SMALLER = "show it smaller (--input-height), or in parts (--window)"


@dataclass
class Tally:
    """What was done.

    Attributes:
        pixels: (K,) int64, of each class.
        frames: predicted now.
        files: images and videos finished now.
        earlier: frames that were done before; their pixels count too.
    """

    pixels: np.ndarray
    frames: int = 0
    files: int = 0
    earlier: int = 0


@dataclass
class Work:
    """One run over sources; ``tally`` grows with every frame, also where it is interrupted.

    Attributes:
        predict: images (H, W, 3) uint8 RGB of one size -> (H, W) uint8 train ids of each.
        batch_size: how many frames of one size at most are predicted together.
        outputs: what to write.
        journal: of the output folder.
        faults: takes what cannot be read.
        is_out_of_memory: whether an error of a predictor is the frame's size; such frames are
            faults, any other error is passed on.
        progress: called with frames done and frames in all, as far as they are known.
        threads: that read, and that write.
    """

    predict: Predict
    batch_size: int
    outputs: Outputs
    journal: Journal
    faults: Faults
    is_out_of_memory: Callable[[BaseException], bool] = lambda error: isinstance(error, MemoryError)
    progress: Callable[[int, int], None] | None = None
    threads: int = field(default_factory=lambda: max(2, min(4, os.cpu_count() or 1)))

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.tally = Tally(np.zeros(len(self.outputs.palette), np.int64))
        self._expected = 0
        self._settled = 0

    def run(self, sources: Sequence[Source]) -> Tally:
        """Predict images, then videos.

        Raises:
            MediaError: the first fault, if ``faults`` is strict.
            SegibnError: an output cannot be written.
        """
        for source in sources:
            if source.kind.role == "unread":
                self.faults.note(MediaError(source.path, source.kind.name, _CONVERT))
        left = [s for s in sources if s.kind.role != "unread" and not self._is_done(s)]
        self._expected = len(left)
        self._settle(0)
        self._images([source for source in left if source.kind.role == "picture"])
        for source in left:
            if source.is_video:
                self._video(source)
        return self.tally

    def _is_done(self, source: Source) -> bool:
        done = self.journal.counts_of(source, self.outputs)
        if done is not None:
            self.tally.earlier += done[0]
            self.tally.pixels += done[1]
        return done is not None

    def _images(self, sources: Sequence[Source]) -> None:
        kinds = self.outputs.kinds(is_video=False)

        def write(source: Source, image: np.ndarray, train_ids: np.ndarray) -> np.ndarray:
            self.outputs.write_frame(source.name, image, train_ids, kinds)
            return self._pixels(train_ids)

        def finish(source: Source, pixels: np.ndarray) -> None:
            self.journal.record(source, 1, pixels)
            self._count(pixels)
            self.tally.files += 1

        with (
            closing(self._readable(sources)) as stills,
            _InOrder(self.threads, finish) as writing,
        ):
            for group in of_equal_size(stills, self.batch_size):
                for (source, image), train_ids in self._predicted(group):
                    writing.submit(source, write, source, image, train_ids)

    def _readable(self, sources: Iterable[Source]) -> Generator[Still, None, None]:
        """Yield source and image, decoded ahead; what cannot be read is noted instead."""
        waiting: deque[tuple[Source, Future[np.ndarray]]] = deque()
        left = iter(sources)
        with ThreadPoolExecutor(max_workers=self.threads) as pool:
            try:
                while True:
                    while len(waiting) <= max(4, self.batch_size):
                        if (source := next(left, None)) is None:
                            break
                        waiting.append((source, pool.submit(read_upright, source.path)))
                    if not waiting:
                        return
                    source, future = waiting.popleft()
                    try:
                        image = future.result()
                    except MediaError as error:
                        self.faults.note(error)
                        self._settle()
                        continue
                    yield source, image
            finally:
                for _, future in waiting:
                    future.cancel()

    def _predicted(self, group: Sequence[Still]) -> Iterator[tuple[Still, Any]]:
        """Yield frames with their train ids; if memory fails them together, one at a time."""
        try:
            yield from list(predicted(group, self.predict, self.batch_size))
        except Exception as error:
            if not self.is_out_of_memory(error):
                raise
            if len(group) == 1:
                source = group[0][0]
                self.faults.note(MediaError(source.path, _OUT_OF_MEMORY, _SMALLER))
                self._settle()
                return
        else:
            return
        for frame in group:
            yield from self._predicted([frame])

    def _video(self, source: Source) -> None:
        try:
            with VideoReader(source.path) as video:
                self._expected += video.expected - 1
                before = self.tally.frames
                pixels = self._frames(source, video)
                count = self.tally.frames - before
                self._expected += count - video.expected
                fault = video.fault_after(count)
        except MediaError as error:
            self.faults.note(error)
            self._settle()
            return
        except Exception as error:
            if not self.is_out_of_memory(error):
                raise
            self.faults.note(MediaError(source.path, _OUT_OF_MEMORY, _SMALLER))
            return
        self._settle(0)
        if fault is not None:
            self.faults.note(fault)  # and not recorded: a repaired file is taken up again
            return
        self.tally.files += 1
        self.journal.record(source, count, pixels)

    def _frames(self, source: Source, video: VideoReader) -> np.ndarray:
        """Predict, draw and write a video's frames; returns (K,) its pixels by class."""
        kinds = self.outputs.kinds(is_video=True)
        total = np.zeros_like(self.tally.pixels)

        def draw(index: int, image: np.ndarray, train_ids: np.ndarray) -> tuple[Any, np.ndarray]:
            self.outputs.write_frame(f"{source.name}/{index:06d}", image, train_ids, kinds)
            shown = self.outputs.video_shows
            picture = self.outputs.draw(shown, image, train_ids) if "video" in kinds else None
            return picture, self._pixels(train_ids)

        with ExitStack() as stack:
            sink: list[VideoWriter] = []

            def finish(_: int, drawn: tuple[Any, np.ndarray]) -> None:
                picture, pixels = drawn
                if picture is not None:
                    if not sink:
                        path = stack.enter_context(
                            atomic_path(self.outputs.video_path(source.name))
                        )
                        codec, size = self.outputs.codec, picture.shape[:2]
                        writer = VideoWriter(path, video.fps, size, codec, source.path)
                        sink.append(stack.enter_context(writer))
                    sink[0].write(picture)
                total[:] += pixels
                self._count(pixels)

            images = stack.enter_context(closing(iter(video)))
            with _InOrder(self.threads, finish) as drawing:
                found = predicted(enumerate(images), self.predict, self.batch_size)
                for (index, image), train_ids in found:
                    drawing.submit(index, draw, index, image, train_ids)
        return total

    def _pixels(self, train_ids: np.ndarray) -> np.ndarray:
        return np.bincount(train_ids.ravel(), minlength=len(self.tally.pixels))

    def _count(self, pixels: np.ndarray) -> None:
        self.tally.pixels += pixels
        self.tally.frames += 1
        self._settle()

    def _settle(self, frames: int = 1) -> None:
        """Move the progress on by frames that are done or given up."""
        self._settled += frames
        if self.progress and self._expected:
            self.progress(self._settled, max(self._expected, self._settled))


def of_equal_size(frames: Iterable[Still], most: int) -> Iterator[list[Still]]:
    """Yield lists of at most ``most`` frames of one size, also of frames that are not neighbours.

    Holds at most four times as many frames; if they do not fill a batch by then, the fullest goes
    as it is.
    """
    waiting: dict[tuple[int, ...], list[Still]] = {}
    for frame in frames:
        group = waiting.setdefault(frame[1].shape, [])
        group.append(frame)
        if len(group) == most:
            yield waiting.pop(frame[1].shape)
        elif sum(map(len, waiting.values())) >= _HELD_SIZES * most:
            yield waiting.pop(max(waiting, key=lambda shape: len(waiting[shape])))
    yield from waiting.values()


class _InOrder:
    """Jobs in threads whose results are taken in the order they were submitted.

    Leaving it waits for all of them, also at Ctrl-C, so that what is finished is noted; at any
    other exception what has not begun is dropped.
    """

    def __init__(self, threads: int, take: Callable[[Any, Any], None]) -> None:
        self._pool, self._most, self._take = ThreadPoolExecutor(threads), 2 * threads, take
        self._waiting: deque[tuple[Any, Future[Any]]] = deque()

    def __enter__(self) -> "_InOrder":
        return self

    def submit(self, key: Any, job: Callable[..., Any], *arguments: Any) -> None:
        """Start a job; waits for the oldest where many are under way."""
        while len(self._waiting) >= self._most:
            self._take_oldest()
        self._waiting.append((key, self._pool.submit(job, *arguments)))

    def _take_oldest(self) -> None:
        key, future = self._waiting.popleft()
        self._take(key, future.result())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and (kind is None or issubclass(kind, KeyboardInterrupt)):
                self._take_oldest()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
