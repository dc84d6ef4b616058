"""Config files of earlier versions, brought to the present schema; a line for every change.

A file without ``config_version`` is of version 1. A change that makes a file of yesterday invalid,
or mean something else, adds one to CONFIG_VERSION and a pure function to STEPS, which also takes
files that state only a part (a parent, a child). New keys with a default need no step.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from segibn.config.schema import CONFIG_VERSION
from segibn.errors import ConfigError

Tree = dict[str, Any]
Step = Callable[[Tree], tuple[Tree, list[str]]]

_NEVER = 1_000_000  # no version will have this number
_WITH_RATIO = ("a", "ad", "a2")


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
        upgraded, notes = copy.deepcopy(dict(tree)), []
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply for a config") from None
    for earlier in range(version, CONFIG_VERSION):
        upgraded, changes = STEPS[earlier](upgraded)
        notes += changes
    return {**upgraded, "config_version": CONFIG_VERSION}, notes


def _without_idle_ratio(tree: Tree) -> tuple[Tree, list[str]]:
    """1 -> 2: a ratio beside a variant that has none was ignored once and is refused now."""
    model = tree.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("backbone"), dict):
        return tree, []
    backbone: Tree = model["backbone"]
    ibn = backbone.get("ibn")
    if backbone.get("ibn_ratio") is None or ibn is None or ibn in _WITH_RATIO:
        return tree, []
    kept = {key: value for key, value in backbone.items() if key != "ibn_ratio"}
    note = f"model.backbone.ibn_ratio is left out: ibn {ibn} has none and never used it"
    return {**tree, "model": {**model, "backbone": kept}}, [note]


def _without_kernels(tree: Tree) -> tuple[Tree, list[str]]:
    """2 -> 3: there is one way to compute IBN's norms on a GPU, PyTorch's."""
    engine = tree.get("engine")
    if not isinstance(engine, dict) or "ibn_kernels" not in engine:
        return tree, []
    kept = {key: value for key, value in engine.items() if key != "ibn_kernels"}
    note = "engine.ibn_kernels is left out: the Triton kernels are gone; see engine.compile"
    notes = [note] if engine["ibn_kernels"] == "triton" else []
    return {**tree, "engine": kept}, notes


STEPS: Mapping[int, Step] = {1: _without_idle_ratio, 2: _without_kernels}
"""From each version to the next."""
