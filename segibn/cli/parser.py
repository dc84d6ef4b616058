"""The parser that every verb starts from, and the line that every verb ends with.

Both name commands as they were called: ``segibn train`` after an install, ``python
tools/train.py`` for that script, ``python -m segibn`` where that is how it was called.
"""

import argparse
import os
import re
import sys
import textwrap
from pathlib import Path

_WIDTH = 79


def verb_parser(verb: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """Make the parser of a verb.

    Args:
        verb: as it follows ``segibn`` on the command line, such as ``cross-domain``.
        description: one or two sentences.
        examples: text under the arguments, its commands written ``segibn VERB ...``. Called
            through a script of ``tools/``, help shows that script in their place.
    """
    command = _command(verb)
    own = re.sub(rf"segibn {verb}(?![\w-])", lambda _: command, examples)
    return argparse.ArgumentParser(
        prog=command,
        description=textwrap.fill(description, _WIDTH),
        epilog=own,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def print_next(command: str) -> None:
    """Print what to do next, on the first rank alone; call it last.

    Args:
        command: such as ``segibn evaluate runs/gta5_ibn``.
    """
    if os.environ.get("RANK", "0") == "0":
        if command.startswith("segibn ") and _is_called_by_path():
            command = f"python -m {command}"
        print(f"next: {command}")


def _command(verb: str) -> str:
    """Return how the verb was called: ``segibn train`` or ``python tools/train.py``."""
    if _is_tool():
        return f"python tools/{Path(sys.argv[0]).name}"
    return f"segibn {verb}"


def _is_tool() -> bool:
    script = Path(sys.argv[0])
    return script.suffix == ".py" and script.absolute().parent.name == "tools"


def _is_called_by_path() -> bool:
    """Whether ``segibn`` may not be on the path: called as a script, or by ``python -m``."""
    return _is_tool() or Path(sys.argv[0]).name == "__main__.py"
