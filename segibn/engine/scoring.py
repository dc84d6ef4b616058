"""A network and an evaluation set -> scores: the one place where predictor and frames meet.

Training, ``evaluate`` and ``cross_domain`` all come through here, so that their numbers agree.
"""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from segibn import distributed
from segibn.builders.loader import build_eval_frames
from segibn.builders.sets import build_label_set
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import dataset_source
from segibn.data.frames import Frames
from segibn.data.samples import SamplePaths
from segibn.distributed import sum_over_ranks
from segibn.engine.run_dir import RunDir
from segibn.errors import ConfigError, DatasetError
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.evaluate import Predict, ScoreTally, evaluate
from segibn.evaluation.measure import Frame, FramePrediction, Measure, Metric, Observer
from segibn.evaluation.metrics import one_class_alone
from segibn.evaluation.scores import Conditions, Scores
from segibn.files.folders import warn_once
from segibn.files.pictures import image_size
from segibn.files.writing import write_json
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, confident_label_maps, count_on_device, device_label_maps, label_maps
from segibn.labels import CLASS_SCHEMES
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.class_map import ClassMap
from segibn.labels.drawing import frame_sheet
from segibn.models.segmenter import Segmenter
from segibn.text import listed

Samples = Sequence[SamplePaths]
Show = Callable[[str, np.ndarray], None]
"""Takes the name of a frame and its picture (H, W, 3) uint8 RGB."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """A change of the frames before they are scored, which the signature names."""

    name: str  # goes behind the name of the evaluation set: ``cityscapes-val~fog``
    change: Callable[[str, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """(name, image (H, W, 3) uint8, target (H, W) uint8) -> image and target to score."""


def eval_frames(
    dataset: DatasetConfig,
    root: Path,
    classes: str | None,
    class_names: Sequence[str],
    *,
    merging: bool = False,
    class_map: ClassMap | None = None,
) -> Frames:
    """Index a labelled set below ``root``, read in the classes of a network, in their order.

    ``classes``: scheme that the network was trained in; None = the data set's own. With
    ``merging`` a set of classes that gather the network's is read in its own; with ``class_map``
    any set is, in the first of its lists that has the classes which the map names. ConfigError: the
    set has other classes than the network's ``class_names``.
    """
    if classes in dataset_source(dataset.name).partial:
        raise ConfigError(
            f"{dataset.name} tells only some of the network's classes: it can be trained on beside "
            "others, but a score on it would say nothing"
        )
    coarser = dataset_source(dataset.name).gathers
    if coarser and tuple(class_names) == CITYSCAPES.class_names:
        if not merging:
            raise ConfigError(
                f"{dataset.name} has {len(coarser)} classes that gather the network's, in which it "
                "is scored, and nothing else: segibn cross-domain, or segibn evaluate without "
                "pictures and further metrics"
            )
        into = {fine: index for index, spec in enumerate(coarser) for fine in spec.members}
        merged = np.array([into[name] for name in class_names], np.uint8)
        return replace(build_eval_frames(dataset, root, None), merged=merged, merging=f"{len(merged)}-merged")
    if class_map is not None:
        classes = _list_with(dataset, class_map.targets)
    frames = build_eval_frames(dataset, root, classes)
    labels = frames.label_set
    if class_map is not None:
        return replace(frames, merged=class_map.table(class_names, labels), merging=class_map.name)
    try:
        return replace(frames, label_set=labels.in_order(class_names))
    except ConfigError:
        fix = "train with data.classes set to a scheme that both have, or give --class-map"
        if dataset.folder is not None:
            fix = "give the rows of its table `class` names that are those of the network"
        lacks = [name for name in labels.class_names if name not in class_names]
        more = [name for name in class_names if name not in labels.class_names]
        raise ConfigError(
            f"the network tells {len(class_names)} classes, {dataset.name} is read in "
            f"{labels.num_classes}: the network has no {listed(lacks, 20) or 'other'}, the set no "
            f"{listed(more, 20) or 'other'}; {fix}"
        ) from None


def _list_with(dataset: DatasetConfig, names: set[str]) -> str | None:
    """The first class scheme of a data set that has these classes; its own if none has."""
    for scheme in (None, *CLASS_SCHEMES):
        with suppress(ConfigError, DatasetError):
            is_partial = scheme in dataset_source(dataset.name).partial
            if not is_partial and names <= set(build_label_set(dataset, scheme).class_names):
                return scheme
    return None


def score(
    predictor: Predictor,
    frames: Frames,
    name: str,
    measures: Sequence[Measure] = (),
    *,
    prepare: Preparation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score networks on every rank, each with its share of the frames -> scores over all of them.

    ``name``: of the set, its ``title``. ``measures``: what else to find out; metrics go into the
    details. ``progress``: called with (done, total) on this rank.
    """
    options, label, given = predictor.options, name.replace(":", "-"), frames
    if prepare is None:
        require_upright(options, frames.samples, name)
    else:
        label = f"{label}~{prepare.name}"
        given = ((frame, *prepare.change(frame, *arrays)) for frame, *arrays in frames)
    if frames.merged is not None:
        label += f"~{frames.merging}"
    inference = options.describe(len(predictor.networks))
    if way := getattr(predictor.networks[0], "way", ""):
        inference += f"-{way}"
    conditions = Conditions(label, inference=inference, scales=options.scales, flip=options.flip)
    samples = [sample.name for sample in frames.samples]
    predict, count = _as_needed(predictor, measures)
    if frames.merged is not None:
        predict, count = partial(label_maps, predictor), partial(_count_merged, frames.merged)
    scores, *found = evaluate(
        predict,
        given,
        [ScoreTally(frames.label_set.class_names, conditions, samples, count), *measures],
        batch_size=options.batch_size,
        reduce=sum_over_ranks,
        progress=progress and (lambda done: progress(done, len(frames))),
    )
    if math.isnan(scores.miou):
        text = "%s: no pixel of its %d frames is labelled, so that there is nothing to score"
        logger.warning(text, name, len(samples))
    metrics = zip(measures, found, strict=True)
    return replace(scores, details={metric.name: result for metric, result in metrics if isinstance(metric, Metric)})


def _count_merged(table: np.ndarray, target: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    return count_classes(target, table[labels], k)


def _as_needed(predictor: Predictor, measures: Sequence[Measure]) -> tuple[Predict, Callable[..., np.ndarray]]:
    needs = {measure.needs for measure in measures}
    if "confidence" in needs:
        return partial(confident_label_maps, predictor), count_classes
    # On a GPU predictions are counted where they are, unless somebody wants to see them.
    if predictor.device.type == "cuda" and "labels" not in needs:
        return partial(device_label_maps, predictor), partial(count_on_device, check_finite=predictor.check_finite)
    return partial(label_maps, predictor), count_classes


def require_upright(options: InferenceOptions, samples: Samples, of: str, key: str = "evaluation.input_size") -> None:
    """Refuse an input size with height and width exchanged, by the headers of a few frames."""
    if options.input_size is not None:
        options.require_upright([image_size(one.image) for one in some_of(samples)], of, key)


def some_of(samples: Samples) -> Samples:
    """Return a few samples from all parts of a set."""
    return samples[:: max(1, len(samples) // 8)]


def score_source(
    config: RunConfig, model: Segmenter, frames: Frames, colors: np.ndarray, run: RunDir, show: Show
) -> dict[str, float]:
    """Score ``data.val`` on every rank, its first few frames shown -> headline numbers."""
    left = config.engine.pictures

    def observe(frame: Frame, prediction: FramePrediction) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            show(frame.name, frame_sheet(frame.image, frame.target, prediction.labels, colors))

    name = config.data.val.title
    predictor = Predictor(model, options=InferenceOptions.as_scored(config.evaluation))
    scores = score(predictor, frames, name, [Observer(observe)] if left else [])
    if distributed.is_main():
        write_json(run.scores_file(name), scores.to_dict())
        if doubt := one_class_alone(scores.confusion):
            warn_once(f"{name}: {doubt}")
    return {"val_miou": scores.miou, "val_pixel_accuracy": scores.pixel_accuracy}
