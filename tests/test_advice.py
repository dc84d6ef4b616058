"""What messages advise exists: verbs, their options, config keys, extras."""

import argparse
import ast
import re
import tomllib
import typing
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

import segibn
from segibn.cli.verbs import VERBS
from segibn.config.schema import RunConfig

PACKAGE = Path(segibn.__file__).parent
COMMANDS = {"print_next", "command_text"}
ADVICE = COMMANDS | {"print_then", "warning", "warn"}
OTHERS = r"python \S+\.py.*|pip install[^;,)]*|torchrun.*|docker run.*"
"""Commands of other programs, whose options are not ours."""
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
KEY = re.compile(rf"(?<![\w./'])(?:{'|'.join(RunConfig.model_fields)})(?:\.[a-z]\w*)+(?![\w(]|\.\w)")


def messages() -> Iterator[tuple[str, str]]:
    """Yield (place, text) of what is raised, warned of or advised; a command as one text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ""
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if called in COMMANDS:
                words = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
                yield place, f"segibn {' '.join(map(str, words))}"
            elif isinstance(node, ast.Raise) or called in ADVICE or called.endswith("Error"):
                yield from ((place, text) for text in texts(node))


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the strings of an expression; what is filled into one is left open."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
        yield "".join(parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for inner in ast.iter_child_nodes(node):
            yield from texts(inner)


@cache
def options_of(verb: str) -> frozenset[str]:
    parser = import_module(f"segibn.cli.{VERBS[verb].module}").build_parser()
    subs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    every = [parser, *(one for action in subs for one in action.choices.values())]
    return frozenset(name for one in every for name in one._option_string_actions)


def models(kind: object) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in typing.get_args(kind):
        yield from models(part)


def is_key(words: list[str], kinds: list[type[BaseModel]]) -> bool:
    found = [one.model_fields[words[0]].annotation for one in kinds if words[0] in one.model_fields]
    inner = [model for kind in found for model in models(kind)]
    return bool(found) and (len(words) == 1 or is_key(words[1:], inner))


def faults(text: str) -> list[str]:
    """Return what a message names that there is not."""
    own = re.sub(OTHERS, "", text)
    every = frozenset().union(*map(options_of, VERBS))
    found = [name for name in OPTION.findall(own) if name not in every]
    for verb, rest in re.findall(r"segibn ([a-z][\w-]+)((?:(?!segibn )[^`\n;,])*)", own):
        if verb in VERBS:
            found += [f"{verb} {n}" for n in OPTION.findall(rest) if n not in options_of(verb)]
        elif f"`segibn {verb}" in own:
            found.append(verb)
    keys = [key for key in KEY.findall(own) if not key.endswith((".safetensors", ".onnx", ".yaml"))]
    found += [key for key in keys if not is_key(key.split("."), [RunConfig])]
    extras = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    known = extras["optional-dependencies"]
    return found + [name for name in re.findall(r"segibn\[(\w+)\]", own) if name not in known]


def test_all_that_messages_advise_is_there() -> None:
    every = list(messages())
    assert len(every) > 500
    assert [(place, found) for place, text in every if (found := faults(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "use --outptu",
        "run `segibn trian`",
        "segibn train x --split val",
        "set optim.learning_rate",
        "pip install 'segibn[exports]', see `segibn[exports]`",
    ],
)
def test_advice_of_what_is_not_there_is_found(text: str) -> None:
    assert faults(text)
