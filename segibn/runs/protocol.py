"""A named protocol applied to trained runs: how they are scored on its sets, and what deviates."""

from dataclasses import replace
from typing import Any

import torch

from segibn.config.data import DatasetConfig
from segibn.config.set_names import set_name, train_name
from segibn.data.framing import Framing
from segibn.evaluation.deviations import Deviation, evaluation_deviations, run_deviations
from segibn.evaluation.protocols import PROTOCOLS
from segibn.inference.config import InferenceConfig
from segibn.inference.options import InferenceOptions
from segibn.runs.sets import protocol_test
from segibn.runs.trained import TrainedRun


def under_protocol(
    name: str | None,
    run: TrainedRun,
    dataset: DatasetConfig,
    inference: InferenceConfig,
    device: torch.device,
) -> TrainedRun:
    """Return a run with frames reaching it as the protocol says, unless it was asked otherwise."""
    test = protocol_test(name, dataset)
    if name is None or test is None:
        return run.asked(inference, device)
    run = replace(run, options=InferenceOptions(test.input_size)).asked(inference, device)
    if not run.options.is_single_view:
        return run
    given = PROTOCOLS[name]
    views = {"scales": given.scales, "flip": given.flip, "window": given.window}
    return run.to(device, replace(run.options, **views))


def protocol_framing(name: str | None, dataset: DatasetConfig) -> Framing | None:
    """Return how frames and label maps are resized and cut before scoring; None = they are not."""
    test = protocol_test(name, dataset)
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
        protocol_test(name, dataset),
        label,
        {
            "test": set_name(dataset),
            "frames": num_images,
            "input-size": size,
            "window": options.window,
            "scales": tuple(options.scales),
            "flip": options.flip,
            "precision": options.precision,
        },
    )
