"""A large file that several attempts write: what is finished outlives a kill, nobody sees half.

In: the final path and a key that says what work the file belongs to. Out: a hidden file beside
it, ``.<name>.<key>.partial``, that the next attempt with the same key finds again and that takes
the final name when it is whole.
"""

import contextlib
import errno
import logging
import os
import re
from pathlib import Path
from typing import BinaryIO

from segibn.errors import SegibnError

try:
    import fcntl
except ImportError:  # a system without it; two writers at once are then the user's to avoid
    fcntl = None  # type: ignore[assignment]

_logger = logging.getLogger(__name__)


class PartialFile:
    """Opens, locks and finally renames the file; a context manager.

    Leaving it without ``commit`` keeps the file for the next attempt.

    Attributes:
        stream: the open file, for reading and writing in binary.

    Args:
        path: the final name. Its folder is created if missing.
        key: equal for attempts that would write equal bytes; letters, digits and ``-`` only.

    Raises:
        SegibnError: another process is writing the same file, or the system refuses.
    """

    def __init__(self, path: Path, key: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]+", key):
            raise ValueError(f"key {key!r}: letters, digits and '-' only")
        self.path = Path(path)
        self.partial = self.path.with_name(f".{self.path.name}.{key}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SegibnError(f"{path}: cannot be written ({error.strerror})") from error
        self.stream: BinaryIO = os.fdopen(descriptor, "r+b")
        if not _lock(self.stream) or not _is_still(self.partial, self.stream):
            self.stream.close()
            raise SegibnError(
                f"{path}: another process is writing it; wait for it, or name another file"
            )
        self._remove_others()

    def __enter__(self) -> "PartialFile":
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        with contextlib.suppress(OSError):  # a full disk speaks again when buffers are written
            self.stream.close()
        reason = error.strerror if isinstance(error, OSError) else None
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG):
            raise SegibnError(
                f"{self.path}: cannot be written ({reason}); what is finished is kept, the same "
                "command goes on from there"
            ) from error

    def commit(self) -> None:
        """Flush to the device and take the final name; the file before it is replaced."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        os.replace(self.partial, self.path)
        with contextlib.suppress(OSError):  # some file systems cannot flush a folder
            descriptor = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def discard(self) -> None:
        """Remove what was written, for content that must not be taken up again."""
        self.partial.unlink(missing_ok=True)

    def _remove_others(self) -> None:
        """Remove what earlier attempts with another key left, unless someone is writing it."""
        form = re.compile(re.escape(f".{self.path.name}.") + r"[A-Za-z0-9-]+\.partial")
        for other in self.path.parent.iterdir():
            if other == self.partial or not form.fullmatch(other.name):
                continue
            with contextlib.suppress(OSError), other.open("r+b") as stream:
                if _lock(stream):
                    other.unlink()
                    _logger.info("%s: begun with other settings; removed", other)


def _lock(stream: BinaryIO) -> bool:
    """Lock a file until it is closed; False when someone else has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # else: it cannot lock at all
    return True


def _is_still(path: Path, stream: BinaryIO) -> bool:
    """Say whether the open file still has this name; its last writer may just have renamed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
