"""The verbs of the command line, one module each; ``run_main`` is how a command enters one."""

import errno
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

from segibn.errors import SegibnError
from segibn.text import printable, printable_lines
from segibn.text.streams import prepare_streams

EXIT_USAGE = 2

_OF_PATHS = ("ENOENT", "EEXIST", "EACCES", "EPERM", "EISDIR", "ENOTDIR", "ENAMETOOLONG")
_OF_DISKS = ("EIO", "ESTALE", "ENOTCONN", "EHOSTDOWN", "ETIMEDOUT")
_OF_MACHINES = ("ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE", "ENOMEM")
"""What a user can mend: a path that is not there, that may not be written, a disk that is gone; a
full disk, too many open files and too little memory also where the system names no file."""


def run_main(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run a verb and exit; a user's mistake prints its message, without a traceback.

    A file or folder that cannot be used is one too; ``SEGIBN_TRACEBACK=1`` shows where it was.
    """
    try:
        prepare_streams()
        _silence_threads()
        _show_log()
        code = main(None)
        sys.stdout.flush()
        if failure := getattr(sys.stdout, "failure", None):  # what was printed is lost
            why = getattr(failure, "strerror", None) or failure
            raise SegibnError(f"standard output cannot be written ({why}); files are complete")
    except BrokenPipeError:  # of `segibn configs | head`
        code = 141  # 128 and SIGPIPE, as a shell counts
    except (SegibnError, OSError, MemoryError) as error:
        if _wants_traceback() or (isinstance(error, OSError) and not _is_users(error)):
            raise
        print(f"error: {_said(error)}", file=sys.stderr)
        code = getattr(error, "exit_code", SegibnError.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130  # 128 and SIGINT
    sys.exit(code)


def _said(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory; close other programs ({error})"
    if isinstance(error, OSError):
        return (f"{printable(error.filename)}: " if error.filename else "") + str(error.strerror)
    return printable_lines(error)


def _is_users(error: OSError) -> bool:
    name = errno.errorcode.get(error.errno or 0)
    return name in _OF_MACHINES or (error.filename is not None and name in (*_OF_PATHS, *_OF_DISKS))


def _silence_threads() -> None:
    """Print no traceback of a thread that a file or socket failed: who uses its work says so."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.exc_value, OSError | EOFError) or _wants_traceback():
            usual(failed)

    threading.excepthook = hook


def _wants_traceback() -> bool:
    return os.environ.get("SEGIBN_TRACEBACK", "0") not in ("", "0")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _show_log() -> None:
    """Show what the package logs (weights that were loaded, frames that are missing) on rank 0."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable())
    logger = logging.getLogger("segibn")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
