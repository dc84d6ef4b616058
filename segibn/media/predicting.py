"""From sources to outputs: read ahead, predict in batches, draw and write in threads."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from segibn.evaluation.evaluate import Predict, predicted
from segibn.files.pool import map_in_threads
from segibn.files.writing import atomic_path
from segibn.media.faults import Faults, MediaError, read_upright
from segibn.media.journal import Journal
from segibn.media.outputs import Outputs, kinds_of
from segibn.media.sources import Source
from segibn.media.video import VideoReader
from segibn.media.video_writer import VideoWriter

Still = tuple[Source, np.ndarray]  # with the image (H, W, 3) uint8 RGB

_HELD_SIZES = 4  # batches' worth of frames that wait for others of their size; then the most go
_THREADS = max(2, min(4, os.cpu_count() or 1))  # that read, and that write
_OUT_OF_MEMORY = "the memory does not suffice for a frame of this size"
_CONVERT = "convert it to JPEG, PNG or a video, or leave it out"
_SMALLER = "show it smaller (--input-height), or in parts (--window)"


@dataclass
class Tally:
    """What was done."""

    pixels: np.ndarray  # (K,) int64, of each class
    frames: int = 0  # predicted now
    files: int = 0  # images and videos finished now
    earlier: int = 0  # frames that were done before; their pixels count too


@dataclass
class Work:
    """One run over sources; ``tally`` grows with every frame, also where it is interrupted."""

    predict: Predict  # images (H, W, 3) uint8 RGB of one size -> (H, W) uint8 train ids of each,
    # or pairs of these and their confidence, (H, W) float32
    batch_size: int
    outputs: Outputs
    journal: Journal
    faults: Faults
    # Whether an error is due to the frame's size: a fault of its file; others are passed on.
    is_out_of_memory: Callable[[BaseException], bool] = lambda error: isinstance(error, MemoryError)
    progress: Callable[[int, int], None] | None = None  # frames done, and in all as far as known

    def __post_init__(self) -> None:
        self.tally = Tally(np.zeros(len(self.outputs.palette), np.int64))
        self._expected = 0
        self._settled = 0

    def run(self, sources: Sequence[Source]) -> Tally:
        """Predict images, then videos; the first fault is raised if ``faults`` is strict."""
        images: list[Source] = []
        videos: list[Source] = []
        for source in sources:
            if source.kind.role == "unread":
                self.faults.note(MediaError(source.path, source.kind.name, _CONVERT))
            elif done := self.journal.counts_of(source, self.outputs):
                self.tally.earlier += done[0]
                self.tally.pixels += done[1]
            else:
                (videos if source.is_video else images).append(source)
        self._expected = len(images) + len(videos)
        self._settle(0)
        self._images(images)
        for source in videos:
            self._video(source)
        return self.tally

    def _images(self, sources: Sequence[Source]) -> None:
        kinds = kinds_of(self.outputs.save, is_video=False)

        def write(predicted: tuple[Still, Any]) -> np.ndarray:
            (source, image), found = predicted
            train_ids, confidence = found if isinstance(found, tuple) else (found, None)
            self.outputs.write_frame(source.name, image, train_ids, kinds, confidence)
            return self._pixels(train_ids)

        def finish(predicted: tuple[Still, np.ndarray], pixels: np.ndarray) -> None:
            self.journal.record(predicted[0][0], 1, pixels)
            self._count(pixels)
            self.tally.files += 1

        with closing(self._readable(sources)) as stills:
            groups = of_equal_size(stills, self.batch_size)
            self._in_threads(write, chain.from_iterable(map(self._predicted, groups)), finish)

    def _readable(self, sources: Iterable[Source]) -> Generator[Still, None, None]:
        """Yield source and image, decoded ahead; what cannot be read is noted instead."""

        def read(source: Source) -> np.ndarray | MediaError:
            try:
                return read_upright(source.path)
            except MediaError as error:
                return error

        for source, image in map_in_threads(read, sources, _THREADS, max(_THREADS, self.batch_size)):
            if isinstance(image, MediaError):
                self._give_up(image)
            else:
                yield source, image

    def _in_threads(
        self, work: Callable[[Any], Any], frames: Iterable[Any], finish: Callable[[Any, Any], None]
    ) -> None:
        """Call ``finish(frame, work(frame))`` in order; at Ctrl-C, those under way come first."""
        waiting: deque[tuple[Any, Future[Any]]] = deque()

        def settle(most: int) -> None:
            while len(waiting) > most:
                frame, future = waiting[0]
                finish(frame, future.result())
                waiting.popleft()  # not before: Ctrl-C may come at any time

        pool = ThreadPoolExecutor(_THREADS)
        try:
            for frame in frames:
                waiting.append((frame, pool.submit(work, frame)))
                settle(_THREADS)
            settle(0)
        except KeyboardInterrupt:
            settle(0)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _predicted(self, group: Sequence[Still]) -> Iterator[tuple[Still, Any]]:
        """Yield frames with their train ids; if memory fails them together, one at a time."""
        found = None
        try:
            found = list(predicted(group, self.predict, self.batch_size))
        except Exception as error:
            if not self.is_out_of_memory(error):
                raise
        if found is not None:
            yield from found
        elif len(group) == 1:
            self._give_up(MediaError(group[0][0].path, _OUT_OF_MEMORY, _SMALLER))
        else:
            for frame in group:
                yield from self._predicted([frame])

    def _video(self, source: Source) -> None:
        try:
            with VideoReader(source.path) as video:
                self._expected += video.expected - 1
                before, pixels = self.tally.frames, self.tally.pixels.copy()
                self._frames(source, video)
                count, pixels = self.tally.frames - before, self.tally.pixels - pixels
                self._expected += count - video.expected
                fault = video.fault_after(count)
        except MediaError as error:
            self._give_up(error)
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

    def _frames(self, source: Source, video: VideoReader) -> None:
        kinds = kinds_of(self.outputs.save, is_video=True)

        def draw(predicted: tuple[Any, np.ndarray]) -> tuple[Any, np.ndarray]:
            (index, image), found = predicted
            train_ids, confidence = found if isinstance(found, tuple) else (found, None)
            self.outputs.write_frame(f"{source.name}/{index:06d}", image, train_ids, kinds, confidence)
            shown = self.outputs.video_shows
            picture = self.outputs.draw(shown, image, train_ids) if "video" in kinds else None
            return picture, self._pixels(train_ids)

        def finish(_: Any, drawn: tuple[Any, np.ndarray]) -> None:
            nonlocal writer
            picture, pixels = drawn
            if picture is not None:
                if writer is None:
                    temporary = stack.enter_context(atomic_path(self.outputs.video_path(source.name)))
                    codec, size = self.outputs.codec, picture.shape[:2]
                    writer = VideoWriter(temporary, video.fps, size, codec, source.path)
                    stack.enter_context(writer)
                writer.write(picture)
            self._count(pixels)

        writer: VideoWriter | None = None
        with ExitStack() as stack:
            images = stack.enter_context(closing(iter(video)))
            frames = predicted(enumerate(images), self.predict, self.batch_size)
            self._in_threads(draw, frames, finish)

    def _pixels(self, train_ids: np.ndarray) -> np.ndarray:
        count = len(self.tally.pixels)  # what lies beyond is ignored
        return np.bincount(train_ids.ravel(), minlength=count)[:count]

    def _count(self, pixels: np.ndarray) -> None:
        self.tally.pixels += pixels
        self.tally.frames += 1
        self._settle()

    def _give_up(self, fault: MediaError) -> None:
        self.faults.note(fault)
        self._settle()

    def _settle(self, frames: int = 1) -> None:
        """Move the progress on by frames that are done or given up."""
        self._settled += frames
        if self.progress and self._expected:
            self.progress(self._settled, max(self._expected, self._settled))


def of_equal_size(frames: Iterable[Still], most: int) -> Iterator[list[Still]]:
    """Yield lists of at most ``most`` frames of one size, which need not be neighbours."""
    waiting: dict[tuple[int, ...], list[Still]] = {}
    for frame in frames:
        group = waiting.setdefault(frame[1].shape, [])
        group.append(frame)
        if len(group) == most:
            yield waiting.pop(frame[1].shape)
        elif sum(map(len, waiting.values())) >= _HELD_SIZES * most:
            yield waiting.pop(max(waiting, key=lambda shape: len(waiting[shape])))
    yield from waiting.values()
