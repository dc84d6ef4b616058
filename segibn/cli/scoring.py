"""Trained runs on the command line: load one, score it, say where the numbers come from.

In: a run folder or checkpoint, and a labelled set. Out: ``Scores`` and their record. Under
torchrun every rank scores its share of the frames; counts are summed exactly.
"""

import argparse
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import distributed, provenance
from segibn.builders.checkpoints import load_segmenter
from segibn.builders.loader import build_eval_frames
from segibn.cli.inference import ensemble_runs, states_size
from segibn.cli.pictures import Observer
from segibn.config.schema import DatasetConfig, RunConfig
from segibn.data.frames import Frames
from segibn.engine.scoring import Preparation, in_classes, score, set_name, train_name
from segibn.errors import ConfigError
from segibn.evaluation.scores import Scores
from segibn.files import sha256_of
from segibn.inference.predictor import InferenceOptions
from segibn.labels.catalog import CLASS_SCHEMES, scheme_class_names
from segibn.models.segmenter import Segmenter
from segibn.runs.find import find_checkpoint
from segibn.text.progress import FrameProgress


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A trained network and everything its checkpoint says about it."""

    checkpoint: Path
    segmenter: Segmenter
    config: RunConfig
    class_names: tuple[str, ...]
    palette: np.ndarray
    iteration: int
    others: tuple["TrainedRun", ...] = ()
    """Whose probabilities are averaged with those of this run, see ``load_ensemble``."""

    @property
    def segmenters(self) -> tuple[Segmenter, ...]:
        """The networks to average: this run's, then the others'."""
        return (self.segmenter, *(run.segmenter for run in self.others))

    @property
    def classes(self) -> str | None:
        """The class scheme, also where the config left it to the data set; None = a user's own."""
        if self.config.data.classes is not None:
            return self.config.data.classes
        matching = (name for name in CLASS_SCHEMES if scheme_class_names(name) == self.class_names)
        return next(matching, None)

    def record(self) -> dict[str, Any]:
        """Return what identifies the run in a results file, and those it was averaged with."""
        backbone = self.config.model.backbone
        own: dict[str, Any] = {
            "config": self.config.name,
            "train": train_name(self.config.data),
            "network": backbone.network,
            "head": self.config.model.head.name,
            "ibn": backbone.ibn,
            "seed": self.config.seed,
            "iteration": self.iteration,
            "checkpoint_sha256": sha256_of(self.checkpoint),
        }
        return own | ({"ensemble": [run.record() for run in self.others]} if self.others else {})


def load_run(path: str | Path) -> TrainedRun:
    """Load a run folder's last checkpoint, or a checkpoint file.

    Raises:
        CheckpointError: there is none, or it is not one of ours.
    """
    checkpoint = find_checkpoint(path)
    segmenter, config, meta = load_segmenter(checkpoint)
    palette = np.array(meta["palette"], dtype=np.uint8)
    names = tuple(meta["class_names"])
    return TrainedRun(checkpoint, segmenter, config, names, palette, int(meta["iteration"]))


def load_ensemble(arguments: argparse.Namespace) -> TrainedRun:
    """Load ``arguments.run`` and the runs to average with it (``--ensemble`` and the recipe's).

    Raises:
        CheckpointError: one is missing, or not one of ours.
        ConfigError: they know different classes, are scored at different sizes, or one comes
            twice.
    """
    first = load_run(arguments.run)
    seen, others = {first.checkpoint.resolve()}, []
    for path in ensemble_runs(arguments):
        checkpoint = find_checkpoint(path).resolve()
        if checkpoint in seen:
            if path in arguments.ensemble:
                raise ConfigError(f"--ensemble {path}: this network is there already; give it once")
            continue  # a recipe may name all members, the first among them
        seen.add(checkpoint)
        others.append(load_run(path))
    for run in others:
        if run.class_names != first.class_names:
            raise ConfigError(
                f"{run.checkpoint} and {first.checkpoint} know different classes; only networks "
                "of the same can be averaged"
            )
        if run.config.evaluation != first.config.evaluation and not states_size(arguments):
            raise ConfigError(
                f"{run.checkpoint} was scored at another size than {first.checkpoint}; say at "
                "which to average them, such as --input-size 512x1024 or native"
            )
    return replace(first, others=tuple(others))


def frames_of(run: TrainedRun, dataset: DatasetConfig, datasets_root: Path) -> Frames:
    """Index a labelled set in the classes of a run.

    Raises:
        ConfigError: the set cannot be read in these classes.
        DatasetError: the set is not there.
    """
    try:
        frames = build_eval_frames(dataset, datasets_root, run.classes)
        labels = in_classes(frames.label_set, dataset, run.class_names)
        return replace(frames, label_set=labels)
    except ConfigError as error:
        raise _not_on(run, dataset, error) from None


def score_run(
    run: TrainedRun,
    dataset: DatasetConfig,
    datasets_root: Path,
    *,
    device: torch.device,
    options: InferenceOptions,
    observe: Observer | None = None,
    measure: Collection[str] = (),
    prepare: Preparation | None = None,
) -> Scores:
    """Score a run on a set with progress; runs on every rank, all get the same scores.

    Args:
        run: see ``load_run``; its networks move to ``device``.
        dataset: which split of which data set.
        datasets_root: folder above the data sets.
        device: of this rank.
        options: how frames reach the network.
        observe: called with (name, image, target, pred) after each frame of this rank.
        measure: what else goes into the details; see ``engine.scoring.score``.
        prepare: changes the frames first; None = they are scored as they are.

    Raises:
        ConfigError: the set cannot be read in the classes of the run.
        DatasetError: the set is not there.
    """
    more = f" and {len(run.others)} more" if run.others else ""
    title = f"{run.config.name} (seed {run.config.seed}){more} on {set_name(dataset)}"
    with FrameProgress(title, 0, enabled=distributed.is_main()) as progress:
        try:
            scores = score(
                run.segmenters,
                dataset,
                classes=run.classes,
                class_names=run.class_names,
                datasets_root=datasets_root,
                device=device,
                options=options,
                progress=progress,
                observe=observe,
                measure=measure,
                prepare=prepare,
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
