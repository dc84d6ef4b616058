"""``completion``: a script of shtab that completes verbs, options, choices and files.

The script is made once, from the verbs' own parsers; completing starts no Python.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import shtab

from segibn.cli.parser import VerbParser, verb_parser
from segibn.cli.verbs import VERBS

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
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def main(argv: Sequence[str] | None = None) -> int:
    shell = build_parser().parse_args(argv).shell
    root = argparse.ArgumentParser(prog="segibn")
    root.add_argument("--version", "-V", action="version")
    verbs = root.add_subparsers()
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.summary)
        verbs.choices[name] = import_module(f"segibn.cli.{verb.module}").build_parser()
    _complete_files(root)
    print(shtab.complete(root, shell))
    return 0


def _complete_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_files(sub)
        elif action.choices is None and (action.type is Path or not action.option_strings):
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
