"""``configs``: the configs that come with the package: list them, print one, copy one to edit."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from segibn.cli.arguments import datasets_root
from segibn.cli.parser import VerbParser, command_text, print_next, print_then, verb_parser
from segibn.config.shipped import INFERENCE, find_config, shipped_configs

EXAMPLE = """\
examples:
  segibn configs
  segibn configs gta5_ibn                 (every value, the base's among them)
  segibn configs gta5_ibn --copy mine     (mine/gta5_ibn.yaml and what it refers to, to edit)

A verb that takes a CONFIG or a --recipe takes these names: segibn train gta5_ibn.
"""


@verb_parser("configs", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="a shipped config, or a YAML file")
    add("--copy", type=Path, metavar="DIR", help="copy it there, with the files it refers to")


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    name, folder = arguments.name, arguments.copy
    if name is None:
        if folder is not None:
            parser.error("--copy needs the NAME of a config")
        configs = shipped_configs()
        width = max(map(len, configs))
        for known, path in configs.items():
            print(f"{known:<{width}}  {first_line(path)}")
        return 0

    from segibn.runs.configs import copy_config, resolved
    from segibn.runs.sets import why_untrainable

    if folder is None:
        path = find_config(name)
        print(f"# {path}, resolved: {first_line(path)}\n{resolved(name)}", end="")
        return 0
    copied = copy_config(name, folder)
    print("\n".join(map(str, copied)))
    if name.startswith(INFERENCE):
        return 0
    if why_untrainable(copied[0], datasets_root(None)):
        print_then(f"edit it; {command_text('train', copied[0], '--datasets', 'DIR')}")
    else:
        print_next("train", copied[0])
    return 0


def first_line(path: Path) -> str:
    """Return what a config's header says first: up to its first full stop, or its first line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = takewhile(lambda line: re.match(r"#(?!\s*command:)", line), lines)
    return " ".join(line.removeprefix("#").strip() for line in header).partition(". ")[0].rstrip(".")
