"""``cache``: keep a training set as tiles on disk; a crop decodes those that it shows."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_config_arguments, datasets_root, datasets_words, parse_positive
from segibn.cli.parser import VerbParser, command_text, print_next, print_then, verb_parser
from segibn.provenance import usable_cores

EXAMPLE = """\
examples:
  export SEGIBN_CACHE=/ssd/cache
  segibn cache cityscapes_ibn --estimate     (writes nothing)
  segibn cache cityscapes_ibn
  segibn train cityscapes_ibn data.cache=disk

Tiles are compressed without loss, labels mapped to classes: samples stay the same to the bit.
Give the config, and any key=value of data.train, data.mix, data.classes and data.resize, as for the
training.
An interrupted build resumes when the command is repeated; frames whose files have changed are
cached again.

exit codes: 0 all frames are cached; 1 --verify found damaged files (and removed them); 2 a mistake
in config, data or files, or no space left
"""
EXIT_DAMAGED = 1


@verb_parser("cache", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add_config_arguments(parser)
    about = "folder of all caches (default: $SEGIBN_CACHE, else .segibn beside the data sets)"
    parser.add_argument("--cache", type=Path, metavar="DIR", help=about)
    parser.add_argument("--jobs", type=parse_positive, metavar="N", help="threads (all cores)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--estimate", action="store_true", help="say size and time; write nothing")
    mode.add_argument("--verify", action="store_true", help="check every checksum")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn.config.load import load_config
    from segibn.runs.cache import cache_jobs, fill_cache, verify_cache

    config = load_config(arguments.config, arguments.overrides)
    root = datasets_root(arguments.datasets)
    threads, damaged = arguments.jobs or usable_cores(), 0
    for job in cache_jobs(config, root, arguments.cache):
        print(f"cache: {job.folder}")
        if arguments.verify:
            damaged += verify_cache(job, threads)
        else:
            fill_cache(job, threads, only_estimate=arguments.estimate)
    if damaged:
        return EXIT_DAMAGED
    if not arguments.estimate:
        words = [arguments.config, *dict.fromkeys([*arguments.overrides, "data.cache=disk"])]
        words += datasets_words(arguments.datasets)
        if arguments.cache is None:
            print_next("train", *words)
        else:
            print_then(f"with SEGIBN_CACHE={arguments.cache}: {command_text('train', *words)}")
    return 0
