"""Reading files of tensors safely, and saying in few words how two sets of tensors differ."""

import argparse
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segibn.errors import CheckpointError
from segibn.text import printable

FORMAT = "segibn-checkpoint"  # what a checkpoint of this package says it is

COUNTER = "num_batches_tracked"  # ends keys that count for nothing in inference

_CUT_SHORT = ("unexpected eof", "truncated", "ran out of input")
_GLOBAL = re.compile(r"GLOBAL (\S+) w|unrecognized function <[^>]*?(\S+?)>|but got <class '(\S+?)'")

# RobustNet saves its score, a NumPy float, beside the weights; torch's safe reader refuses such
# files. NumPy's own constructors take a state that describes memory, so they are not handed to a
# file; ours take names of plain numbers.
_NUMBER = re.compile(r"[iu][1248]|f[248]|b1")


class _OtherTypeError(ValueError):
    """A NumPy value that is no plain number; the message is its type."""


class _Type:
    """Stands for `numpy.dtype`: the name of a type and its byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if not _NUMBER.fullmatch(name):
            raise _OtherTypeError(f"numpy {name}")
        self.name, self.order = name, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _number(kind: _Type, data: bytes) -> float | int | bool:
    """Stands for `numpy.core.multiarray.scalar`: one number from its bytes."""
    return np.frombuffer(data, kind.order + kind.name, 1)[0].item()


# What a file may name beside tensors: numbers of NumPy, which moved its inner modules in version 2,
# and named values, since many scripts save their arguments beside the weights.
_SAFE = [
    (_Type, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    argparse.Namespace,
]


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read a file's dict onto the CPU, or say why not; nothing in the file is executed."""
    check_is_file(path)
    if path.suffix == ".safetensors":
        raise CheckpointError(
            f"{path} holds tensors without a checkpoint's config: it can be model.weights of a "
            "config; here give the .pt file"
        )
    _check_sizes(path)
    try:
        with torch.serialization.safe_globals(_SAFE):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # arbitrary bytes make torch's reader fail in arbitrary ways
        raise CheckpointError(f"{path} {_fault(path, error)}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a dict of weights: save the network's state_dict()"
        )
    return dict(content)


def _check_sizes(path: Path) -> None:
    """Refuse archives that torch would unpack unasked: compressed, or of a wrong checksum."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":  # how torch tells its archives from the older format
            return
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
            damaged = archive.testzip() if claimed <= path.stat().st_size else None
    except Exception as error:  # the directory's bytes are anybody's
        raise CheckpointError(f"{path} {_fault(path, error)}") from error
    if damaged is not None:
        raise CheckpointError(
            f"{path} is damaged: {printable(damaged)[:200]} in it does not have the checksum that "
            "it was written with; get it again"
        )
    if claimed > path.stat().st_size:
        raise CheckpointError(
            f"{path} is compressed: its {path.stat().st_size:,} bytes unpack to {claimed:,}, which "
            "torch.save never writes. If you trust it, save its tensors again with torch.save"
        )


@contextmanager
def _safetensors(path: Path) -> Iterator[ModuleType]:
    """The package that reads a file, whose errors differ from version to version."""
    check_is_file(path)
    import safetensors.torch

    try:
        yield safetensors
    except Exception as error:
        raise CheckpointError(f"{path} is cut short or no safetensors file ({_reason(error)}); get it again") from error


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file onto the CPU, or say why not."""
    with _safetensors(path) as package:
        return package.torch.load_file(path)


def read_safetensors_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `segibn export` writes, as the file it was made of, but without "training"."""
    with _safetensors(path) as package, package.safe_open(path, "pt") as file:
        notes = file.metadata() or {}
    keys = ("config", "classes", "class_names", "palette", "iteration")
    try:
        content = {key: json.loads(notes[key]) for key in keys}
        content["versions"] = json.loads(notes.get("versions", "{}"))
        if "averaged" in notes:
            content["averaged"] = json.loads(notes["averaged"])
        content["format_version"] = int(notes.get("format_version", "1"))
    except (KeyError, ValueError, TypeError, RecursionError):
        raise CheckpointError(
            f"{path} holds tensors without a checkpoint's config: it can be model.weights of a "
            "config; here give the .pt file, or one that segibn export made of it"
        ) from None
    return content | {"format": FORMAT, "model": read_safetensors(path), "training": None}


def check_is_file(path: Path) -> None:
    """Raise a `CheckpointError` that names the path if there is no file."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name a file in it (in a run folder checkpoints/last.pt)")
    if not path.is_file():
        kind = " is a device or pipe; give a regular file" if path.exists() else ": no such file"
        raise CheckpointError(f"{path}{kind}")


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Put the name of a file or of a key before the message of what knows tensors only."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _fault(path: Path, error: Exception) -> str:
    """What is wrong with a file that torch refuses, and what helps; follows the file's name."""
    with path.open("rb") as file:
        start = file.read(80)
    if not start:
        return "is empty; get it again"
    named = _GLOBAL.search(str(error))
    other = next(filter(None, named.groups())) if named else None
    if isinstance(error, _OtherTypeError):
        other = str(error)
    if other:
        return (
            f"holds more than tensors and numbers ({other}), which is not loaded, since a file "
            "could run any code that way. If you trust it, load it with the program that wrote it "
            "and save the tensors alone: torch.save(network.state_dict(), FILE)"
        )
    if start.isascii() and re.sub(r"\s", "", start.decode()).isprintable():
        line = start.decode().strip().split("\n", 1)[0]
        hint = "fetch what it stands for: git lfs pull" if "git-lfs" in line else "get it again"
        return f"is a text that begins {line!r}, no file of weights; {hint}"
    is_torchs = start.startswith(b"PK") or isinstance(error, EOFError)
    if is_torchs or any(sign in str(error).lower() for sign in _CUT_SHORT):
        return f"is cut short or damaged ({_reason(error)}); get it again"
    return f"is damaged or no file of weights that torch reads ({_reason(error)}); get it again"


def _reason(error: Exception) -> str:
    """The first sentence of an error, without torch's advice to load the file unsafely."""
    sentence = str(error).rsplit("WeightsUnpickler error: ", 1)[-1].strip().split("\n", 1)[0].split(". ", 1)[0]
    return f"{type(error).__name__}: {sentence[:160]}" if sentence else type(error).__name__


def compare_states(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """List where two state dicts differ: shapes, kinds of numbers, "missing KEY", "unknown KEY"."""
    both = [(key, value, found[key]) for key, value in expected.items() if key in found]
    shapes = [
        f"{key} has shape {tuple(other.shape)}, expected {tuple(value.shape)}"
        for key, value, other in both
        if other.shape != value.shape
    ]
    kinds = [
        f"{key} holds {_type(other)}, expected {_type(value)}"
        for key, value, other in both
        if not same_kind(key, value, other)
    ]
    missing = [f"missing {key}" for key in expected if key not in found]
    return shapes + kinds + missing + [f"unknown {printable(key)[:200]}" for key in found if key not in expected]


def same_kind(key: str, first: Tensor, second: Tensor) -> bool:
    """Whether both are floating-point numbers, or neither; of a counter of batches any will do."""
    return key.endswith(COUNTER) or first.is_floating_point() == second.is_floating_point()


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def shortened(lines: Sequence[str], limit: int = 6) -> str:
    """The first lines, indented, and how many more there are."""
    more = [f"... and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join(f"  {line}" for line in (*lines[:limit], *more))
