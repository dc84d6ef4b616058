"""Trained runs are scored: a run and a labelled set in, ``Scores`` and what they rest on out.

Under torchrun every rank scores its share of the frames; all get the same scores.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from segibn import distributed, provenance
from segibn.config.data import DatasetConfig
from segibn.data.frames import Frames
from segibn.engine.scoring import Preparation, eval_frames, score
from segibn.errors import ConfigError
from segibn.evaluation.measure import Measure
from segibn.evaluation.measures import measured
from segibn.evaluation.scores import Scores
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.inference.options import InferenceOptions
from segibn.runs.loading import device_of, load_averaged
from segibn.runs.outside import NOTHING, Said
from segibn.runs.pictures import score_pictures, spread
from segibn.runs.sets import changed_set
from segibn.runs.trained import TrainedRun
from segibn.text.progress import FrameProgress


def evaluate(
    source: str | Path,
    dataset: DatasetConfig | None,
    datasets_root: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    inference: InferenceConfig = AS_SCORED,
    said: Said = NOTHING,
    device: str | None = None,
    metrics: Sequence[str] = (),
    pictures: Path | None = None,
    picture_count: int = 20,
) -> tuple[Scores, dict[str, Any]]:
    """Score a run, or several that are averaged -> scores, and what made them.

    ``dataset``: None = the run's own held-out set, with ``changes`` to its values. ``metrics``:
    names of ``evaluation.measures.METRICS``. ``pictures``: folder for frame, truth, prediction and
    errors of ``picture_count`` frames. ConfigError: no held-out set, or a set of other classes.
    """
    started = time.monotonic()
    run = load_averaged(source, inference, said)
    if dataset is None:
        dataset = changed_set(own_set(run, source), datasets_root, **changes or {})
    place = device_of(device)
    run = run.asked(inference, place)
    measures: list[Measure] = [*measured(metrics, run.class_names)]
    if pictures is not None:
        names = [one.name for one in spread(frames_of(run, dataset, datasets_root).samples, picture_count)]
        measures.append(score_pictures(pictures, names, run.palette))
    with distributed.process_group(place):
        scores = score_run(run, dataset, datasets_root, measures=measures)
    record = run.record() | circumstances(place, run.options)
    return scores, record | {"duration_s": round(time.monotonic() - started, 3)}


def own_set(run: TrainedRun, said: object) -> DatasetConfig:
    """Return the held-out set of a run's config; a ConfigError if it was trained without."""
    if run.config is None or run.config.data.val is None:
        raise ConfigError(
            f"{said} has no data.val; say what to score the run on, such as "
            "--dataset cityscapes --split val (with several runs: --on cityscapes:val)"
        )
    return run.config.data.val


def frames_of(run: TrainedRun, dataset: DatasetConfig, datasets_root: Path, *, merging: bool = False) -> Frames:
    """Index a labelled set in the classes of a run, see `eval_frames`; ConfigError: others."""
    with _named(run, dataset):
        table, scheme = run.class_map, None if run.class_map else run.scheme
        return eval_frames(dataset, datasets_root, scheme, run.class_names, merging=merging, class_map=table)


def score_run(
    run: TrainedRun,
    dataset: DatasetConfig,
    datasets_root: Path,
    *,
    measures: Sequence[Measure] = (),
    prepare: Preparation | None = None,
) -> Scores:
    """Score a run on its device, with progress; see ``engine.scoring.score``."""
    title = f"{run.title} on {dataset.title}"
    frames = frames_of(run, dataset, datasets_root, merging=not measures)
    with FrameProgress(title, enabled=distributed.is_main()) as show, _named(run, dataset):
        scores = score(run.predictor, frames, dataset.title, measures, prepare=prepare, progress=show)
    if scores.doubt and distributed.is_main():
        print(f"warning: {title}: {scores.doubt}", file=sys.stderr)
    return scores


def circumstances(device: torch.device, options: InferenceOptions) -> dict[str, Any]:
    """Return what a results file says about how it came to be."""
    return {
        **provenance.origin(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": options.precision,
        "inference": options.to_dict(),
        "processes": distributed.rank_and_world()[1],
    }


@contextmanager
def _named(run: TrainedRun, dataset: DatasetConfig) -> Iterator[None]:
    """Let a ConfigError say which run cannot be scored on which set."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{run.checkpoint} cannot be scored on {dataset.title}: {error}") from None
