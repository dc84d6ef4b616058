"""``completion``: a script that completes verbs, options, choices, configs and files in a shell.

The script is made once, from the verbs' own parsers; completing starts no Python.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module

from segibn.cli.parser import verb_parser
from segibn.cli.verbs import VERBS
from segibn.config.shipped import RECIPES, shipped_configs

SHELLS = ("bash", "zsh", "fish")
EXAMPLE = """\
examples:
  source <(segibn completion bash)     (this shell only; bash 4 or newer)
  mkdir -p ~/.local/share/bash-completion/completions
  segibn completion bash > ~/.local/share/bash-completion/completions/segibn
  source <(segibn completion zsh)      (in ~/.zshrc for every shell)
  mkdir -p ~/.config/fish/completions
  segibn completion fish > ~/.config/fish/completions/segibn.fish

Make it again after an update.
"""
_RECIPES, _CONFIGS = frozenset({"recipe", "recipes"}), frozenset({"config", "configs", "sources"})
"""Arguments that take the name of a shipped config, or a file."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("completion", "Print a script that completes segibn's words.", EXAMPLE)
    parser.add_argument("shell", choices=SHELLS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    shell = build_parser().parse_args(argv).shell

    from segibn.cli.completion_scripts import SCRIPTS

    print(SCRIPTS[shell](words_of_all()), end="")
    return 0


class Words:
    """What may follow a verb.

    Attributes:
        summary: of the verb, one line.
        plain: words without an option before them: configs, the benchmarks of ``submit``.
        options: option -> the values to offer; () = it takes others, None = it takes none.
        file_options: those of ``options`` that take a file as well as one of the values.
        helps: option -> a few words on it.
    """

    def __init__(self, summary: str, parser: argparse.ArgumentParser, configs: list[str]) -> None:
        self.summary = summary
        self.plain: list[str] = []
        self.options: dict[str, list[str] | None] = {}
        self.file_options: list[str] = []
        self.helps: dict[str, str] = {}
        self._configs = [name for name in configs if not name.startswith(RECIPES)]
        self._recipes = [name for name in configs if name.startswith(RECIPES)]
        self._add(parser)

    def _add(self, parser: argparse.ArgumentParser) -> None:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                self.plain += action.choices
                for sub in action.choices.values():
                    self._add(sub)
                continue
            names = self._configs if action.dest in _CONFIGS else []
            names = self._recipes if action.dest in _RECIPES else names
            values = [*map(str, action.choices or ()), *names]
            if not action.option_strings:
                self.plain += values
            for option in action.option_strings:
                self.options[option] = None if action.nargs == 0 else values
                self.helps[option] = (action.help or "").partition(";")[0].replace("%%", "%")
                if names:
                    self.file_options.append(option)


def words_of_all() -> dict[str, Words]:
    """Return verb -> what may follow it, from the verbs' own parsers."""
    configs = list(shipped_configs())
    found = {}
    for name, verb in VERBS.items():
        parser = import_module(f"segibn.cli.{verb.module}").build_parser()
        found[name] = Words(verb.summary, parser, configs)
    found["configs"].plain += configs
    return found
