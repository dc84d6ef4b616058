"""The configs that ship with segibn, by name: inside the installed package, or in the checkout."""

import difflib
from pathlib import Path

import segibn
from segibn.errors import ConfigError


def list_configs() -> list[str]:
    """Return the names of the shipped runs, such as gta5_ibn; empty where none are shipped."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def shipped_config(name: str) -> Path:
    """Return the file of a shipped config.

    Raises:
        ConfigError: there is none of this name; the message says which there are.
    """
    names = list_configs()
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(f"no config '{name}': {hint}There are {', '.join(names) or 'none'}")
    return _folder() / f"{name}.yaml"


def _folder() -> Path:
    package = Path(segibn.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"
