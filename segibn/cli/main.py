"""The ``segibn`` command: the first word names a verb, which alone is imported and run.

The help is written from the table in ``segibn.cli.verbs``; nothing else is imported for it.
"""

import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from segibn import __version__
from segibn.cli import EXIT_USAGE, run_main
from segibn.cli.verbs import GROUPS, VERBS
from segibn.text import did_you_mean, printable

TITLE = "Semantic segmentation of driving scenes that generalises to domains never seen."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that the arguments name; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else None
    if first in ("--version", "-V"):
        print(_version())
        return 0
    if first in ("--help", "-h", None) or words == ["help"]:
        print(format_help())
        return 0 if words else EXIT_USAGE
    if first == "help":
        words = [words[1], "--help"]
    if words[0] not in VERBS:
        hint = did_you_mean(words[0].replace("_", "-"), VERBS) or "; see segibn --help"
        unknown = f"no verb '{printable(words[0])}'{hint}"
        if words[0].startswith("-"):
            unknown = f"unknown option {words[0]}; options follow the verb, as in segibn train --help"
        print(f"segibn: {unknown}", file=sys.stderr)
        return EXIT_USAGE
    return import_module(f"segibn.cli.{VERBS[words[0]].module}").main(words[1:])


def console_script() -> NoReturn:
    """Enter the command; ``pip install`` puts this on the path."""
    run_main(main)


def format_help() -> str:
    """Return the verbs in their groups, with one example each."""
    width = max(map(len, VERBS))
    lines = ["usage: segibn VERB ...", "", TITLE]
    for group in GROUPS:
        lines += ["", f"{group.name}: {group.example}"]
        lines += [f"  {verb.name:<{width}}  {verb.summary}" for verb in group.verbs]
    lines += ["", "segibn VERB --help has the arguments and examples of a verb; segibn --version."]
    return "\n".join([*lines, "A CONFIG is a YAML file, or the name of a shipped one, such as gta5_ibn."])


def _version() -> str:
    """The versions that a report of a fault should name."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        torch = f"torch {version('torch')}"
    except PackageNotFoundError:
        torch = "no torch"
    return f"segibn {__version__} (Python {platform.python_version()}, {torch})"
