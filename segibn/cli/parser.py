"""The parser that every verb starts from, and the lines that a verb ends with.

They name commands as they were called: ``segibn train`` after an install, ``python
tools/train.py`` for that script, ``python -m segibn`` where that is how it was called.
"""

import argparse
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from segibn.cli import EXIT_USAGE
from segibn.cli.verbs import VERBS
from segibn.errors import ConfigError
from segibn.text import did_you_mean, printable

_WRITTEN = ("output", "plot", "json", "page", "pictures")
"""Options that name what a verb writes: a folder where their metavar is DIR, else a file."""


class VerbParser(argparse.ArgumentParser):
    """A parser that suggests, and refuses options without effect and files it cannot write."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rules: list[tuple[str, tuple[str, ...], bool]] = []
        """(option, others, whether it needs one of them; else none of them may be there)."""
        self._words: list[str] = []

    def needs(self, option: str, *others: str) -> None:
        """Say that an option has an effect only beside one of the others."""
        self.rules.append((option, others, True))

    def excludes(self, option: str, *others: str) -> None:
        """Say that an option leaves the others nothing to do."""
        self.rules.append((option, others, False))

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse, and hold the options that were given against the rules."""
        return self._checked(super().parse_known_args, args, namespace)

    def parse_known_intermixed_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """As ``parse_known_args``, which newer versions of Python do not call here."""
        return self._checked(super().parse_known_intermixed_args, args, namespace)

    def _checked(self, parse, args, namespace):  # type: ignore[no-untyped-def]
        words = self._words = list(sys.argv[1:] if args is None else args)
        found = parse(words, namespace)
        self._words = words
        given = {option for word in _options(words) for option in self._meant(word)}
        for option, others, is_needed in self.rules:
            beside = given.intersection(others)
            if option in given and is_needed and not beside:
                raise ConfigError(f"{option} has no effect without {' or '.join(others)}")
            if option in given and not is_needed and beside:
                raise ConfigError(f"{min(beside)} has no effect beside {option}; give one of them")
        for action in self._actions:
            path = getattr(found[0], action.dest, None)
            if action.dest in _WRITTEN and isinstance(path, Path):
                _require_writable(action.option_strings[0], path, action.metavar == "DIR")
        return found

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, the likely option for an unknown one, and two lines of usage."""
        for word in _options(self._words):
            if not self._meant(word):
                known = [name for name in self._known() if name.startswith("--")]
                hint = did_you_mean(word, known) or f"; {self.prog} --help lists them"
                if any(action.dest == "overrides" for action in self._actions):
                    hint += ". Values of the config stand without dashes, as in optim.lr=0.02"
                message = f"no option '{printable(word)}'{hint}"
                break
        needed = [a for a in self._actions if a.required or not a.option_strings]
        formatter = argparse.HelpFormatter(self.prog, width=10**4)
        formatter.add_usage(None, needed, ())
        whole = formatter.format_help().strip().replace(self.prog, f"{self.prog} [options]", 1)
        lines = textwrap.wrap(whole, 79, break_long_words=False, break_on_hyphens=False)
        usage = "\n".join(lines if len(lines) <= 2 else [f"usage: {self.prog} --help"])
        self.exit(EXIT_USAGE, f"{usage}\nerror: {message}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        hint = did_you_mean(str(value), known) or "."
        raise argparse.ArgumentError(action, f"no '{printable(value)}'{hint} There are {', '.join(known)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Expand ``~``, which shells leave as it is behind ``--output=``."""
        value = super()._get_value(action, arg_string)
        return Path(os.path.expanduser(value)) if isinstance(value, Path) else value

    def _known(self) -> dict[str, str]:
        """Every option of this parser and those of its subcommands -> the name of a rule."""
        found = {}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for sub in action.choices.values():
                    found |= sub._known()
            found |= {text: action.option_strings[0] for text in action.option_strings}
        return found

    def _meant(self, word: str) -> set[str]:
        """The options that a word means: itself, or those that it begins."""
        known = self._known()
        return {known[word]} if word in known else {name for text, name in known.items() if text.startswith(word)}


def _options(words: Sequence[str]) -> list[str]:
    """The options among words, without their values."""
    before = words[: words.index("--")] if "--" in words else words
    return [word.partition("=")[0] for word in before if re.match(r"--\w", word)]


def _require_writable(option: str, path: Path, is_folder: bool) -> None:
    """Refuse before any work what could not be written after it."""
    from segibn.files.writing import writable_folder

    if not is_folder and path.is_dir():
        raise ConfigError(f"{option} {printable(path)}: is a folder; name a file")
    if is_folder and path.exists() and not path.is_dir():
        raise ConfigError(f"{option} {printable(path)}: is a file; name a folder")
    writable_folder(path if is_folder else path.parent)


def verb_parser(verb: str, examples: str) -> Callable[[Callable[[VerbParser], None]], Callable[[], VerbParser]]:
    """Turn a function that adds a verb's arguments into one that returns its parser.

    Called through a script of ``tools/``, its help shows that script in place of ``segibn VERB``.
    """

    def decorate(add_arguments: Callable[[VerbParser], None]) -> Callable[[], VerbParser]:
        def build_parser() -> VerbParser:
            command = f"python tools/{Path(sys.argv[0]).name}" if _is_tool() else f"segibn {verb}"
            summary = VERBS[verb].summary
            parser = VerbParser(
                prog=command,
                description=f"{summary[0].upper()}{summary[1:]}.",
                epilog=re.sub(rf"segibn {verb}(?![\w-])", lambda _: command, examples),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            add_arguments(parser)
            return parser

        return build_parser

    return decorate


def command_text(*words: object) -> str:
    """Return a command of ``segibn`` as it runs when pasted into a shell."""
    # `segibn` may not be on the path of who calls a script, or `python -m segibn`
    by_path = _is_tool() or Path(sys.argv[0]).name == "__main__.py"
    program = ["python", "-m", "segibn"] if by_path else ["segibn"]
    return shlex.join([*program, *map(str, words)])


def print_next(*words: object) -> None:
    """Print the command that comes next, which must run as it stands; call it last."""
    _print_once(f"next: {command_text(*words)}")


def print_then(text: str) -> None:
    """Print what a person does next, where no command alone can do it."""
    _print_once(f"then: {text}")


def _print_once(line: str) -> None:
    if is_first_rank():
        print(line)


def print_results(table: str, output: Path | None, plot: str = "") -> None:
    """Print a table, the folder of its files if there is one, and the name of its chart."""
    if is_first_rank():
        print(table)
        if output is not None:
            print(f"files: {output}")
            if plot:
                print_then(f"look at {output / plot}")


def is_first_rank() -> bool:
    """Whether this process of a torchrun launch prints and writes files."""
    return os.environ.get("RANK", "0") == "0"


def _is_tool() -> bool:
    script = Path(sys.argv[0])
    return script.suffix == ".py" and script.absolute().parent.name == "tools"
