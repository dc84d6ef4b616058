"""The worst and best frames of a run: scored where nobody has, and predicted. Needs torch."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from segibn.config.data import DatasetConfig
from segibn.data.frames import Frames
from segibn.errors import SegibnError
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.metrics import class_counts
from segibn.files.writing import sha256_of
from segibn.inference.options import InferenceOptions
from segibn.report.content import FrameView, Source
from segibn.report.frames import choose_frames, view_frame
from segibn.runs.evaluate import circumstances, frames_of, score_run
from segibn.runs.loading import device_of, load_checkpoint
from segibn.runs.sets import parse_evaluation_set
from segibn.runs.trained import TrainedRun

_TOLERANCE = 1e-2  # share of a frame's pixels that another machine or number format may change


def add_frames(source: Source, root: Path, count: int, device: str | None) -> int | None:
    """Predict the ``count`` worst and best frames of a source with a checkpoint -> its iteration.

    Scores that are missing or of other weights are made. SegibnError: checkpoint or data are bad.
    """
    assert source.checkpoint is not None
    run = load_checkpoint(source.checkpoint)
    if source.record.get("ensemble"):
        raise SegibnError("its scores are those of several networks; frames are shown for one")
    dataset, options = _dataset_of(source, run), _options_of(source.record, run)
    frames = replace(frames_of(run, dataset, root), rank=0, world_size=1)
    run = run.to(device_of(device), options)
    views = _views(source, run, frames, count)
    if views is None:
        source.scores = score_run(run, dataset, root)
        source.record = run.record() | circumstances(run.device, options)
        views = _views(source, run, frames, count)
    source.frames, source.palette = views or (), run.palette
    return run.iteration


def _views(source: Source, run: TrainedRun, frames: Frames, count: int) -> list[FrameView] | None:
    """Predict the chosen frames; None where scores are missing or not those of this network."""
    scores = source.scores
    if scores is None or scores.frame_counts is None or scores.class_names != run.class_names:
        return None
    policy = scores.conditions.policy
    chosen = {choice[0]: choice for choice in choose_frames(scores.frame_counts, policy, count)}
    samples = tuple(sample for sample in frames.samples if sample.name in chosen)
    if len(samples) != len(chosen):
        return None
    expected = dict(zip(chosen, scores.frame_counts.of(list(chosen)).counts, strict=True))
    trusted = source.record.get("checkpoint_sha256") == sha256_of(run.checkpoint)
    views: dict[str, FrameView] = {}
    for (name, image, target), pred in run.predictor.over(replace(frames, samples=samples)):
        own = class_counts(count_classes(target, pred, len(run.class_names)))
        differing = int(np.abs(own - expected[name]).sum())
        if not trusted and differing > _TOLERANCE * target.size:
            return None
        views[name] = view_frame(chosen[name], image, target, pred, run.palette, policy)
    return [views[name] for name in chosen]


def _dataset_of(source: Source, run: TrainedRun) -> DatasetConfig:
    """The set that was scored; without scores the run's own held-out one."""
    own = run.config.data.val
    if source.scores is None:
        if own is None:
            raise SegibnError(
                "it was trained without data.val; `segibn evaluate RUN --dataset NAME --output "
                "scores.json` scores a set, and the report takes the run and that file"
            )
        return own
    name = source.scores.conditions.evaluation_set
    if own is not None and own.title.replace(":", "-") == name:
        return own
    if "@" not in name:  # of a list of names it says no more than how the list is called
        with suppress(SegibnError):
            return parse_evaluation_set(name.replace("-", ":", 1))
    raise SegibnError(f"its scores are of '{name}', which a report cannot find by that name")


def _options_of(record: Mapping[str, Any], run: TrainedRun) -> InferenceOptions:
    """How frames met the network when it was scored."""
    given = record.get("inference")
    if not isinstance(given, dict):
        return run.options
    try:
        return TypeAdapter(InferenceOptions).validate_python(given)
    except (TypeError, ValueError) as error:
        raise SegibnError(f"its scores file says inference {given!r}, not usable: {error}") from None
