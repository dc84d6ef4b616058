"""Whether two run folders hold the same training: their last checkpoints and their curves.

Comes in: two run folders. Goes out: what differs, in words; nothing differs between a run and the
same run cut and resumed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from segibn.builders.checkpoints import read_checkpoint
from segibn.engine.run_dir import RunDir
from segibn.text.plain_data import parse_json

CHECKPOINT_PARTS = ("iteration", "model", "training", "class_names")
"""Weights (the moving average, where there is one), and in ``training`` optimiser, scaler, and the
trained weights where ``model`` is their average."""

_SHOWN = 3
MEASUREMENTS = frozenset({"images_per_s", "data_wait", "memory_gib"})
"""Values of ``metrics.jsonl`` that tell how the machine was, not what was learnt."""


def compare_runs(first: RunDir, second: RunDir) -> list[str]:
    """List what differs between the ends of two trainings, to the last bit; empty = nothing.

    Raises:
        CheckpointError: one of them has no checkpoint to read.
    """
    one, two = read_checkpoint(first.last_checkpoint), read_checkpoint(second.last_checkpoint)
    found = [line for part in CHECKPOINT_PARTS for line in _compare(one[part], two[part], part)]
    return found + compare_curves(_curves(first), _curves(second))


def count_values(run: RunDir) -> dict[str, int]:
    """Return how much ``compare_runs`` compares of a run: tensors, numbers in them, records."""
    content = read_checkpoint(run.last_checkpoint)
    tensors = [tensor for part in CHECKPOINT_PARTS for tensor in _tensors(content[part])]
    return {"tensors": len(tensors), "numbers": sum(tensor.numel() for tensor in tensors), "records": len(_curves(run))}


def compare_curves(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[str]:
    """List the first few records in which two curves differ, and how many more there are."""
    pairs = zip(first, second, strict=False)
    differing = [f"metrics.jsonl: {one} -> {two}" for one, two in pairs if one != two]
    lines = differing[:_SHOWN]
    if len(differing) > _SHOWN:
        lines.append(f"metrics.jsonl: {len(differing) - _SHOWN} more records differ")
    if len(first) != len(second):
        lines.append(f"metrics.jsonl: {len(first)} -> {len(second)} records")
    return lines


def _curves(run: RunDir) -> list[dict[str, Any]]:
    lines = run.metrics_file.read_text(encoding="utf-8").splitlines()
    records = [parse_json(line, str(run.metrics_file)) for line in lines]
    return [{key: value for key, value in record.items() if key not in MEASUREMENTS} for record in records]


def _compare(first: Any, second: Any, path: str) -> Iterator[str]:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        yield from _compare_tensors(first, second, path)
    elif isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in sorted(first.keys() | second.keys(), key=str):
            if key in first and key in second:
                yield from _compare(first[key], second[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: only in the {'first' if key in first else 'second'}"
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple):
        if len(first) != len(second):
            yield f"{path}: {len(first)} -> {len(second)} entries"
        for index, (one, two) in enumerate(zip(first, second, strict=False)):
            yield from _compare(one, two, f"{path}[{index}]")
    elif type(first) is not type(second) or first != second:
        yield f"{path}: {first} -> {second}"


def _compare_tensors(first: torch.Tensor, second: torch.Tensor, path: str) -> Iterator[str]:
    if first.shape != second.shape or first.dtype != second.dtype:
        one, two = (f"{tensor.dtype} {tuple(tensor.shape)}" for tensor in (first, second))
        yield f"{path}: {one} -> {two}"
    elif not torch.equal(first, second):
        differ = first != second
        most = (first.double() - second.double()).abs().max().item()
        yield f"{path}: {int(differ.sum())} of {first.numel()} values differ, by {most:.3g} at most"


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _tensors(value)
