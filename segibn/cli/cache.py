"""``cache``: keep a training set as tiles on disk; a crop decodes those that it shows."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_datasets_argument,
    add_overrides_argument,
    datasets_root,
    datasets_words,
    parse_positive,
)
from segibn.cli.parser import command_text, print_next, print_then, verb_parser
from segibn.errors import DatasetError
from segibn.text import counted

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig, RunConfig
    from segibn.data.cache.disk_cache_build import CacheJob

EXAMPLE = """\
examples:
  export SEGIBN_CACHE=/ssd/cache
  segibn cache cityscapes_ibn --estimate     (writes nothing)
  segibn cache cityscapes_ibn
  segibn train cityscapes_ibn data.cache=disk

Give the config, and any key=value of data.train, data.mix, data.classes and data.resize, as for the
training.
A broken-off build goes on where it stopped when the command is repeated; frames whose files have
changed are cached again.

exit codes: 0 all frames are cached; 1 --verify found damaged files (and removed them); 2 a mistake
in config, data or files, or no space left
"""
EXIT_DAMAGED = 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "cache",
        "Write the training frames of a config as losslessly compressed tiles, labels "
        "already mapped to classes, for `data.cache: disk`. Samples stay the same to the bit.",
        EXAMPLE,
    )
    parser.add_argument("config", type=Path, help="YAML file, or a shipped config's name: gta5_ibn")
    add_overrides_argument(parser)
    add_datasets_argument(parser)
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder of all caches (default: $SEGIBN_CACHE, else .segibn beside the data sets)",
    )
    parser.add_argument("--jobs", type=parse_positive, metavar="N", help="threads (all cores)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--estimate", action="store_true", help="say size and time, and write nothing"
    )
    mode.add_argument(
        "--verify", action="store_true", help="read all that is cached and check every checksum"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; see ``EXAMPLE`` for what it returns."""
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn.config.load import load_config

    config = load_config(arguments.config, arguments.overrides)

    from segibn.data.cache.fingerprint import cache_folder

    datasets = datasets_root(arguments.datasets)
    root = arguments.cache or cache_folder(datasets)
    codes = [
        _run(_job_of(config, dataset, datasets, root), arguments) for dataset in config.data.sources
    ]
    if not (arguments.estimate or any(codes)):
        words = [arguments.config, *dict.fromkeys([*arguments.overrides, "data.cache=disk"])]
        words += datasets_words(arguments)
        if arguments.cache is None:
            print_next("train", *words)
        else:
            print_then(f"with SEGIBN_CACHE={root}: {command_text('train', *words)}")
    return max(codes)


def _run(job: "CacheJob", arguments: argparse.Namespace) -> int:
    """Estimate, build or verify the cache of one data set; return the exit code."""
    from segibn.data.cache.disk_cache_build import build, verify
    from segibn.provenance import usable_cores
    from segibn.text.progress import FrameProgress

    threads = arguments.jobs or usable_cores()
    print(f"cache: {job.folder}")
    if arguments.verify:
        with FrameProgress("verifying", len(job.samples)) as progress:
            checked, errors = verify(job, threads, progress)
        for error in errors:
            print(f"removed: {error}")
        verdict = f"{len(errors):,} damaged" if errors else "every checksum is right"
        print(f"{checked:,} of {counted(len(job.samples), 'frame')} cached: {verdict}")
        return EXIT_DAMAGED if errors else 0
    frames = _announce(job, threads)
    if frames and not arguments.estimate:
        with FrameProgress("caching", len(frames)) as progress:
            build(job, frames, threads, progress)
        print(f"{counted(len(frames), 'frame')} cached; use them with data.cache=disk")
    return 0


def _job_of(
    config: "RunConfig", dataset: "DatasetConfig", datasets: Path, root: Path
) -> "CacheJob":
    from segibn.builders.cache import tiles_folder
    from segibn.builders.sets import build_label_set, index_dataset
    from segibn.data.cache.disk_cache_build import CacheJob

    data = config.data
    samples = index_dataset(dataset, datasets)
    labels = build_label_set(dataset, data.classes, samples)
    folder = tiles_folder(dataset, labels, data.resize, root)
    return CacheJob(samples, labels, data.resize, folder)


def _announce(job: "CacheJob", threads: int) -> list[int]:
    """Say what is cached, what is not, and what that will take; return the latter."""
    from segibn.data.cache.disk_cache_build import estimate

    state = job.inspect()
    frames = state.bad
    counts = f"{counted(len(job.samples), 'frame')}, {len(state.good):,} cached"
    if state.changed or state.damaged:
        counts += f", {len(state.changed):,} changed, {len(state.damaged):,} damaged"
    if not frames:
        print(f"{counts}: nothing to do")
        return frames
    need = estimate(job, frames, threads)
    space_above = next(p for p in (job.folder, *job.folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(space_above).free
    print(
        f"{counts}, {len(frames):,} to do: about {_size_text(need.total_bytes)} and "
        f"{_time_text(need.duration_s)} with {threads} threads (measured on {need.measured} of "
        f"them); {_size_text(free)} are free there"
    )
    if need.total_bytes > free:
        raise DatasetError(
            f"{job.folder}: not enough space; choose another disk with --cache or SEGIBN_CACHE, or "
            "a smaller set with `names_file` or `fraction`"
        )
    return frames


def _size_text(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _time_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
