"""One training set of a config: files, cache, augmentation -> a `SegmentationDataset`."""

from collections.abc import Sequence
from pathlib import Path

from segibn.builders.sets import TrainingSet, tiles_folder
from segibn.config.data import DataConfig
from segibn.config.schema import RunConfig
from segibn.data.cache.disk_cache import open_disk_cache
from segibn.data.cache.fingerprint import cache_folder
from segibn.data.cache.memory import preload
from segibn.data.dataset import SegmentationDataset
from segibn.data.degrade import Degradation
from segibn.data.frame import Arrays, Frame
from segibn.data.loader import auto_workers
from segibn.data.transforms import TrainTransform
from segibn.data.user_augmentation import UserAugmentation
from segibn.distributed import rank_and_world


def build_dataset(
    config: RunConfig, one: TrainingSet, datasets_root: Path | None
) -> SegmentationDataset:
    """Build the samples of one training set, augmented, cached as the config says.

    DatasetError: the cache is missing or stale on disk.
    """
    data = config.data
    samples, label_set = one.samples, one.label_set
    cache: Sequence[Arrays | Frame] | None = None
    if data.cache == "disk":
        tiles = tiles_folder(one.dataset, label_set, data.resize, cache_folder(datasets_root))
        cache = open_disk_cache(tiles, samples, data.resize)
    elif data.cache == "memory":
        threads = auto_workers(rank_and_world()[1])
        cache = preload(samples, label_set, data.resize, threads=threads)
    return SegmentationDataset(
        samples, label_set, build_transform(data), seed=config.seed, resize=data.resize, cache=cache
    )


def build_transform(data: DataConfig) -> TrainTransform:
    """Build the augmentation; ConfigError: ``augmentation_file`` cannot be used."""
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
