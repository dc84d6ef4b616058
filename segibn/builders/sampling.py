"""The plan of a run: sampling by class, several sources by share."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from segibn.builders.sets import TrainingSet
from segibn.config.data import DataConfig, RareClassSampling, SamplingConfig, UniformSampling
from segibn.config.schema import RunConfig
from segibn.data.class_index import ClassIndex, IndexJob
from segibn.data.focus import FocusTable, class_uniform_probabilities, rare_class_probabilities
from segibn.data.frames import estimate_gib
from segibn.data.plan import Plan, Stream
from segibn.devices import local_rank
from segibn.distributed import barrier, is_main
from segibn.errors import ConfigError, DatasetError
from segibn.provenance import usable_cores
from segibn.text import counted
from segibn.text.progress import FrameProgress

logger = logging.getLogger(__name__)


def build_plan(config: RunConfig, sets: Sequence[TrainingSet], datasets_root: Path | None) -> Plan:
    """Build the plan of a run, of sets from `training_sets`; the same on every rank."""
    sampling = config.data.sampling
    streams = []
    for one in sets:
        if isinstance(sampling, UniformSampling):
            streams.append(Stream(len(one.samples)))
        else:
            table = _focus_table(_class_index(one, datasets_root), sampling, one)
            streams.append(Stream(len(one.samples), table, sampling.share))
    return Plan(streams, [source.share for source in config.data.mix], seed=config.seed)


def index_cost(data: DataConfig, sets: Sequence[TrainingSet], datasets_root: Path | None) -> dict[str, float]:
    """Return what `build_plan` still has to index: title of a set -> estimated seconds."""
    if isinstance(data.sampling, UniformSampling):
        return {}
    jobs = [_job(one, datasets_root) for one in sets]
    return {job.title: job.estimate_seconds(usable_cores()) for job in jobs if not job.is_kept()}


def require_memory(data: DataConfig, sets: Sequence[TrainingSet]) -> float:
    """Return the GiB that ``cache: memory`` will take; DatasetError: more than its limit."""
    if data.cache != "memory":
        return 0.0
    need = sum(estimate_gib(one.samples, one.resize) for one in sets)
    if need > data.cache_limit_gib:
        count = sum(len(one.samples) for one in sets)
        together = f" of {len(sets)} sources together" if len(sets) > 1 else ""
        raise DatasetError(
            f"cache: memory would take about {need:.1f} GiB for {counted(count, 'sample')}"
            f"{together}, more than data.cache_limit_gib {data.cache_limit_gib:g}; set "
            "`cache: none`, a smaller `resize`, or raise the limit"
        )
    return need


def _focus_table(index: ClassIndex, sampling: SamplingConfig, one: TrainingSet) -> FocusTable:
    is_rare = isinstance(sampling, RareClassSampling)
    min_pixels = sampling.min_pixels if is_rare else 1
    names = one.label_set.class_names
    found = (index.pixels >= min_pixels).any(axis=0)
    absent = [name for name, is_found in zip(names, found, strict=True) if not is_found]
    if len(absent) == len(names):
        raise ConfigError(
            f"data.sampling {sampling.name}: no frame of {one.title} has {min_pixels} pixels of "
            "any class; lower data.sampling.min_pixels, or check the label table"
        )
    if absent and is_main():
        text = "%s: no frame has %d pixels or more of %s; not drawn by class"
        logger.warning(text, one.title, min_pixels, ", ".join(absent))
    if isinstance(sampling, RareClassSampling):
        chances = rare_class_probabilities(index, sampling.temperature, min_pixels)
    else:
        chances = class_uniform_probabilities(index)
    return FocusTable(index, chances, by_frame=is_rare, min_pixels=min_pixels)


def _job(one: TrainingSet, root: Path | None) -> IndexJob:
    return IndexJob(one.title, one.samples, one.label_set, one.resize, root)


def _class_index(one: TrainingSet, root: Path | None) -> ClassIndex:
    """Read or build an index: once over all ranks, or once a machine that has its own disk."""
    load = partial(_job(one, root).load_or_build, usable_cores())
    index = None
    with FrameProgress() as progress:
        if is_main():
            index = load(progress=progress.phase(f"classes of {one.title}"))
        barrier()
        if index is None and local_rank() == 0:
            index = load()
        barrier()
        return load() if index is None else index
