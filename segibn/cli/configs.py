"""``configs``: the configs that come with the package: list them, print one, copy one to edit."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import datasets_root, missing_data
from segibn.cli.parser import command_text, print_next, print_then, verb_parser
from segibn.config.shipped import RECIPES, configs_folder, find_config, shipped_configs

EXAMPLE = """\
examples:
  segibn configs
  segibn configs gta5_ibn                 (every value, the base's among them)
  segibn configs gta5_ibn --copy mine     (mine/gta5_ibn.yaml and what it refers to, to edit)

A verb that takes a CONFIG or a --recipe takes these names: segibn train gta5_ibn.
"""
_COMMAND = "command:"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("configs", "List the shipped configs, print one, or copy one.", EXAMPLE)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a shipped config, or a YAML file")
    parser.add_argument(
        "--copy", type=Path, metavar="DIR", help="copy it there with the files it refers to"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.name is None:
        if arguments.copy is not None:
            parser.error("--copy needs the NAME of a config")
        print(format_list())
    elif arguments.copy is not None:
        copied = copy_config(arguments.name, arguments.copy)
        print("\n".join(str(path) for path in copied))
        if not arguments.name.startswith(RECIPES):
            _say_next(copied[0])
    else:
        print(resolve(arguments.name), end="")
    return 0


def _say_next(copy: Path) -> None:
    from segibn.config.load import load_config

    if missing_data(load_config(copy), datasets_root(None)):
        print_then(f"edit it; {command_text('train', copy, '--datasets', 'DIR')}")
    else:
        print_next("train", copy)


def format_list() -> str:
    """Return a line for each shipped config: its name and the first line of its header."""
    configs = shipped_configs()
    width = max(map(len, configs))
    return "\n".join(f"{name:<{width}}  {first_line(path)}" for name, path in configs.items())


def first_line(path: Path) -> str:
    """Return what a config's header says first: up to its first full stop, or its first line."""
    header = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or text.startswith(_COMMAND):
            break
        header.append(text)
    return " ".join(header).partition(". ")[0].rstrip(".")


def resolve(name: str) -> str:
    """Return a config or a recipe with every value, as YAML.

    Raises:
        ConfigError: there is none, or it is not valid.
    """
    path = find_config(name)
    if path.is_relative_to(configs_folder() / RECIPES):
        import yaml

        from segibn.config.recipe import load_recipe

        text = yaml.safe_dump(load_recipe(path).model_dump(mode="json"), sort_keys=False)
    else:
        from segibn.config.load import dump_config, load_config

        text = dump_config(load_config(path))
    return f"# {path}, resolved: {first_line(path)}\n{text}"


def copy_config(name: str, folder: Path) -> list[Path]:
    """Copy a shipped config and the files it refers to, in the same places to each other.

    Args:
        name: of a shipped config.
        folder: to copy to.

    Returns:
        The copies, that of the config first.

    Raises:
        ConfigError: it is no shipped config, or a file of another content is there.
    """
    from segibn.errors import ConfigError
    from segibn.files import write_bytes

    shipped, source = configs_folder(), find_config(name)
    if not source.is_relative_to(shipped):
        raise ConfigError(f"{source} is no shipped config; copy it as any file")
    parts = [source, *_referred(source)]
    copies = {folder / path.relative_to(shipped): path.read_bytes() for path in parts}
    for path, content in copies.items():
        if path.exists() and path.read_bytes() != content:
            raise ConfigError(f"{path} is there and differs; choose another folder with --copy")
    for path, content in copies.items():
        write_bytes(path, content)
    return list(copies)


def _referred(source: Path) -> list[Path]:
    """Its base, and the files that both name."""
    from segibn.config.load import read_yaml
    from segibn.config.referred import referred

    tree = read_yaml(source)
    found = [Path(mapping[key]) for _, mapping, key in referred(tree)]
    if "base" in tree:
        base = (source.parent / tree["base"]).resolve()
        found += [base, *_referred(base)]
    return list(dict.fromkeys(found))
