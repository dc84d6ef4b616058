"""Data room, the builder's part that makes one training set: files, cache, augmentation.

In: a run's config, samples and label set. Out: a `SegmentationDataset`. Like `build.py` this module
sees config objects.
"""

from collections.abc import Sequence
from pathlib import Path

from segibn.builders.cache import open_cache
from segibn.builders.sampling import TrainingSet
from segibn.config.schema import DataConfig, DatasetConfig, RunConfig
from segibn.data.cache.memory import preload
from segibn.data.dataset import SegmentationDataset
from segibn.data.degrade import Degradation
from segibn.data.frame import Arrays, Frame
from segibn.data.loader import auto_workers
from segibn.data.transforms import TrainTransform
from segibn.data.user_augmentation import UserAugmentation
from segibn.distributed import rank_and_world


def build_dataset(
    config: RunConfig,
    dataset: DatasetConfig,
    training_set: TrainingSet,
    datasets_root: Path | None,
) -> SegmentationDataset:
    """Build the samples of one training set, augmented, cached as the config says.

    Args:
        config: of the run.
        dataset: the set's own part of it.
        training_set: its samples and label set.
        datasets_root: the folder above the data sets, where a disk cache may be.

    Raises:
        DatasetError: the cache does not fit into memory, or is missing or stale on disk.
    """
    data = config.data
    samples, label_set = training_set.samples, training_set.label_set
    cache: Sequence[Arrays | Frame] | None = None
    if data.cache == "disk":
        cache = open_cache(dataset, samples, label_set, data.resize, datasets_root)
    elif data.cache == "memory":
        cache = preload(
            samples,
            label_set,
            data.resize,
            limit_gib=data.cache_limit_gib,
            threads=auto_workers(rank_and_world()[1]),
        )
    return SegmentationDataset(
        samples, label_set, build_transform(data), seed=config.seed, resize=data.resize, cache=cache
    )


def build_transform(data: DataConfig) -> TrainTransform:
    """Build the augmentation of training samples.

    Raises:
        ConfigError: ``augmentation_file`` cannot be used.
    """
    path = data.augmentation_file
    return TrainTransform(
        data.crop_size,
        data.scale_range,
        data.flip_probability,
        aspect_range=data.aspect_range,
        color_jitter=data.color_jitter,
        color_jitter_probability=data.color_jitter_probability,
        blur_sigma=data.blur_sigma,
        degradation=Degradation(data.noise_sigma, data.jpeg_quality, data.degrade_probability),
        extra=None if path is None else UserAugmentation(Path(path)),
    )
