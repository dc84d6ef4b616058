"""A shipped config with every value filled in, or copied with all that it refers to."""

from pathlib import Path

import yaml

from segibn.config.load import dump_config, load_config, read_yaml
from segibn.config.referred import referred
from segibn.config.shipped import INFERENCE, configs_folder, find_config
from segibn.errors import ConfigError
from segibn.files.writing import write_bytes
from segibn.inference.config import load_inference_config


def resolved(name: str) -> str:
    """Return a training or inference config with every value, as YAML."""
    path = find_config(name)
    if path.is_relative_to(configs_folder() / INFERENCE):
        return yaml.safe_dump(load_inference_config(path).model_dump(mode="json"), sort_keys=False)
    return dump_config(load_config(path))


def copy_config(name: str, folder: Path) -> list[Path]:
    """Copy a shipped config and the files it refers to, in the same places to each other.

    -> the copies, the config's first. ConfigError: no shipped config, or another file is there.
    """
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
    tree = read_yaml(source)
    found = [Path(mapping[key]) for _, mapping, key in referred(tree)]
    if "base" in tree:
        base = (source.parent / tree["base"]).resolve()
        found += [base, *_referred(base)]
    return list(dict.fromkeys(found))
