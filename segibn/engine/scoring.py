"""A network and an evaluation set -> scores: the one place where predictor and frames meet.

Training, ``evaluate`` and ``cross_domain`` all come through here, so that their numbers agree.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import distributed
from segibn.builders.loader import build_eval_frames
from segibn.config.schema import DatasetConfig, RunConfig
from segibn.config.set_names import set_name
from segibn.config.set_names import train_name as train_name  # for those who import it from here
from segibn.data.samples import SamplePaths
from segibn.distributed import sum_over_ranks
from segibn.engine.run_dir import RunDir
from segibn.errors import ConfigError
from segibn.evaluation.boundary import BoundaryCounts
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.evaluate import Frame, evaluate
from segibn.evaluation.metrics import one_class_alone
from segibn.evaluation.scores import Conditions, Scores
from segibn.files import image_size, warn_once, write_json
from segibn.inference.device_confusion import count_on_device
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import (
    Predictor,
    confident_label_maps,
    device_label_maps,
    label_maps,
)
from segibn.labels.drawing import frame_sheet
from segibn.labels.label_set import LabelSet
from segibn.models.segmenter import Segmenter

_FEW = 8  # frames whose size is looked at
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """A change of the frames before they are scored, which the signature names."""

    name: str
    """Goes behind the name of the evaluation set: ``cityscapes-val~fog``."""
    change: Callable[[str, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """(name, image (H, W, 3) uint8, target (H, W) uint8) -> image and target to score."""

    def over(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the changed frames, one at a time."""
        for name, image, target in frames:
            yield (name, *self.change(name, image, target))


def score(
    model: Segmenter | Sequence[Segmenter],
    dataset: DatasetConfig,
    *,
    classes: str | None,
    class_names: tuple[str, ...],
    datasets_root: Path,
    device: torch.device,
    options: InferenceOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    observe: Callable[..., None] | None = None,
    measure: Collection[str] = (),
    prepare: Preparation | None = None,
) -> Scores:
    """Score a network on a set; runs on every rank, each with its share of the frames.

    The networks are left in evaluation mode on ``device``.

    Args:
        model: the network, or several whose probabilities are averaged.
        dataset: which split of which data set.
        classes: scheme that the network was trained in; None = the data set's own.
        class_names: names of the network's K outputs; the data set must be readable in them.
        datasets_root: the folder above the data sets.
        device: where to compute.
        options: how frames reach the network.
        progress: called with (done, total) on this rank.
        observe: called with (name, image, target, pred) for each frame.
        measure: what else goes into the details: "boundary", "calibration" (which takes time and
            memory for the probabilities).
        prepare: changes the frames first; None = they are scored as they are.

    Returns:
        Scores over all ranks' frames, with the names and counts of each.

    Raises:
        ConfigError: the data set's classes are not those of the network.
        DatasetError, ImageFileError, LabelValueError: from the data set.
    """
    options = options or InferenceOptions()
    sure = "calibration" in measure
    # On a GPU predictions are counted where they are, unless somebody wants to see them.
    stays = device.type == "cuda" and observe is None and not measure
    maps_of = confident_label_maps if sure else device_label_maps if stays else label_maps
    predictor = Predictor(model, device, options)
    frames = build_eval_frames(dataset, datasets_root, classes)
    frames = replace(frames, label_set=in_classes(frames.label_set, dataset, class_names))
    if prepare is None:
        require_upright(options, frames.samples, set_name(dataset))
    conditions = Conditions(
        evaluation_set=set_name(dataset).replace(":", "-")
        + (f"~{prepare.name}" if prepare else ""),
        inference=options.describe(len(predictor.networks)),
        scales=options.scales,
        flip=options.flip,
    )
    report: dict[str, Any] = {}
    if progress is not None:
        total = len(frames)
        report["progress"] = lambda done: progress(done, total)
    scores = evaluate(
        lambda image: maps_of(predictor, [image])[0],
        prepare.over(frames) if prepare else frames,
        class_names,
        conditions=conditions,
        predict_batch=partial(maps_of, predictor),
        batch_size=options.batch_size,
        frame_names=[sample.name for sample in frames.samples],
        boundary=BoundaryCounts(len(class_names)) if "boundary" in measure else None,
        calibration=Calibration() if sure else None,
        count=(
            lambda target, pred: count_on_device(
                target, pred, len(class_names), predictor.check_finite
            )
        )
        if stays
        else None,
        reduce=sum_over_ranks,
        observe=observe,
        **report,
    )
    if math.isnan(scores.miou):
        logger.warning(
            "%s: no pixel of its %d frames is labelled, so that there is nothing to score",
            set_name(dataset),
            len(frames.samples),
        )
    return scores


def require_upright(
    options: InferenceOptions,
    samples: Sequence[SamplePaths],
    of: str,
    key: str = "evaluation.input_size",
) -> None:
    """Refuse an input size with height and width exchanged, by the headers of a few frames.

    Raises:
        ConfigError: see ``InferenceOptions.require_upright``.
        ImageFileError: a frame cannot be read.
    """
    if options.input_size is not None:
        few = samples[:: max(1, len(samples) // _FEW)]
        options.require_upright([image_size(sample.image) for sample in few], of, key)


def in_classes(labels: LabelSet, dataset: DatasetConfig, class_names: Sequence[str]) -> LabelSet:
    """Return the table of a data set with its classes in the order of a network's.

    Args:
        labels: read the data set.
        dataset: whose table it is.
        class_names: of the network's K outputs.

    Raises:
        ConfigError: it has other classes.
    """
    try:
        return labels.in_order(class_names)
    except ConfigError:
        fix = "train with data.classes set to a scheme that both have"
        if dataset.folder is not None:
            fix = "give the rows of its table `class` names that are those of the network"
        raise ConfigError(
            f"the network tells {len(class_names)} classes ({', '.join(class_names)}), but "
            f"{dataset.name} is read in {labels.num_classes} ({', '.join(labels.class_names)}); "
            f"{fix}"
        ) from None


def inference_options(config: RunConfig) -> InferenceOptions:
    """Return how a run's frames are to be scored, from its config."""
    given = config.evaluation
    return InferenceOptions(input_size=given.input_size, input_height=given.input_height)


def score_source(
    config: RunConfig,
    model: Segmenter,
    labels: LabelSet,
    *,
    datasets_root: Path,
    run: RunDir,
    show: Callable[[str, np.ndarray], None],
) -> dict[str, float]:
    """Score held-out frames of the source domain; runs on every rank.

    Args:
        config: of the run.
        model: left in evaluation mode.
        labels: of the training data.
        datasets_root: the folder above the data sets.
        run: gets the scores.
        show: called with the name and the picture (H, W, 3) of the first ``engine.pictures``
            frames of this rank.

    Returns:
        The headline numbers, empty without ``data.val``.
    """
    if config.data.val is None:
        return {}
    left = config.engine.pictures

    def observe(name: str, image: np.ndarray, target: np.ndarray, pred: np.ndarray) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            show(name, frame_sheet(image, target, pred, labels.palette))

    scores = score(
        model,
        config.data.val,
        classes=config.data.classes,
        class_names=labels.class_names,
        datasets_root=datasets_root,
        device=model.pixel_mean.device,
        options=inference_options(config),
        observe=observe,
    )
    if distributed.is_main():
        write_json(run.scores_file(set_name(config.data.val)), scores.to_dict())
        if doubt := one_class_alone(scores.confusion):
            warn_once(f"{set_name(config.data.val)}: {doubt}")
    return {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
