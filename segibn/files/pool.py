"""Work on many files at a time, in threads or processes, results in the order of the files."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from segibn.errors import SegibnError

T = TypeVar("T")
R = TypeVar("R")


def map_in_threads(
    function: Callable[[T], R], items: Iterable[T], threads: int | None = None, ahead: int | None = None
) -> Generator[tuple[T, R], None, None]:
    """Yield (item, result) in order; items may be endless, they are taken as they are due.

    An error is raised when its item's turn comes. What has not begun by then, or when the iterator
    is closed, never does. By default there are as many ``threads`` as cores, 8 at most, and
    ``ahead``, which is how many results may wait, is twice that.
    """
    threads = max(1, min(8, os.cpu_count() or 1) if threads is None else threads)
    most = 2 * threads if ahead is None else ahead
    waiting: deque[tuple[T, Future[R]]] = deque()

    def settled(most: int) -> Iterator[tuple[T, R]]:
        while len(waiting) > most:
            item, future = waiting.popleft()
            yield item, future.result()

    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            yield from settled(most)
        yield from settled(0)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_in_processes(
    function: Callable[[T], R], items: Sequence[T], processes: int, chunk: int, work: str
) -> Iterator[R]:
    """Yield the result of each item, in order; SegibnError where a process was killed.

    A process takes ``chunk`` items at a time; ``work`` is for the error: "checking the files".
    """
    # Started anew: a fork of a process with threads (OpenCV and torch have some) may hang.
    context, pool = multiprocessing.get_context("spawn"), None
    if processes > 1:
        with contextlib.suppress(OSError, ImportError):  # no locks without /dev/shm: work in here
            pool = ProcessPoolExecutor(processes, context, initializer=_start_worker)
    if pool is None:
        yield from map(function, items)
        return
    with pool:
        try:
            yield from pool.map(function, items, chunksize=chunk)
        except BrokenProcessPool:
            raise SegibnError(
                f"a process that was {work} was ended: by a signal, most likely by the system for "
                "want of memory (work on fewer files at a time), or because your own script lacks "
                "`if __name__ == '__main__':` around what starts it; start again"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker() -> None:
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process with its parent: after a SIGKILL nothing else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
