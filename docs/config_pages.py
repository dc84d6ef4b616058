"""The reference of configs as Markdown: every key with its values, default and meaning.

In: the pydantic models of ``segibn.config``, whose fields are described by their docstrings. Out:
a section for each part of a config.
"""

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from segibn.config.explain import describe, field_type
from segibn.config.schema import RunConfig
from segibn.inference.config import InferenceConfig


def config_reference() -> str:
    """Return the sections of the reference: a run's config, then an inference config."""
    sections = [_section(path, model) for path, model in _parts("", RunConfig)]
    recipe = _section("An inference config", InferenceConfig)
    return "\n".join([*sections, recipe])


def _parts(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every part of a config with its path, depth first, each model once."""
    seen: set[type[BaseModel]] = set()

    def walk(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
        if model in seen:
            return
        seen.add(model)
        yield path, model
        for name, field in model.model_fields.items():
            for part in _models_in(field.annotation):
                yield from walk(f"{path}.{name}".lstrip("."), part)

    yield from walk(path, model)


def _section(path: str, model: type[BaseModel]) -> str:
    tag = typing.get_args(model.model_fields["name"].annotation) if _is_tagged(model) else ()
    title = path or "The top of a file"
    heading = f"`{path}`" if path and " " not in path else title
    lines = [f"## {heading}" + (f" with `name: {tag[0]}`" if tag else ""), ""]
    lines += [_markdown(" ".join((model.__doc__ or "").split())), ""]
    for name, field in model.model_fields.items():
        default = "needed" if field.is_required() else f"default `{_yaml(field.get_default())}`"
        lines += [f"`{field.alias or name}` ({describe(field_type(field), '`')}; {default})"]
        lines += [f": {_markdown(field.description or '')}", ""]
    return "\n".join(lines)


def _is_tagged(model: type[BaseModel]) -> bool:
    """Whether a model is one of several that a ``name`` tells apart."""
    field = model.model_fields.get("name")
    return field is not None and len(typing.get_args(field.annotation)) == 1


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models_in(part)]


def _yaml(value: Any) -> str:
    """A default as one would write it in a config."""
    if isinstance(value, BaseModel):
        return "{...}" if not _is_tagged(value.__class__) else str(value.name)  # type: ignore[attr-defined]
    if isinstance(value, tuple):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if value != "" else '""'


def _markdown(text: str) -> str:
    """A docstring's double backticks as single ones, its lines joined."""
    return " ".join(text.split()).replace("``", "`")
