"""What a training step of each row costs beside the plain one, and what the network costs later.

Both train in this process, in turns: load a batch, update, read the loss. Rows that leave the data
alone get the plain row's batches. A row with smaller batches is charged for as many of its steps as
make up one of plain: what counts is the cost of a sample. Written as rows of `benchmarks.timing`,
with what is counted of the networks at test time beside them.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.generalisation_plan import METHODS, PLAIN
from benchmarks.timing import Row, describe_device, print_table, summarize
from segibn import provenance
from segibn.builders.loader import build_train_loader
from segibn.config.schema import RunConfig
from segibn.devices import default_device
from segibn.engine.run_data import index_run
from segibn.engine.train import build_model
from segibn.engine.update import Batch, Updater
from segibn.errors import ConfigError
from segibn.files.writing import read_json, write_json

FILE = "step_time.json"
WARM_UP = 2

Result = TypeVar("Result")
Pair = tuple[tuple[float, float], tuple[float, float]]
"""CPU seconds of (loading, update) of a row, and of plain."""


Loaded = list[tuple[Batch, float]]
"""Batches, and the CPU seconds that each took to load."""


class Training:
    """A network in training whose steps can be taken one at a time.

    Args:
        config: of the run; steps begin in the middle of it, when every term is at work.
        root: the data sets' root.
        count: how many steps are to be taken.
        loaded: batches of a training on the same data; None = its own.

    Raises:
        ConfigError: the run is too short for so many steps.
    """

    def __init__(self, config: RunConfig, root: Path, count: int, loaded: Loaded | None = None) -> None:
        if config.optim.iterations < 2 * count:
            raise ConfigError(
                f"{config.name}: {count - WARM_UP} pairs need a run of at least {2 * count} "
                "iterations; lower --pairs or set optim.iterations"
            )
        found = index_run(config, root)
        self.middle = config.optim.iterations // 2
        if loaded is None:
            loader = build_train_loader(config, found.sets, datasets_root=root, first_iteration=self.middle)
            batches = iter(loader)
            loaded = [_timed(lambda: next(batches)) for _ in range(count)]
        self.loaded = loaded
        model = build_model(config, found.labels, default_device())
        self.updater = Updater(config, model, found.labels.class_names)
        for iteration in _needed_before(config):
            self.updater.update(self.loaded[0][0], iteration).read()

    def step(self, index: int) -> tuple[float, float]:
        """Do one update on a batch and read its loss; return CPU seconds of loading and update."""
        batch, loading = self.loaded[index]
        _, updating = _timed(lambda: self.updater.update(batch, self.middle + index).read())
        return loading, updating


def _needed_before(config: RunConfig) -> list[int]:
    """Iterations without which the middle of a run cannot be: ISW gathers statistics first."""
    whitening = config.generalise.whitening
    return [] if whitening is None or whitening.kind != "isw" else [whitening.statistics_after]


def _timed(call: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    return call(), time.process_time() - start


def time_rows(options: argparse.Namespace, configs: dict[str, list[RunConfig]], root: Path) -> list[dict[str, Any]]:
    """Time every row against plain; return the rows of the results file.

    Raises:
        ConfigError: a run is too short for so many pairs.
    """
    count = WARM_UP + options.pairs
    plain = Training(configs[PLAIN][0], root, count)
    found = []
    for row, (config, *_) in configs.items():
        if row == PLAIN:
            continue
        same_data = _sees_same_batches(config, plain.updater.config)
        own = Training(config, root, count, plain.loaded if same_data else None)
        pairs = _time_pairs(own, plain, count)
        found.append(_record(options, row, pairs[WARM_UP:], own, plain))
    if found:
        print_table("One training step, data and all", [as_timing(record) for record in found])
    return found


def _sees_same_batches(config: RunConfig, other: RunConfig) -> bool:
    sizes = {one.optim.global_batch_size for one in (config, other)}
    return config.data == other.data and len(sizes) == 1


def _time_pairs(own: Training, plain: Training, count: int) -> list[Pair]:
    """Alternate; return (loading, update) of the row and of plain for each pair."""
    pairs = []
    for index in range(count):
        if index % 2:
            theirs = plain.step(index)
            ours = own.step(index)
        else:
            ours = own.step(index)
            theirs = plain.step(index)
        pairs.append((ours, theirs))
    return pairs


def _record(options: argparse.Namespace, row: str, pairs: list[Pair], own: Training, plain: Training) -> dict[str, Any]:
    """One row: `total_ratio` is that of the sums, since some act on a part of the batches only."""
    config, plain_config = own.updater.config, plain.updater.config
    steps = plain_config.optim.global_batch_size / config.optim.global_batch_size
    whole = [(steps * sum(ours), sum(theirs)) for ours, theirs in pairs]
    times = summarize(whole)
    size = config.data.crop_size
    timing = Row(
        subject=f"{options.shift}, {METHODS[row].title}",
        against="plain",
        ratio=times.ratio,
        seconds=times.seconds,
        peak_mib=None,
        device=describe_device("cpu"),
        versions=provenance.versions(),
        against_seconds=times.against_seconds,
        against_peak_mib=None,
        ratio_quartiles=times.ratio_quartiles,
        pairs=len(pairs),
        conditions=f"training on {plain_config.optim.global_batch_size} samples, data and all, in "
        f"batches of {config.optim.global_batch_size}; cpu clock",
        command=provenance.command_line(),
        revision=provenance.git_revision(),
    )
    return {
        "shift": options.shift,
        "row": row,
        "total_ratio": sum(ours for ours, _ in whole) / sum(theirs for _, theirs in whole),
        "update_ratio": steps * sum(o[1] for o, _ in pairs) / sum(t[1] for _, t in pairs),
        "at_inference": _at_inference(own.updater.predicting_model, size),
        "plain_at_inference": _at_inference(plain.updater.predicting_model, size),
        **asdict(timing),
    }


def _at_inference(model: nn.Module, size: tuple[int, int]) -> dict[str, int]:
    """Parameters, and multiply-adds of convolutions and matrix products on one image."""
    was_training = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, *size, device=model.pixel_mean.device))
    model.train(was_training)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}


def as_timing(record: dict[str, Any]) -> Row:
    """Return the timing in a record."""
    return Row(**{name: record[name] for name in Row.__dataclass_fields__})


def write_times(folder: Path, records: list[dict[str, Any]]) -> Path:
    """Write the records in place of those of the same shift and row; others stay."""
    path = folder / FILE
    before = read_json(path) if path.is_file() else []
    merged = {(one["shift"], one["row"]): one for one in [*before, *records]}
    write_json(path, list(merged.values()))
    return path
