"""What ships with the package, by name: configs, such as ``real/camera_ibn``, trained networks."""

import os
from pathlib import Path

from segibn.errors import ConfigError
from segibn.text import did_you_mean, printable

PACKAGE = Path(__file__).resolve().parents[1]
DEFAULT_MODEL = "street-lite"
"""The trained network of whoever names none."""
INFERENCE = "inference/"
"""How the names of inference configs begin."""
_SUFFIXES = (".yaml", ".yml")


def configs_folder(package: Path = PACKAGE) -> Path:
    """Return the folder of shipped configs: in a wheel's package, or beside it in a checkout."""
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "base").is_dir() and (folder / "sample_ibn.yaml").is_file():
            return folder
    raise ConfigError(
        f"this installation has no configs, neither in {package / 'configs'} nor in "
        f"{package.parent / 'configs'}; install segibn again, or name a config by its file"
    )


def shipped_networks(package: Path = PACKAGE) -> dict[str, Path]:
    """Return name -> file of the shipped trained networks; the card NAME.md lies beside each."""
    folders = (package / "networks", package.parent / "models")  # in a wheel, in a checkout
    files = (path for folder in folders for path in folder.glob("*.safetensors"))
    return {path.stem: path for path in sorted(files)}


def shipped_or_file(text: str) -> Path:
    """Return the file of a shipped network, as ``init_from`` names one; else the path that the text is."""
    return Path(text) if os.path.exists(text) else shipped_networks().get(text, Path(text))


def shipped_configs() -> dict[str, Path]:
    """Return name -> file of all shipped configs, inference configs among them."""
    folder = configs_folder()
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def names_config(text: str) -> bool:
    """Whether a word means a config where runs may be meant too: a YAML file or a shipped name."""
    return Path(text).suffix in _SUFFIXES or (not os.path.exists(text) and text in shipped_configs())


def find_config(given: str | Path) -> Path:
    """Return the file that is meant: a file that is there, else the shipped config of that name.

    ``configs/gta5_ibn.yaml``, as a checkout writes it, means ``gta5_ibn`` anywhere. The path of a
    YAML file that is not there is returned as it is; ConfigError for a name that no config has.
    """
    path = Path(given)
    if os.path.exists(path) and not os.path.isdir(path):  # Path raises for a name too long
        return path
    is_yaml = path.suffix in _SUFFIXES
    if path.is_absolute():
        return path
    name = (path.with_suffix("") if is_yaml else path).as_posix().removeprefix("configs/")
    shipped = shipped_configs()
    if name in shipped:
        return shipped[name]
    if is_yaml and path.parent != Path() and path.parent.is_dir():
        return path  # whoever reads it says what lies beside it
    if os.path.isdir(path):
        raise ConfigError(f"{printable(given)} is a folder, no config; name a YAML file")
    hint = did_you_mean(name, [*shipped, *sorted({str(found) for found in path.parent.glob("*.yaml")})])
    if not hint:
        ends = {full.rpartition("/")[2]: full for full in shipped}  # camera_ibn, real/camera_ibn
        hint = did_you_mean(name, ends, 1)
        for end, full in ends.items():
            hint = hint.replace(f"'{end}'", f"'{full}'")
    hint = hint or "; segibn configs lists those that are shipped"
    raise ConfigError(f"no config '{printable(given)}', as a file or by name{hint}")
