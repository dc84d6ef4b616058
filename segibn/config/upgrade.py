"""Config files of earlier versions, brought to the present schema; a line for every change.

A file without ``config_version`` is of version 1. A change that makes a file of yesterday invalid,
or mean something else, adds one to CONFIG_VERSION and a function to STEPS, which changes a mapping
in place and also takes files that state only a part (a parent, a child). New keys with a default
need no step.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from segibn.config.schema import CONFIG_VERSION
from segibn.errors import ConfigError

Tree = dict[str, Any]
Step = Callable[[Tree], str | None]

_NEVER = 1_000_000  # no version will have this number


def upgrade_config(tree: Mapping[str, Any], source: str) -> tuple[Tree, list[str]]:
    """Bring a config of any version to the present one -> mapping, what was changed in lines."""
    version = tree.get("config_version", 1)
    if type(version) is not int or not 1 <= version < _NEVER:
        shown = f"{str(version)[:40]!r} " if isinstance(version, str) else ""
        raise ConfigError(f"{source}: config_version {shown}is no whole number from 1 on")
    if version > CONFIG_VERSION:
        reads = f"this version of segibn reads up to {CONFIG_VERSION}; update segibn"
        raise ConfigError(f"{source} has config_version {version}, {reads}")
    try:
        upgraded = copy.deepcopy(dict(tree))
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply for a config") from None
    try:
        notes = [STEPS[earlier](upgraded) for earlier in range(version, CONFIG_VERSION)]
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    return {**upgraded, "config_version": CONFIG_VERSION}, [note for note in notes if note]


def _section(tree: Any, *path: str) -> Tree:
    """What stands at a path, to be changed; empty where that is no mapping."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _without_idle_ratio(tree: Tree) -> str | None:
    """1 -> 2: a ratio beside a variant that has none was ignored once and is refused now."""
    backbone = _section(tree, "model", "backbone")
    ibn = backbone.get("ibn")
    if backbone.get("ibn_ratio") is None or ibn in (None, "a", "ad", "a2"):
        return None
    del backbone["ibn_ratio"]
    return f"model.backbone.ibn_ratio is left out: ibn {ibn} has none and never used it"


def _without_kernels(tree: Tree) -> str | None:
    """2 -> 3: there is one way to compute IBN's norms on a GPU, PyTorch's."""
    if _section(tree, "engine").pop("ibn_kernels", None) != "triton":
        return None
    return "engine.ibn_kernels is left out: the Triton kernels are gone; see engine.compile"


def _without_switchable_whitening(tree: Tree) -> None:
    """3 -> 4: instance norms are all that stands at b's places."""
    backbone = _section(tree, "model", "backbone")
    backbone.pop("switchable", None)
    if backbone.pop("whitening", "none") != "none":
        raise ConfigError("model.backbone: switchable whitening is gone; leave it out and train anew")


STEPS: Mapping[int, Step] = {1: _without_idle_ratio, 2: _without_kernels, 3: _without_switchable_whitening}
"""From each version to the next."""
