"""The verbs of the command line, one module each; ``run_main`` is how a command enters one."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from segibn.errors import SegibnError
from segibn.text import printable, printable_lines

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""128 and the signal's number, as a shell counts a process that SIGINT or SIGPIPE has ended."""

_USERS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError)
_USERS += (NotADirectoryError,)
_USERS_NUMBERS = ("ENOSPC", "EDQUOT", "EROFS", "ENAMETOOLONG")
"""What a user can mend: a path that is not there, that may not be written; a full disk."""


def run_main(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run a verb and exit; a user's mistake prints its message, without a traceback.

    A file or folder that cannot be used is one too; ``SEGIBN_TRACEBACK=1`` shows where it was.
    """
    try:
        _show_log()
        code = main(None)
        sys.stdout.flush()
    except SegibnError as error:
        _maybe_raise(error)
        print(f"error: {printable_lines(error)}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:  # of `segibn configs | head`; Python would complain again at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_PIPE
    except OSError as error:
        if not _is_users(error):
            raise
        _maybe_raise(error)
        print(f"error: {printable(error.filename)}: {error.strerror}", file=sys.stderr)
        code = SegibnError.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _is_users(error: OSError) -> bool:
    import errno

    numbers = [getattr(errno, name, None) for name in _USERS_NUMBERS]
    return error.filename is not None and (isinstance(error, _USERS) or error.errno in numbers)


def _maybe_raise(error: Exception) -> None:
    if os.environ.get("SEGIBN_TRACEBACK", "0") not in ("", "0"):
        raise error


def _show_log() -> None:
    """Show what the package logs (weights that were loaded, frames that are missing) on rank 0.

    torch's profiler would report on itself; it reads how much it may say when torch is imported.
    """
    import logging

    os.environ.setdefault("KINETO_LOG_LEVEL", "6")

    class Printable(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return printable_lines(super().format(record))

    handler = logging.StreamHandler()
    handler.setFormatter(Printable("%(message)s"))
    logger = logging.getLogger("segibn")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
