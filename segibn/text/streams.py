"""Standard output and error that outlive their readers: a closed terminal, a full disk."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class LastingStream:
    """A text stream that writes into nothing once it cannot be written; ``failure`` says why."""

    def __init__(self, stream: TextIO, ends_work: bool = False) -> None:
        # ends_work: a reader that went away raises BrokenPipeError, as in `segibn configs | head`.
        self.inner, self.ends_work = stream, ends_work
        self.failure: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Write, or do nothing where nobody can read."""
        return self._unless_lost(self.inner.write, text) or len(text)

    def flush(self) -> None:
        """Flush likewise."""
        self._unless_lost(self.inner.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _unless_lost(self, act: Any, *given: str) -> Any:
        if self.failure is not None:
            return None
        try:
            return act(*given)
        except (OSError, ValueError) as error:  # ValueError: closed
            self.failure = error
            with suppress(OSError, ValueError):  # what is buffered, else Python complains at exit
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.inner.fileno())
                os.close(nowhere)
            if self.ends_work and isinstance(error, BrokenPipeError):
                raise
            return None


def prepare_streams() -> None:
    """Make standard output and error last; a reader that leaves the output still ends the work."""
    for number in (0, 1, 2):  # else the next file that is opened takes the number of a closed one
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # for what the encoding lacks
        if not isinstance(stream, LastingStream):
            setattr(sys, name, LastingStream(stream, ends_work=name == "stdout"))


@contextmanager
def outliving_readers() -> Iterator[None]:
    """Let nothing that happens to standard output or error end the block; also a decorator."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and LastingStream(getattr(stream, "inner", stream)) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def silenced(*descriptors: int) -> Iterator[None]:
    """Keep what libraries print by themselves (1: standard output, 2: error) off the terminal during the block."""
    kept: dict[int, int] = {}
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in descriptors:
            with suppress(OSError):  # closed already
                kept[number] = os.dup(number)
                os.dup2(nowhere, number)
        yield
    finally:
        _flush()  # what the block buffered goes where the rest of it went
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or nobody reads
            if stream is not None:
                stream.flush()
