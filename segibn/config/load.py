"""YAML file -> at most one parent -> overrides -> a validated, frozen ``RunConfig``."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from segibn.config.data import divides
from segibn.config.explain import explain
from segibn.config.model import ATROUS_RATES
from segibn.config.referred import anchor
from segibn.config.schema import RunConfig
from segibn.config.shipped import find_config
from segibn.config.upgrade import upgrade_config
from segibn.errors import ConfigError
from segibn.text import did_you_mean
from segibn.text.plain_data import parse_yaml, read_yaml_file

logger = logging.getLogger(__name__)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file or a shipped one by name (``gta5_ibn``), apply overrides, and validate.

    Its optional ``base:`` names one parent, relative to the file. Mappings merge, lists and scalars
    replace; a mapping whose ``name`` changes (another head) replaces its parent's whole.
    ``overrides``: ``key.path=value`` each, values read as YAML. ConfigError lists every mistake.
    """
    path = find_config(path)
    tree = _read_with_parent(path)
    tree.setdefault("name", path.stem)
    for override in overrides:
        _apply_override(tree, override)
    anchor(tree, Path())  # overrides are told where the command is typed
    return validate(tree, source=str(path))


def validate(tree: Mapping[str, Any], source: str) -> RunConfig:
    """Validate a mapping from ``source``, and fill in what follows from other values."""
    try:
        config = RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{source} is not a valid config:\n{explain(error, RunConfig)}") from None
    head, stride = config.model.head, config.model.backbone.output_stride
    # Where only the network knows its stride, the rates are chosen when it is built.
    if getattr(head, "atrous_rates", ()) is not None or stride is None:
        return config
    head = head.model_copy(update={"atrous_rates": ATROUS_RATES[stride]})
    return config.model_copy(update={"model": config.model.model_copy(update={"head": head})})


def dump_config(config: RunConfig) -> str:
    """Return the resolved config as YAML that ``load_config`` reads back to an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _read_with_parent(path: Path) -> dict[str, Any]:
    tree = _read_any_version(path)
    base = tree.pop("base", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base must be text, the path of one config (got {base!r})")
    parent_path = path.parent / base
    try:
        parent = _read_any_version(parent_path)
    except ConfigError as error:
        raise ConfigError(f"{path}: its base: {error}") from None
    if "base" in parent:
        raise ConfigError(f"{path}: its base {parent_path} has a base itself; only one parent is allowed")
    parent.pop("name", None)
    _drop_foreign_val(parent, tree)
    return _merge(parent, tree)


def _drop_foreign_val(parent: dict[str, Any], child: dict[str, Any]) -> None:
    """Keep a child's ``val: {fraction: 0.2}``, of a ``train`` of its own, from the parent's val."""
    old, new = parent.get("data"), child.get("data")
    if not isinstance(old, dict) or not isinstance(new, dict) or not divides(new.get("val")):
        return
    trains = [data.get("train") for data in (old, new)]
    names = [train.get("name") if isinstance(train, dict) else None for train in trains]
    if names[1] not in (None, names[0]):
        old.pop("val", None)


def _read_any_version(path: Path) -> dict[str, Any]:
    """Read a config file of this or an earlier version, and say what was changed for it."""
    tree, notes = upgrade_config(read_yaml(path), str(path))
    for note in notes:
        logger.info("%s: %s", path, note)
    return tree


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping; keys that stand twice are refused, paths below ``data`` become absolute."""
    if not os.path.exists(path):  # Path's own raises for a name that is too long
        known = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        there = f"; there are {', '.join(known)}" if known else ""
        hint = did_you_mean(str(path), [str(path.parent / name) for name in known]) or there
        raise ConfigError(f"no config file {path}{hint}")
    tree = read_yaml_file(path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold a mapping, `key: value` lines, at its top")
    anchor(tree, path.parent)
    return tree


def _merge(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = {**parent, **child}
    for key in parent.keys() & child.keys():
        old, new = parent[key], child[key]
        if isinstance(old, dict) and isinstance(new, dict):
            merged[key] = _merge(old, new) if new.get("name", old.get("name")) == old.get("name") else new
    return merged


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all([*parents, last]):
        raise ConfigError(f"override '{override}' must look like optim.lr=0.02")
    node = tree
    for parent in parents:
        child = node.get(parent)
        if not isinstance(child, dict):
            child = node[parent] = {}
        node = child
    node[last] = parse_yaml(text, f"the value of override '{override}'")
