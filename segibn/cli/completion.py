"""``completion``: a script of shtab that completes verbs, options, choices, configs and files.

The script is made once, from the verbs' own parsers; completing starts no Python.
"""

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any

import shtab

from segibn.cli.parser import VerbParser, verb_parser
from segibn.cli.verbs import VERBS
from segibn.config.shipped import INFERENCE, shipped_configs
from segibn.data.datasets.catalog import DATASETS

SHELLS = ("bash", "zsh", "fish")
EXAMPLE = """\
examples:
  source <(segibn completion bash)     (this shell only; bash 4 or newer)
  mkdir -p ~/.local/share/bash-completion/completions
  segibn completion bash > ~/.local/share/bash-completion/completions/segibn
  eval "$(segibn completion zsh)"      (in ~/.zshrc for every shell, after compinit)
  mkdir -p ~/.config/fish/completions
  segibn completion fish > ~/.config/fish/completions/segibn.fish

Make it again after an update.
"""


@verb_parser("completion", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def main(argv: Sequence[str] | None = None) -> int:
    shell = build_parser().parse_args(argv).shell
    print(shtab.complete(parser_of_all(), shell))
    return 0


def parser_of_all() -> argparse.ArgumentParser:
    """Return the verbs as subcommands of one parser, each argument with what completes it."""
    root = argparse.ArgumentParser(prog="segibn")
    root.add_argument("--version", "-V", action="version")
    verbs = root.add_subparsers()
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.summary)
        verbs.choices[name] = import_module(f"segibn.cli.{verb.module}").build_parser()
    _add_completers(root)
    return root


def _add_completers(parser: argparse.ArgumentParser) -> None:
    configs = [name for name in shipped_configs() if not name.startswith(INFERENCE)]
    recipes = [name for name in shipped_configs() if name.startswith(INFERENCE)]
    named = {
        **dict.fromkeys(("config", "configs", "sources"), _names_or_files("configs", configs)),
        **dict.fromkeys(("recipe", "recipes"), _names_or_files("recipes", recipes)),
        "dataset": _names_or_files("datasets", DATASETS),
        "name": _names_or_files("names", [*DATASETS, *configs, *recipes]),
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _add_completers(sub)
        elif action.dest in named:
            action.complete = named[action.dest]  # type: ignore[attr-defined]
        elif action.choices is None and (action.type is Path or not action.option_strings):
            kind = "directory" if action.metavar == "DIR" else "file"
            action.complete = kind  # type: ignore[attr-defined]


def _names_or_files(kind: str, names: Iterable[str]) -> dict[str, Any]:
    """Names that were known when the script was made, and files, in the form that shtab takes."""
    function, words = f"_segibn_{kind}_or_files", " ".join(names)
    bash = f'{function}() {{ compgen -W {quote(words)} -- "$1"; compgen -f -- "$1"; }}'
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": bash,
            "zsh": f"{function}() {{ compadd -- {words}; _files }}",
            "fish": f"function {function}\n  printf '%s\\n' {words}\n  __fish_complete_path (commandline -ct)\nend",
        },
    }
