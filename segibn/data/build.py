"""Data room, the builder: the only module of the room that sees config objects.

In: the data part of a config and the folder above the data sets. Out: samples, label sets, the
training loader, the frames of an evaluation.
"""

import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from segibn.config.schema import DataConfig, DatasetConfig, RunConfig
from segibn.data.batch_plan import plan_batch
from segibn.data.build_dataset import build_dataset
from segibn.data.build_kinds import KINDS
from segibn.data.build_sampling import TrainingSet, build_plan, require_memory
from segibn.data.encoding import check_drivable_encoding
from segibn.data.frames import Frames
from segibn.data.loader import (
    LARGER,
    SHARED_MEMORY,
    TrainLoader,
    auto_workers,
    free_shared_memory,
    make_loader,
    shared_bytes,
)
from segibn.data.mixed import MixedDataset
from segibn.data.narrow import narrow_pairing, take_fraction
from segibn.data.sampler import PositionSampler
from segibn.data.samples import Pairing, SamplePaths, strict
from segibn.distributed import default_device, rank_and_world
from segibn.errors import ConfigError, DatasetError
from segibn.labels.catalog import label_set_for
from segibn.labels.label_set import LabelSet, label_set_from_table
from segibn.text import counted

logger = logging.getLogger(__name__)


def find_dataset(dataset: DatasetConfig, datasets_root: Path) -> Pairing:
    """Pair the files of a data set and narrow them to ``names_file``; nothing is required yet.

    Raises:
        DatasetError: a folder is missing, the split or a name unknown.
    """
    kind = KINDS[dataset.name]
    pairing = kind.find(Path(datasets_root) / kind.subfolder, dataset)
    if dataset.names_file is not None:
        pairing = narrow_pairing(pairing, Path(dataset.names_file))
    return pairing


def index_dataset(dataset: DatasetConfig, datasets_root: Path) -> list[SamplePaths]:
    """List the samples that a config means: split, names file, fraction; encoding checked.

    Args:
        dataset: which split of which data set.
        datasets_root: the folder above the data sets.

    Returns:
        Samples in a fixed order, the same on every machine and rank.

    Raises:
        DatasetError: folder missing, split unknown or empty, a partner missing, or drivable maps
            in another encoding than the config says.
    """
    kind = KINDS[dataset.name]
    pairing = find_dataset(dataset, datasets_root)
    samples = strict(pairing, kind.source, dataset.split, Path(datasets_root) / kind.subfolder)
    samples = take_fraction(samples, dataset.fraction)
    if dataset.name == "bdd100k_drivable" and (targets := target_paths(samples)):
        check_drivable_encoding(targets, dataset.encoding)
    return samples


def build_label_set(
    dataset: DatasetConfig,
    classes: str | None = None,
    samples: Sequence[SamplePaths] | None = None,
) -> LabelSet:
    """Build the table that reads a data set's label files.

    Args:
        dataset: which data set; `folder` brings its own table.
        classes: class scheme to read it in; None for the data set's own.
        samples: of the data set. Needed for drivable area with ``encoding: auto``, where only
            the files say what their values mean.

    Raises:
        ConfigError: the data set cannot be read in these classes, or has several label maps and
            none is named.
        DatasetError: ``encoding: auto`` without samples, or samples in neither encoding.
    """
    if dataset.folder is not None:
        rows = [row.model_dump() for row in dataset.folder.labels]
        return label_set_from_table("folder", rows)
    if dataset.name != "bdd100k_drivable":
        return label_set_for(dataset.name, classes, label_map=dataset.label_map)
    encoding: str = dataset.encoding
    if encoding == "auto":
        if samples is None:
            raise DatasetError(
                "bdd100k_drivable with `encoding: auto`: the label table depends on the files; "
                "pass the samples too, or set the encoding"
            )
        encoding = check_drivable_encoding(target_paths(samples), "auto")
    return label_set_for(dataset.name, classes, encoding)


def build_train_loader(
    config: RunConfig,
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    mixed: Sequence[TrainingSet] = (),
    *,
    datasets_root: Path | None = None,
    first_iteration: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainLoader:
    """Build this rank's loader for the iterations from ``first_iteration`` to the last.

    Args:
        config: of the run.
        samples: of ``data.train``, from `index_dataset`, the same on every rank.
        label_set: reads the label maps' values.
        mixed: the sets of ``data.mix``, from `build_mix.index_mix`.
        datasets_root: the folder above the data sets, where an index of classes is kept.
        first_iteration: where a resumed run goes on.
        progress: called with (done, total) while ``cache: memory`` decodes the frames.

    Raises:
        ConfigError: the batch cannot be shared out evenly over the processes.
        DatasetError: ``cache: memory`` would not fit, ``cache: disk`` is not there or does not
            belong to these files, or the split has no labels.
    """
    data = config.data
    rank, world_size = rank_and_world()
    shares = plan_batch(config.optim.global_batch_size, world_size)
    if len(mixed) != len(data.mix):
        raise ValueError(f"{len(mixed)} sets for the {len(data.mix)} of data.mix; see build_mix.py")
    require_targets(samples)
    sets = (TrainingSet(f"{data.train.name}:{data.train.split}", samples, label_set), *mixed)
    require_memory(data, sets)
    configs = (data.train, *(source.dataset for source in data.mix))
    parts = [
        build_dataset(config, dataset, one, datasets_root, progress)
        for dataset, one in zip(configs, sets, strict=True)
    ]
    sampler = PositionSampler(
        build_plan(config, sets, datasets_root),
        shares.per_process,
        start_iteration=first_iteration,
        end_iteration=config.optim.iterations,
        rank=rank,
        world_size=world_size,
    )
    dataset = MixedDataset(parts) if mixed else parts[0]
    workers, note = loader_workers(config, world_size)
    if note:
        logger.warning("%s", note)
    pin_memory = default_device().type == "cuda"
    return make_loader(dataset, sampler, workers=workers, pin_memory=pin_memory)


def loader_workers(config: RunConfig, world_size: int) -> tuple[int, str]:
    """Return the number of loader processes of each training process, 0 = none, and a note.

    The note says why there are fewer than ``data.workers: auto`` would take: shared memory, which
    holds their batches. It is empty otherwise.

    Raises:
        ConfigError: shared memory is too small for the number that the config asks for.
    """
    data = config.data
    wanted = _wanted_workers(data, world_size)
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
            f"{why}; set data.workers={fitting} (0 = the training process loads by itself), or "
            f"take {LARGER}"
        )
    return fitting, f"{why}: data.workers is {fitting}; faster with {LARGER}"


def _wanted_workers(data: DataConfig, world_size: int) -> int:
    if data.workers != "auto":
        return data.workers
    # Frames in memory cost a CPU run less to augment than to send between processes.
    stays = data.cache == "memory" and default_device().type == "cpu"
    return 0 if stays else auto_workers(world_size)


def build_eval_frames(
    dataset: DatasetConfig, datasets_root: Path, classes: str | None = None
) -> Frames:
    """Build the evaluation frames of this rank, at native size.

    Args:
        dataset: which split of which data set.
        datasets_root: the folder above the data sets.
        classes: class scheme to read the labels in; None for the data set's own.

    Returns:
        An iterable of (name, image, target), with ``samples``, ``label_set`` and a length.

    Raises:
        DatasetError: as `index_dataset`, or the split has no labels.
    """
    samples = index_dataset(dataset, datasets_root)
    require_targets(samples)
    rank, world_size = rank_and_world()
    return Frames(
        tuple(samples),
        build_label_set(dataset, classes, samples),
        rank=rank,
        world_size=world_size,
        threads=auto_workers(world_size),
    )


def split_names(name: str) -> tuple[str, ...]:
    """Return the splits a data set has; empty for ``folder``, whose splits are its user's."""
    return KINDS[name].splits


def distinct_splits(name: str) -> tuple[str, ...]:
    """Return the splits that hold each frame once, without those that draw on others."""
    kind = KINDS[name]
    return tuple(split for split in kind.splits if split not in kind.overlapping)


def target_paths(samples: Sequence[SamplePaths]) -> list[Path]:
    """Return the label maps of samples that have one."""
    return [sample.target for sample in samples if sample.target is not None]


def require_targets(samples: Sequence[SamplePaths]) -> None:
    """Check that a split has labels.

    Raises:
        DatasetError: it has none.
    """
    for sample in samples:
        if sample.target is None:
            raise DatasetError(
                f"{sample.image}: its split has no public label maps; it serves for predictions "
                "and submissions only"
            )
