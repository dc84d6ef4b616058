"""The verbs of the command line, one module each; ``run_main`` is how a script enters one."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from segibn.errors import SegibnError


def run_main(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run a verb and exit; a user's mistake prints its message, without a traceback."""
    _show_log()
    try:
        code = main(None)
    except SegibnError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _show_log() -> None:
    """Show what the package logs (weights that were loaded, frames that are missing) on rank 0.

    torch's profiler would report on itself; it reads how much it may say when torch is imported.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("segibn")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
