"""What is wrong with a config: a line for each of pydantic's errors, with its path and a fix."""

import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from segibn.text import counted, did_you_mean, printable

_MOST = 20  # lines: a hostile file can have thousands of mistakes
_SHOWN = 60  # characters of a value
_UNIONS = (typing.Union, types.UnionType)
_LENGTHS = {"min_length": "least", "max_length": "most"}
_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}


def explain(error: ValidationError, root: type[BaseModel]) -> str:
    """Return all mistakes of validating ``root``, each on a line with its path."""
    lines = list(dict.fromkeys(_line(dict(item), root) for item in error.errors()))
    more = [f"and {len(lines) - _MOST:,} more"] if len(lines) > _MOST else []
    return "\n".join(f"  {line}" for line in lines[:_MOST] + more)


def describe(annotation: Any, mark: str = "") -> str:
    """Say what may stand where a ``field_type`` is; ``mark`` goes around literals."""
    parts, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if origin is Annotated:
        return describe(parts[0], mark) + _bounds(parts[1:])
    if origin is typing.Literal:
        return _either([f"{mark}{value}{mark}" for value in parts])
    if origin in _UNIONS:
        plain = [part for part in parts if part is not types.NoneType and not models_in(part)]
        mapping = ["a mapping"] if models_in(annotation) else []
        return " or ".join([*mapping, *(describe(part, mark) for part in plain)])
    if origin is tuple:
        each = _either(list(dict.fromkeys(describe(p, mark) for p in parts if p is not Ellipsis)))
        return f"a list{'' if Ellipsis in parts else f' of {len(parts)}'}, each {each}"
    return _WORDS.get(annotation, "a mapping")


def field_type(field: FieldInfo) -> Any:
    """Return a field's annotation together with its bounds."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a type allows, in its order; those inside lists are not."""
    return [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]


def _either(words: list[str]) -> str:
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _bounds(metadata: Any) -> str:
    flat = [part for item in metadata for part in getattr(item, "metadata", [item])]
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    pairs = [(item, kind) for item in flat for kind in signs if hasattr(item, kind)]
    return "".join(f", {signs[kind]} {getattr(item, kind):.12g}" for item, kind in pairs)


def _members(annotation: Any) -> list[Any]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Annotated:
        return _members(parts[0])
    if typing.get_origin(annotation) in _UNIONS:
        return [member for part in parts for member in _members(part)]
    return [annotation]


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names that a file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _tag(model: type[BaseModel]) -> str:
    """The ``name`` that tells a model from the others of its union; "own" where it has many."""
    field = model.model_fields.get("name")
    values = typing.get_args(field.annotation) if field else ()
    return str(values[0]) if len(values) == 1 else "own"


class _Place:
    """Where an error is: its path in the file, and what the schema has there."""

    def __init__(self, location: Sequence[Any], root: type[BaseModel]) -> None:
        self.path: list[str] = []
        self.type: Any = root
        self.parents: list[type[BaseModel]] = []
        self.default: Any = None
        for part in location:
            models = models_in(self.type)
            # Pydantic's location also names members of unions, which no file shows.
            chosen = [model for model in models if len(models) > 1 and _tag(model) == part]
            if chosen:
                self.type = chosen[0]
                continue
            if isinstance(part, int):
                self.type = _element(self.type, part)
            elif models:
                fields = [keys[part] for m in models if part in (keys := _keys(m))]
                self.parents, self.type = models, field_type(fields[0]) if fields else None
                default = fields[0].get_default() if fields else None
                self.default = default if isinstance(default, int | float | str | tuple) else None
            else:
                break
            self.path.append(str(part))

    @property
    def example(self) -> str:
        if self.default in (None, "", ()):
            return ""
        key = next(part for part in reversed(self.path) if not part.isdigit())
        value = list(self.default) if isinstance(self.default, tuple) else self.default
        return f", as in {key}: {str(value).lower() if isinstance(value, bool) else str(value)}"


def _element(annotation: Any, index: int) -> Any:
    for member in _members(annotation):
        if typing.get_origin(member) is tuple:
            parts = [part for part in typing.get_args(member) if part is not Ellipsis]
            return parts[min(index, len(parts) - 1)]
    return None


def _line(item: dict[str, Any], root: type[BaseModel]) -> str:
    kind, location = item["type"], item["loc"]
    if kind == "missing" and isinstance(location[-1], int):  # a list that is too short
        location = location[:-1]
    place = _Place(location, root)
    if kind.startswith("union_tag"):
        place.path.append("name")
    where = printable(".".join(place.path)) or "(the whole)"
    if kind == "extra_forbidden":
        return f"{where}: unknown key; {_likely_key(place, root)}"
    if kind == "invalid_key":
        return f"{where}: keys are text; write it in quotes"
    if kind == "missing":
        return f"{where}: missing; give {describe(place.type)}"
    if kind == "union_tag_not_found":
        return f"{where}: missing; give {_either([_tag(m) for m in models_in(place.type)])}"
    got = item["input"].get("name") if kind == "union_tag_invalid" else item["input"]
    shown = "" if isinstance(got, dict) else f" (got {_shown(got)})"
    return f"{where}: {_what(item, got, place)}{shown}"


def _shown(value: Any) -> str:
    try:
        text = printable(repr(value))
    except (ValueError, RecursionError):  # an integer of thousands of digits, a nested list
        return "something very large"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _what(item: dict[str, Any], got: Any, place: _Place) -> str:
    if item["type"] == "value_error":
        return printable(item["ctx"]["error"])
    if item["type"] == "finite_number":
        return f"must be a finite number{place.example}"
    if item["type"] == "string_pattern_mismatch":
        return f"must be text of the form {item['ctx']['pattern']}"
    limits = {key: n for key, n in item.get("ctx", {}).items() if key in _LENGTHS}
    tuples = [part for part in _members(place.type) if typing.get_origin(part) is tuple]
    if limits and all(Ellipsis in typing.get_args(part) for part in tuples):
        key, limit = limits.popitem()
        unit = ("character", None) if item["type"].startswith("string") else ("entry", "entries")
        return f"must have at {_LENGTHS[key]} {counted(limit, *unit)}"
    models = models_in(place.type)
    if len(models) > 1:
        choices = [_tag(model) for model in models]
        return f"must be {_either(choices)}{did_you_mean(str(got), choices, 1)}"
    if models:
        keys = ", ".join(_keys(models[0]))
        return f"must be a mapping, `key: value` lines; known keys: {keys}"
    members = _members(place.type)
    literals = [member for member in members if typing.get_origin(member) is typing.Literal]
    choices = [str(value) for member in literals for value in typing.get_args(member)]
    if isinstance(got, int | float) and (str in members or _shown(got) in choices):
        hint = "; write it in quotes"
    else:
        hint = did_you_mean(got, choices, 1) if isinstance(got, str) else ""
    return f"must be {describe(place.type)}{hint or ('' if literals and len(members) == 1 else place.example)}"


def _likely_key(place: _Place, root: type[BaseModel]) -> str:
    """What an unknown key was meant for: a key beside it, or one of another section."""
    *parents, key = place.path
    known = list(dict.fromkeys(name for model in place.parents for name in _keys(model)))
    hint = did_you_mean(key, known, 1)
    if not hint:
        paths = dict.fromkeys(_paths(root))  # two kinds of backbone share keys
        elsewhere = [path for path in paths if path.split(".")[:-1] != parents]
        ends = {path.rpartition(".")[2] for path in elsewhere}
        if len(key) <= 3:  # nearly every word is near to it
            ends &= {key}
        close = did_you_mean(key, ends, 1).partition("'")[2].partition("'")[0]
        meant = [path for path in elsewhere if path.rpartition(".")[2] == close]
        meant.sort(key=lambda path: path.count("."))  # sections of few parts are met most
        hint = f"; did you mean {_either(list(map(repr, meant[:3])))}?" if meant else ""
    return hint.removeprefix("; ") or f"known keys: {', '.join(sorted(known))}"


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in _keys(model).items():
        yield prefix + name
        for part in models_in(field.annotation):
            yield from _paths(part, f"{prefix}{name}.")
