"""The parser that every verb starts from: its name as it was called, a description, examples."""

import argparse
import re
import sys
from pathlib import Path


def verb_parser(verb: str, description: str, examples: str = "") -> argparse.ArgumentParser:
    """Make the parser of a verb.

    Args:
        verb: as it follows ``segibn`` on the command line, such as ``cross-domain``.
        description: one or two sentences.
        examples: text under the arguments, its commands written ``segibn VERB ...``. Called
            through a script of ``tools/``, help shows that script in their place.
    """
    command = _command(verb)
    return argparse.ArgumentParser(
        prog=command,
        description=description,
        epilog=re.sub(rf"segibn {verb}(?![\w-])", lambda _: command, examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def print_next(command: str) -> None:
    """Print what to do next, as the last line of a verb."""
    print(f"next: {command}")


def _command(verb: str) -> str:
    """Return how the verb was called: ``segibn train`` or ``python tools/train.py``."""
    script = Path(sys.argv[0])
    if script.suffix == ".py" and script.absolute().parent.name == "tools":
        return f"python tools/{script.name}"
    return f"segibn {verb}"
