"""A named protocol applied to trained runs: which sets it means and how a run is scored on them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from segibn.config.schema import DatasetConfig
from segibn.config.set_names import set_name, train_name
from segibn.data.datasets.catalog import DATASETS
from segibn.data.framing import Framing
from segibn.errors import ConfigError
from segibn.evaluation.deviations import Deviation, evaluation_deviations, run_deviations
from segibn.evaluation.protocols import PROTOCOLS, TestSet
from segibn.inference.config import InferenceConfig
from segibn.inference.options import InferenceOptions
from segibn.runs.sets import parse_labelled_set, parse_labelled_sets
from segibn.runs.trained import TrainedRun


def protocol_sets(name: str | None, on: Sequence[str] | None) -> dict[str, DatasetConfig]:
    """Return label -> test set: those of words such as ``cityscapes:val``, or all of a protocol's.

    Under a protocol, ``NAME:SPLIT`` without a label of its own gets the protocol's label, and the
    protocol's label map.

    Raises:
        ConfigError: neither is given; or a set that this version cannot read.
    """
    if not on:
        if name is None:
            raise ConfigError("say what to score on: --on SET [SET ...], or --protocol NAME")
        return {test.label: _dataset(test) for test in PROTOCOLS[name].tests}
    sets = parse_labelled_sets(on)
    if name is None:
        return sets
    found = {}
    for text, (label, dataset) in ((text, parse_labelled_set(text)) for text in on):
        test = _test_of(name, dataset)
        if test is not None:
            is_theirs = "=" not in text and dataset.label_map in (None, test.label_map)
            if is_theirs and dataset.names_file is None:
                label = test.label
            if dataset.label_map is None:
                dataset = dataset.model_copy(update={"label_map": test.label_map})
        found[label] = dataset
    return found


def protocol_options(
    name: str | None,
    dataset: DatasetConfig,
    inference: InferenceConfig,
    scored: InferenceOptions,
    device: torch.device,
) -> InferenceOptions:
    """Return how frames reach the network: as the protocol says, unless it was asked otherwise.

    Args:
        scored: how frames reached it when its run was scored; for sets without a protocol.
    """
    test = _test_of(name, dataset)
    if name is None or test is None:
        return inference.options_for(scored, device)
    options, given = (
        inference.options_for(InferenceOptions(test.input_size), device),
        PROTOCOLS[name],
    )
    if options.is_single_view:
        options = replace(options, scales=given.scales, flip=given.flip, window=given.window)
    return options


def protocol_framing(name: str | None, dataset: DatasetConfig) -> Framing | None:
    """Return how frames and label maps are resized and cut before scoring; None = they are not."""
    test = _test_of(name, dataset)
    if test is None or (test.height is None and test.scale is None and test.crop is None):
        return None
    return Framing(test.height, test.scale, test.crop, test.as_robustnet)


def deviations(
    name: str,
    run: TrainedRun,
    selection: str,
    label: str,
    dataset: DatasetConfig,
    num_images: int,
) -> list[Deviation]:
    """Compare what was done with the protocol; ``run`` with the options it was scored with."""
    given, options, config = PROTOCOLS[name], run.options, run.training
    found = run_deviations(given, train_name(config.data), config.model_dump(), selection)
    size: Any = options.input_size
    if options.input_height is not None:
        size = f"height {options.input_height}"
    return found + evaluation_deviations(
        given,
        _test_of(name, dataset),
        label,
        dataset=set_name(dataset),
        num_images=num_images,
        input_size=size,
        window=options.window,
        scales=options.scales,
        flip=options.flip,
        precision=options.precision,
    )


def _test_of(name: str | None, dataset: DatasetConfig) -> TestSet | None:
    """The protocol's line for a data set, None where it has none."""
    tests = PROTOCOLS[name].tests if name is not None else ()
    return next((test for test in tests if test.dataset == dataset.name), None)


def _dataset(test: TestSet) -> DatasetConfig:
    """A protocol's set as a config has it."""
    if test.dataset not in DATASETS:
        raise ConfigError(
            f"{test.label}: this version does not read {test.dataset}; name the others with --on"
        )
    content: dict[str, Any] = {"name": test.dataset, "split": test.split}
    if test.label_map is not None:
        content["label_map"] = test.label_map
    return DatasetConfig.model_validate(content)
