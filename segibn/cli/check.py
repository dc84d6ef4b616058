"""``check``: read every file of a data set and say what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_datasets_argument, datasets_root, datasets_words, parse_positive
from segibn.cli.parser import VerbParser, command_text, print_next, print_then, verb_parser
from segibn.config.shipped import names_config
from segibn.data.datasets.catalog import DATASETS
from segibn.errors import ConfigError
from segibn.provenance import usable_cores

EXAMPLE = """\
examples:
  segibn check cityscapes --datasets /data
  segibn check bdd100k_drivable --split val --encoding 2018
  segibn check configs/my_own.yaml --page check.html      (the data sets that a config names)

Reported are counts, missing partners, unreadable files, sizes and the values found in labels.

exit codes: 0 all good; 1 something is wrong, listed in the report; 2 a mistake in the command, or
no data set found
"""
_TRAINED_BY = {"cityscapes": "cityscapes_ibn", "gta5": "gta5_ibn", "bdd100k_drivable": "bdd_drivable_ibn"}
"""Data set -> the shipped config that trains on it."""


@verb_parser("check", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help=f"{', '.join(DATASETS)}, or a config (its data sets)")
    add("--split", metavar="SPLIT", help="one split, or several as train+val (default: all there)")
    add("--names-file", metavar="FILE", help="text file of sample names to narrow the split to")
    about = "bdd100k_drivable: what the label values should mean (default: tell from the files)"
    add("--encoding", choices=("auto", "2018", "2021"), help=about)
    add("--jobs", type=parse_positive, metavar="N", help="processes (all cores)")
    add("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    about = "write a page to look at: frames under their labels, shares of classes, odd ones"
    add("--page", type=Path, metavar="FILE.html", help=about)
    add_datasets_argument(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    root = datasets_root(arguments.datasets)
    name, split = arguments.name, arguments.split
    is_config = name not in DATASETS and names_config(name)
    for option in ("names_file", "encoding") if is_config else ():
        if getattr(arguments, option) is not None:
            raise ConfigError(f"--{option.replace('_', '-')} has no effect on a config: write {option} into it")

    from segibn.runs.check import check_sets, official_sets, sets_of_config
    from segibn.runs.sets import why_untrainable

    if is_config:
        sets = sets_of_config(name, split, root)
    else:
        sets = official_sets(name, split, root, names_file=arguments.names_file, encoding=arguments.encoding)
    if not check_sets(sets, root, arguments.jobs or usable_cores(), arguments.json, arguments.page):
        return 1
    config = name if is_config else _TRAINED_BY.get(name)
    if config is None:
        return 0
    if missing := why_untrainable(config, root):
        print_then(f"{command_text('train', config)} needs what is not here yet: {missing}")
    else:
        print_next("train", config, *datasets_words(arguments.datasets), *([] if is_config else ["--dry-run"]))
    return 0
