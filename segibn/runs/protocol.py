"""What makes scores of trained runs comparable: a named protocol, and the choice of checkpoints.

A checkpoint chosen by its score on the test domain is no measurement of generalisation: papers that
did so were not reproducible by two points.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from segibn.config.data import DatasetConfig
from segibn.data.framing import Framing
from segibn.errors import ConfigError
from segibn.evaluation.deviations import LAST, evaluation_deviations, run_deviations
from segibn.evaluation.protocols import PROTOCOLS
from segibn.evaluation.rows import ON_TARGET, is_own_domain
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
    options = replace(run.options, scales=given.scales, flip=given.flip, window=given.window)
    return run.to(device, options)


def protocol_framing(name: str | None, dataset: DatasetConfig) -> Framing | None:
    """Return how frames and label maps are resized and cut before scoring; None = they are not."""
    test = protocol_test(name, dataset)
    return test and test.framing


def deviations(
    name: str, run: TrainedRun, selection: str, label: str, dataset: DatasetConfig, num_images: int
) -> dict[str, str]:
    """Compare what was done with the protocol; ``run`` with the options it was scored with."""
    given, options, config = PROTOCOLS[name], run.options, run.training
    found = run_deviations(given, config.data.title, config.model_dump(), selection)
    size: Any = options.input_size
    if options.input_height is not None:
        size = f"height {options.input_height}"
    done = {
        "test": dataset.title,
        "frames": num_images,
        "input-size": size,
        "window": options.window,
        "scales": tuple(options.scales),
        "flip": options.flip,
        "precision": options.precision,
    }
    return found | evaluation_deviations(given, protocol_test(name, dataset), label, done)


def selection_of(
    run: TrainedRun, sets: Mapping[str, DatasetConfig], *, allow_target: bool = False
) -> str:
    """Return "last", "chosen-on-target", "best-on-source" or "iteration-N-of-M".

    An earlier checkpoint than the last of a run that was scored on a test set while it trained
    (``data.val``) counts as chosen on it, whatever its file is called: whoever picked it had seen
    those scores. ConfigError: so it is, and that is not allowed.
    """
    data, total = run.training.data, run.training.optim.iterations
    assert run.iteration is not None
    if run.iteration >= total:
        return LAST
    if (target := _target_of(run, sets)) is not None:
        if allow_target:
            return ON_TARGET
        raise ConfigError(
            f"{run.checkpoint} is iteration {run.iteration} of {total}, of a run whose data.val is "
            f"the test set {target}: a checkpoint chosen on the target does not measure "
            "generalisation. Give the run folder (its last checkpoint), or "
            "--allow-target-selection, which marks the score"
        )
    if run.checkpoint.name == "best.pt" and data.val is not None:
        return "best-on-source"
    return f"iteration-{run.iteration}-of-{total}"


def _target_of(run: TrainedRun, sets: Mapping[str, DatasetConfig]) -> str | None:
    """Return the label of a foreign test set that the run was validated on, if there is one.

    Two lists of frames of one data set (``@day.txt``, ``@night.txt``) are taken for two domains,
    as everywhere else: only the very same list is of the training domain.
    """
    val, train = run.training.data.val, run.training.data.title
    if val is None or is_own_domain(train, val.title):
        return None
    for label, dataset in sets.items():
        names = {dataset.names_file, val.names_file}
        overlaps = dataset.name == val.name and (len(names) == 1 or None in names)
        if overlaps and not is_own_domain(train, label):
            return label
    return None
