"""Trained runs on the command line: load one, score it, say where the numbers come from.

In: a run folder or checkpoint, and a labelled set. Out: ``Scores`` and their record. Under
torchrun every rank scores its share of the frames; counts are summed exactly.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from segibn import distributed, provenance
from segibn.cli.inference import ensemble_runs, states_size
from segibn.config.data import DatasetConfig
from segibn.data.frames import Frames
from segibn.engine.scoring import Preparation, eval_frames, score, set_name
from segibn.errors import ConfigError
from segibn.evaluation.measure import Measure
from segibn.evaluation.scores import Scores
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.runs.find import find_checkpoint
from segibn.runs.loading import load_averaged
from segibn.runs.trained import TrainedRun
from segibn.text.progress import FrameProgress


def load_ensemble(arguments: argparse.Namespace) -> TrainedRun:
    """Load ``arguments.run`` and the runs to average with it (``--ensemble`` and the recipe's).

    Raises:
        CheckpointError: one is missing, or not one of ours.
        ConfigError: they know different classes, are scored at different sizes, or one comes
            twice.
    """
    seen = {find_checkpoint(arguments.run).resolve()}
    for path in arguments.ensemble:
        if (checkpoint := find_checkpoint(path).resolve()) in seen:
            raise ConfigError(f"--ensemble {path}: this network is there already; give it once")
        seen.add(checkpoint)
    others, is_sized = ensemble_runs(arguments), states_size(arguments)
    return load_averaged(arguments.run, others, states_size=is_sized)


def frames_of(run: TrainedRun, dataset: DatasetConfig, datasets_root: Path) -> Frames:
    """Index a labelled set in the classes of a run.

    Raises:
        ConfigError: the set cannot be read in these classes.
        DatasetError: the set is not there.
    """
    try:
        return eval_frames(dataset, datasets_root, run.scheme, run.class_names)
    except ConfigError as error:
        raise _not_on(run, dataset, error) from None


def score_run(
    run: TrainedRun,
    dataset: DatasetConfig,
    datasets_root: Path,
    *,
    device: torch.device,
    options: InferenceOptions,
    measures: Sequence[Measure] = (),
    prepare: Preparation | None = None,
) -> Scores:
    """Score a run on a set with progress; runs on every rank, all get the same scores.

    Args:
        run: see ``load_checkpoint``; its networks move to ``device``.
        dataset: which split of which data set.
        datasets_root: folder above the data sets.
        device: of this rank.
        options: how frames reach the network.
        measures: what else to find out; see ``engine.scoring.score``.
        prepare: changes the frames first; None = they are scored as they are.

    Raises:
        ConfigError: the set cannot be read in the classes of the run.
        DatasetError: the set is not there.
    """
    more = f" and {len(run.others)} more" if run.others else ""
    title = f"{run.config.name} (seed {run.config.seed}){more} on {set_name(dataset)}"
    with FrameProgress(title, 0, enabled=distributed.is_main()) as progress:
        try:
            frames = eval_frames(dataset, datasets_root, run.scheme, run.class_names)
            scores = score(
                Predictor(run.networks, device, options),
                frames,
                set_name(dataset),
                measures,
                prepare=prepare,
                progress=progress,
            )
        except ConfigError as error:
            raise _not_on(run, dataset, error) from None
    if scores.doubt and distributed.is_main():
        print(f"warning: {title}: {scores.doubt}", file=sys.stderr)
    return scores


def circumstances(device: torch.device, options: InferenceOptions) -> dict[str, Any]:
    """Return what a results file says about how it came to be."""
    on_gpu = device.type == "cuda"
    return {
        "command": provenance.command_line(),
        "git_revision": provenance.git_revision(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "precision": options.precision,
        "inference": options.to_dict(),
        "processes": distributed.rank_and_world()[1],
    }


def _not_on(run: TrainedRun, dataset: DatasetConfig, error: ConfigError) -> ConfigError:
    return ConfigError(f"{run.checkpoint} cannot be scored on {set_name(dataset)}: {error}")
