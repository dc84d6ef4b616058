"""The disk cache of a training config: what it would take, building it, checking it. No torch."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from segibn.builders.sets import tiles_folder, training_sets
from segibn.config.schema import RunConfig
from segibn.data.cache.disk_cache import CacheJob, build, estimate, verify
from segibn.data.cache.folder import cache_folder
from segibn.errors import DatasetError
from segibn.text import byte_count, counted, duration
from segibn.text.progress import FrameProgress


def cache_jobs(config: RunConfig, datasets_root: Path, caches: Path | None) -> Iterator[CacheJob]:
    """Yield the cache of each training set, below ``caches`` or where SEGIBN_CACHE says."""
    caches = caches or cache_folder(datasets_root)
    for one in training_sets(config.data, datasets_root):
        folder = tiles_folder(one.dataset, one.label_set, one.resize, caches)
        yield CacheJob(one.samples, one.label_set, one.resize, folder)


def verify_cache(job: CacheJob, threads: int) -> int:
    """Check every checksum, remove what is damaged -> how many frames were."""
    with FrameProgress("verifying", len(job.samples)) as progress:
        checked, errors = verify(job, threads, progress)
    for error in errors:
        print(f"removed: {error}")
    verdict = f"{len(errors):,} damaged" if errors else "every checksum is right"
    print(f"{checked:,} of {counted(len(job.samples), 'frame')} cached: {verdict}")
    return len(errors)


def fill_cache(job: CacheJob, threads: int, *, only_estimate: bool) -> None:
    """Say what is cached and what the others will take; cache them, unless only that was asked.

    DatasetError: the disk has not enough space.
    """
    state = job.inspect()
    frames = state.bad
    counts = f"{counted(len(job.samples), 'frame')}, {len(state.good):,} cached"
    if state.changed or state.damaged:
        counts += f", {len(state.changed):,} changed, {len(state.damaged):,} damaged"
    if not frames:
        print(f"{counts}: nothing to do")
        return
    total_bytes, duration_s, measured = estimate(job, frames, threads)
    space_above = next(p for p in (job.folder, *job.folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(space_above).free
    print(
        f"{counts}, {len(frames):,} to do: about {byte_count(total_bytes)} and "
        f"{duration(duration_s)} with {threads} threads (measured on {measured} of "
        f"them); {byte_count(free)} are free there"
    )
    if total_bytes > free:
        raise DatasetError(
            f"{job.folder}: not enough space; choose another disk with --cache or SEGIBN_CACHE, or "
            "a smaller set with `names_file` or `fraction`"
        )
    if not only_estimate:
        with FrameProgress("caching", len(frames)) as progress:
            build(job, frames, threads, progress)
        print(f"{counted(len(frames), 'frame')} cached; use them with data.cache=disk")
