"""Checkpoints from anybody: whatever is in them, they are a network or one clear error."""

import io
import json
import os
import random
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segibn.builders.checkpoints import load_segmenter, read_checkpoint
from segibn.errors import CheckpointError, SegibnError
from segibn.export.exported import read_onnx

GOLDEN = Path(__file__).resolve().parents[1] / "golden/formats/checkpoint_first.pt"
LIMIT_S = 2.0  # of computing: other processes may hold the machine up

SMALL: dict[str, Any] = {
    "format": "segibn-checkpoint",
    "format_version": 2,
    "config": {"name": "x"},
    "class_names": ["road", "sky"],
    "palette": [[1, 2, 3], [4, 5, 6]],
    "classes": "folder",
    "iteration": 3,
    "model": {"a.weight": torch.ones(2, 3), "a.num_batches_tracked": torch.tensor(1)},
    "training": None,
    "versions": {},
}


def doubled(times: int) -> list[Any]:
    """A list that is small in a file and endless when it is walked."""
    tree: list[Any] = []
    for _ in range(times):
        tree = [tree, tree]
    return tree


def state(value: Any, key: Any = "a.weight") -> dict[str, Any]:
    return {"model": {**SMALL["model"], key: value}}


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch gives quantised tensors up; files hold them
    QUANTISED = torch.quantize_per_tensor(torch.ones(2, 3), 1.0, 0, torch.qint8)
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"iteration": "twelve"}, "iteration: .*valid integer, it is 'twelve'"),
    ({"iteration": float("nan")}, "iteration: "),
    ({"iteration": True}, "iteration: "),
    ({"iteration": 10**30}, "iteration is a number of more than 64 bits"),
    ({"iteration": -1}, "iteration: "),
    ({"format_version": [1]}, "checkpoint format"),
    ({"versions": {"torch": 2}}, "versions.torch: "),
    ({"classes": "\x1b[2J"}, "classes: .*cannot be printed"),
    ({"class_names": doubled(60)}, "more, or nested deeper"),
    ({"config": {"a": doubled(20)}}, "more, or nested deeper"),
    ({"model": [torch.ones(1)]}, "model: .*dictionary, it is a list"),
    ({"model": {}}, "model: "),
    ({"training": {"optimizer": 3, "scaler": {}}}, "training.optimizer: "),
    (state("text"), "model.a.weight: .*Tensor, it is 'text'"),
    (state(torch.ones(1), key=None), "a key in model is None"),
    (state(torch.tensor(float("nan"))), "model.a.weight holds NaN"),
    (state(torch.tensor(-torch.inf).half()), "model.a.weight holds infinite values"),
    (state(torch.ones(2, 3, dtype=torch.complex64)), "a.weight is of type complex64"),
    (state(torch.eye(3).to_sparse()), "a.weight is sparse"),
    (state(QUANTISED), "a.weight is quantised"),
    (state(torch.ones(2, device="meta")), "a.weight has a shape but no values"),
    (state(torch.ones(1).expand(1 << 40)), "a.weight claims 4,398,046,511,104 bytes"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_a_part_that_is_not_what_it_must_be_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    torch.save(SMALL, tmp_path / "good.pt")
    assert read_checkpoint(tmp_path / "good.pt")["iteration"] == 3
    torch.save({**SMALL, **change}, tmp_path / "bad.pt")
    started = time.process_time()
    with pytest.raises(CheckpointError, match=rf"(?s)bad\.pt.*{message}"):
        read_checkpoint(tmp_path / "bad.pt")
    assert time.process_time() - started < LIMIT_S


def test_weights_of_another_kind_than_the_networks_are_refused(tmp_path: Path) -> None:
    content = torch.load(GOLDEN, weights_only=True)
    key = "head.classifier.weight"
    content["model"][key] = content["model"][key].to(torch.int8)
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=f"{key} holds int8, expected float32"):
        load_segmenter(tmp_path / "bad.pt")


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.onnx"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name} is a device or pipe"):
        (read_onnx if name.endswith("onnx") else read_checkpoint)(tmp_path / name)


def test_safetensors_pass_the_same_checks(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra `export`")
    path, keys = tmp_path / "x.safetensors", ("config", "class_names", "palette", "classes")
    notes = {key: json.dumps(SMALL[key]) for key in keys}
    for iteration, weight, message in (
        ("NaN", torch.ones(1), "iteration: "),
        ("3", torch.tensor([torch.nan]), "model.a holds NaN"),
        ("3", torch.ones(1, dtype=torch.complex64), "model.a is of type complex64"),
    ):
        safetensors.save_file({"a": weight}, path, {**notes, "iteration": iteration})
        with pytest.raises(CheckpointError, match=rf"(?s)x\.safetensors.*{message}"):
            read_checkpoint(path)


def test_an_archive_that_unpacks_to_more_than_it_is_is_not_unpacked(tmp_path: Path) -> None:
    whole, path = io.BytesIO(), tmp_path / "bomb.pt"
    torch.save({"x": torch.zeros(1 << 16)}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in source.infolist():
            out.writestr(entry.filename, source.read(entry))
    assert torch.load(path, weights_only=True)["x"].shape == (1 << 16,)  # torch unpacks it
    with pytest.raises(CheckpointError, match=r"bomb\.pt is compressed: its \S+ bytes unpack to"):
        read_checkpoint(path)


ODD: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: -1,
    lambda: 1 << 70,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: "",
    lambda: "x\x1b[2J\n",
    lambda: "9" * 5000,
    list,
    dict,
    lambda: {None: 1},
    lambda: doubled(40),
    lambda: [[1, "a"]],
    lambda: torch.ones(2),
    lambda: torch.ones(1).expand(1 << 40),
    lambda: torch.eye(2).to_sparse(),
    lambda: torch.ones(2, dtype=torch.complex64),
    lambda: torch.full((2,), torch.nan),
    lambda: torch.ones(2, device="meta"),
]


def mutated(tree: Any, draw: random.Random) -> Any:
    """Replace, remove or rename one random part of a tree; the tree itself stays."""
    if isinstance(tree, Tensor) or not tree or not isinstance(tree, dict | list):
        return draw.choice(ODD)()
    if draw.random() < 0.1:
        return draw.choice(ODD)()
    if isinstance(tree, list):
        index = draw.randrange(len(tree))
        return [*tree[:index], mutated(tree[index], draw), *tree[index + 1 :]]
    key = draw.choice(list(tree))
    rest = {name: value for name, value in tree.items() if name != key}
    how = draw.random()
    if how < 0.1:
        return rest
    if how < 0.2:
        return {**rest, draw.choice([None, 7, 1.5, f"{key}\x1b", "x" * 9999]): tree[key]}
    return {**rest, key: mutated(tree[key], draw)}


def outcome(path: Path) -> str | None:
    """The error of a file; None where it is a network."""
    try:
        load_segmenter(path)
    except SegibnError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [16, pytest.param(400, marks=pytest.mark.slow)])
def test_damaged_checkpoints_are_networks_or_clear_errors(tmp_path: Path, count: int) -> None:
    content, data = torch.load(GOLDEN, weights_only=True), GOLDEN.read_bytes()
    path, draw = tmp_path / "x.pt", random.Random(0)
    for number in range(count):
        if number % 2:
            torch.save(mutated(content, draw), path)
        else:
            damaged = bytearray(data)
            for _ in range(draw.choice((1, 4, 30))):
                damaged[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(damaged[: draw.choice((len(data), draw.randrange(len(data))))])
        started = time.process_time()
        said = outcome(path)
        assert time.process_time() - started < LIMIT_S, number
        assert said is None or "x.pt" in said, number
        assert said is None or ("\x1b" not in said and len(said) < 4000), number
