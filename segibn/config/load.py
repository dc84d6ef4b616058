"""YAML file -> at most one parent -> overrides -> a validated, frozen ``RunConfig``.

Comes in: a path and ``key.path=value`` strings. Goes out: a config in which every derived value
is filled in, or one ``ConfigError`` that lists every mistake with its path and a suggestion.
"""

import difflib
import logging
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from segibn.config.schema import ATROUS_RATES, RunConfig, divides
from segibn.config.shipped import find_config
from segibn.config.upgrade import upgrade_config
from segibn.errors import ConfigError

logger = logging.getLogger(__name__)


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, of which PyYAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping after checking that its keys differ."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"key '{key}' stands twice (line {line})")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file, apply overrides, validate, and fill in derived values.

    Args:
        path: YAML file, or the name of a shipped one (``gta5_ibn``). Its optional ``base:`` names
            one parent, relative to the file; the parent may have none. Mappings merge, lists and
            scalars replace; a mapping whose ``name`` changes (another head, another data set)
            replaces its parent's whole.
        overrides: ``key.path=value`` each, the value read as YAML.

    Raises:
        ConfigError: the file is missing, no YAML, or not a valid run; lists every mistake.
    """
    path = find_config(path)
    tree = _read_with_parent(path)
    tree.setdefault("name", path.stem)
    for override in overrides:
        _apply_override(tree, override)
    return validate(tree, source=str(path))


def validate(tree: Mapping[str, Any], source: str) -> RunConfig:
    """Turn a plain mapping into a ``RunConfig`` with derived values filled in.

    Raises:
        ConfigError: lists every mistake; ``source`` says where the mapping came from.
    """
    try:
        return _derive(RunConfig.model_validate(tree))
    except ValidationError as error:
        lines = [f"  {explain(dict(item))}" for item in error.errors()]
        raise ConfigError(f"{source} is not a valid config:\n" + "\n".join(lines)) from None


def dump_config(config: RunConfig) -> str:
    """Return the resolved config as YAML that ``load_config`` reads back to an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _read_with_parent(path: Path) -> dict[str, Any]:
    tree = _read_any_version(path)
    base = tree.pop("base", None)
    if base is None:
        return tree
    parent_path = path.parent / str(base)
    parent = _read_any_version(parent_path)
    if "base" in parent:
        raise ConfigError(
            f"{path}: its base {parent_path} has a base itself; only one parent is allowed"
        )
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
    """Read a mapping; keys that stand twice are refused, paths below ``data`` become absolute.

    Raises:
        ConfigError: no such file, not YAML, or no mapping.
    """
    if not path.is_file():
        raise ConfigError(f"no config file {path}{_nearby(path)}")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold a mapping, `key: value` lines, at its top")
    _anchor_files(tree, path.parent)
    return tree


def _nearby(path: Path) -> str:
    known = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, known, n=3)
    if close:
        return f"; did you mean {' or '.join(str(path.parent / name) for name in close)}?"
    return f"; there are {', '.join(known)}" if known else ""


def _anchor_files(tree: dict[str, Any], folder: Path) -> None:
    """Make paths in ``data`` absolute: they are relative to the config file that states them."""
    data = tree.get("data")
    if not isinstance(data, dict):
        return
    mix = data.get("mix")
    sources = [part for part in mix if isinstance(part, dict)] if isinstance(mix, list) else []
    datasets = (data.get("train"), data.get("val"), *(part.get("dataset") for part in sources))
    for place, key in ((data, "augmentation_file"), *((d, "names_file") for d in datasets)):
        if isinstance(place, dict) and isinstance(place.get(key), str):
            place[key] = str((folder / place[key]).resolve())


def _merge(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(parent)
    for key, value in child.items():
        old = merged.get(key)
        merged[key] = value
        if isinstance(old, dict) and isinstance(value, dict):
            same_kind = value.get("name", old.get("name")) == old.get("name")
            merged[key] = _merge(old, value) if same_kind else value
    return merged


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override '{override}' must look like optim.lr=0.02")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override '{override}': the value is not YAML: {error}") from None
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.get(parent)
        if not isinstance(child, dict):
            child = node[parent] = {}
        node = child
    node[last] = value


def _derive(config: RunConfig) -> RunConfig:
    """Fill in what follows from other fields, so that the saved config says it outright."""
    head = config.model.head
    if getattr(head, "atrous_rates", ()) is None:
        # null = only the network knows its stride; the rates are chosen when it is built
        stride = config.model.backbone.output_stride
        rates = None if stride is None else ATROUS_RATES[stride]
        head = head.model_copy(update={"atrous_rates": rates})
        model = config.model.model_copy(update={"head": head})
        config = config.model_copy(update={"model": model})
    return config


def explain(item: dict[str, Any], root: type[BaseModel] = RunConfig) -> str:
    """One line for one pydantic error: the config path, what is wrong, the likely meaning.

    Args:
        item: of ``ValidationError.errors``.
        root: what was validated.
    """
    location = tuple(str(part) for part in item["loc"])
    where = ".".join(part for part in location if part not in _UNION_TAGS) or "(whole config)"
    if item["type"] == "extra_forbidden":
        known = _known_keys(location[:-1], root)
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    message = item["msg"].removeprefix("Value error, ")
    got = item.get("input")
    shown = "" if isinstance(got, dict) else f" (got {got!r})"
    return f"{where}: {message[:1].lower() + message[1:]}{shown}"


_HEADS = {"fcn", "linear", "deeplabv3", "deeplabv3plus"}
_SAMPLINGS = {"uniform", "class_uniform", "rare_class"}
_UNTAGGED = "own"  # the member of a union that has many names
_UNION_TAGS = {*_HEADS, *_SAMPLINGS, "timm", _UNTAGGED}


def _known_keys(location: Sequence[str], root: type[BaseModel]) -> list[str]:
    """Field names of the model that ``location`` leads to (union tags choose the member)."""
    models: list[type[BaseModel]] = [root]
    for part in location:
        tagged = [m for m in models if (_tag(m) or _UNTAGGED) == part]
        if tagged:
            models = tagged
            continue
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [found for a in annotations for found in _models_in(a)] or models
    fields = (item for model in models for item in model.model_fields.items())
    return sorted({field.alias or name for name, field in fields})


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("name")
    values = typing.get_args(field.annotation) if field else ()
    return values[0] if len(values) == 1 else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models_in(part)]
