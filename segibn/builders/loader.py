"""What feeds a network: the training loader and the frames of an evaluation, sharded over ranks."""

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

from segibn.builders.sampling import build_plan, require_memory
from segibn.builders.sets import TrainingSet, build_label_set, index_dataset, require_targets
from segibn.config.data import DataConfig, DatasetConfig
from segibn.config.schema import RunConfig
from segibn.data.cache_folder import cache_folder
from segibn.data.color import Degradation
from segibn.data.dataset import MixedDataset, SegmentationDataset
from segibn.data.disk_cache import DiskCache
from segibn.data.frame import Frame
from segibn.data.frames import Frames, preload
from segibn.data.loader import (
    LARGER,
    SHARED_MEMORY,
    TrainLoader,
    auto_workers,
    free_shared_memory,
    make_loader,
    shared_bytes,
)
from segibn.data.night import Night
from segibn.data.plan import PositionSampler, plan_batch
from segibn.data.transforms import TrainTransform
from segibn.data.user_augmentation import UserAugmentation
from segibn.devices import default_device
from segibn.distributed import rank_and_world
from segibn.errors import ConfigError
from segibn.text import counted

logger = logging.getLogger(__name__)


def build_train_loader(
    config: RunConfig, sets: Sequence[TrainingSet], *, datasets_root: Path | None = None, first_iteration: int = 0
) -> TrainLoader:
    """Build this rank's loader from ``first_iteration`` on; ``sets``: of `training_sets`, the same on every rank."""
    rank, world_size = rank_and_world()
    if require_memory(config.data, sets):
        logger.info("reading %d frames into memory", sum(len(one.samples) for one in sets))
    parts = [_build_dataset(config, one, datasets_root) for one in sets]
    sampler = PositionSampler(
        build_plan(config, sets, datasets_root),
        plan_batch(config.optim.global_batch_size, world_size).per_process,
        start_iteration=first_iteration,
        end_iteration=config.optim.iterations,
        rank=rank,
        world_size=world_size,
    )
    dataset = MixedDataset(parts) if len(parts) > 1 else parts[0]
    workers, note = loader_workers(config, world_size)
    if note:
        logger.warning("%s", note)
    return make_loader(dataset, sampler, workers=workers, pin_memory=default_device().type == "cuda")


def _build_dataset(config: RunConfig, one: TrainingSet, root: Path | None) -> SegmentationDataset:
    data, samples, label_set, resize = config.data, one.samples, one.label_set, one.resize
    cache: Sequence[Frame] | None = None
    if data.cache == "disk":
        folder = cache_folder(root) / "pixels" / f"{one.dataset.name}_{one.dataset.split}"
        cache = DiskCache(samples, label_set, resize, folder)
        cache.require_space()
    elif data.cache == "memory":
        cache = preload(samples, label_set, resize, threads=auto_workers(rank_and_world()[1]))
    num_early = config.half_size_updates * config.optim.global_batch_size
    more = {"seed": config.seed, "resize": resize, "cache": cache, "num_early": num_early}
    whole, half = (build_transform(data, divisor, class_names=label_set.class_names) for divisor in (1, 2))
    return SegmentationDataset(samples, label_set, whole, half, **more)


def build_transform(data: DataConfig, divisor: int = 1, *, class_names: Sequence[str] = ()) -> TrainTransform:
    """Build what is done to each sample; ``divisor``: of crop size and scales, so that a crop shows the same."""
    if data.night_probability > 0 and "sky" not in class_names:
        raise ConfigError(
            f"data.night_probability {data.night_probability}: a night needs a class 'sky', which goes dark; "
            f"there are {', '.join(class_names)}"
        )
    (height, width), (low, high) = data.crop_size, data.scale_range
    own = None if data.augmentation_file is None else Path(data.augmentation_file)
    return TrainTransform(
        (max(1, height // divisor), max(1, width // divisor)),
        (low / divisor, high / divisor),
        data.flip_probability,
        night=Night(data.night_probability, class_names.index("sky")) if data.night_probability > 0 else None,
        aspect_range=data.aspect_range,
        color_jitter=data.color_jitter,
        color_jitter_probability=data.color_jitter_probability,
        blur_sigma=data.blur_sigma,
        degradation=Degradation(data.noise_sigma, data.jpeg_quality, data.degrade_probability),
        extra=UserAugmentation(own or data.augmentation) if own or data.augmentation else None,
    )


def loader_workers(config: RunConfig, world_size: int) -> tuple[int, str]:
    """Return the loader processes of each training process, 0 = none, and why they are so few.

    Shared memory, which holds their batches, may be small; ConfigError: for the number asked for.
    """
    data = config.data
    if data.workers != "auto":
        wanted = data.workers
    else:  # frames in memory cost a CPU run less to augment than to send between processes
        stays = data.cache == "memory" and default_device().type == "cpu"
        wanted = 0 if stays else auto_workers(world_size)
    free = free_shared_memory()
    height, width = data.crop_size
    batch_bytes = config.optim.global_batch_size // world_size * height * width * 4
    here = min(world_size, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    need = [shared_bytes(count, batch_bytes, here) for count in range(wanted + 1)]
    if free is None or need[wanted] <= free:
        return wanted, ""
    fitting = max(count for count in range(wanted) if need[count] <= free)
    why = (
        f"{SHARED_MEMORY} has {free / 2**20:.0f} MiB free, and the batches of "
        f"{counted(wanted, 'loader process', 'loader processes')} need "
        f"{math.ceil(need[wanted] / 2**20)}"
    )
    if data.workers != "auto":
        raise ConfigError(
            f"{why}; set data.workers={fitting} (0 = the training process loads by itself), or take {LARGER}"
        )
    return fitting, f"{why}: data.workers is {fitting}; faster with {LARGER}"


def build_eval_frames(dataset: DatasetConfig, root: Path, classes: str | None = None) -> Frames:
    """Build the evaluation frames of this rank, labels read in a class scheme; None = its own."""
    samples = index_dataset(dataset, root)
    require_targets(samples)
    rank, world_size = rank_and_world()
    labels = build_label_set(dataset, classes, samples)
    return Frames(tuple(samples), labels, rank, world_size, threads=auto_workers(world_size))
