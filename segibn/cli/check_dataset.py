"""``check_dataset``: read every file of a data set and say what is wrong with it."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import add_datasets_argument, datasets_root
from segibn.cli.parser import print_next, verb_parser
from segibn.config.dataset_names import OFFICIAL
from segibn.config.shipped import is_shipped
from segibn.errors import ConfigError

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig

EXAMPLE = """\
examples:
  segibn check cityscapes --datasets /data
  segibn check bdd100k_drivable --split val --encoding 2018
  segibn check configs/my_own.yaml      (the data sets that a config names)

exit codes: 0 all good; 1 something is wrong, listed in the report; 2 a mistake in the command, or
no data set found
"""
EXIT_WRONG = 1
_TRAINED_BY = {
    "cityscapes": "cityscapes_ibn",
    "gta5": "gta5_ibn",
    "bdd100k_drivable": "bdd_drivable_ibn",
}
"""Data set -> the shipped config that trains on it."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "check",
        "Read every image and label map of a data set, with all cores, and report "
        "counts, missing partners, unreadable files, sizes, and the values found in labels.",
        EXAMPLE,
    )
    parser.add_argument(
        "name", metavar="NAME", help=f"{', '.join(OFFICIAL)}, or a config (its data sets)"
    )
    parser.add_argument(
        "--split", metavar="SPLIT", help="one split, or several as train+val (default: all there)"
    )
    parser.add_argument(
        "--names-file", metavar="FILE", help="text file of sample names to narrow the split to"
    )
    parser.add_argument(
        "--encoding",
        choices=("auto", "2018", "2021"),
        default="auto",
        help="bdd100k_drivable: what the label values should mean (default: tell from the files)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    add_datasets_argument(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; see ``EXAMPLE`` for what it returns."""
    arguments = build_parser().parse_args(argv)
    root = datasets_root(arguments.datasets)

    from rich.console import Console

    from segibn.data.loader import usable_cores
    from segibn.data.report import check_with_progress, print_report
    from segibn.files import writable_folder, write_json

    if arguments.json is not None:
        writable_folder(arguments.json.parent)
    jobs = arguments.jobs or usable_cores()
    console = Console()
    reports = []
    for dataset in _datasets(arguments, root):
        report = check_with_progress(dataset, root, jobs=jobs, console=console)
        print_report(report, console)
        reports.append(report)
    if arguments.json is not None:
        write_json(arguments.json, [report.to_dict() for report in reports])
        console.print(f"report written to {arguments.json}")
    if not all(report.ok for report in reports):
        return EXIT_WRONG
    if arguments.name not in OFFICIAL:
        print_next(f"segibn train {arguments.name}")
    elif config := _TRAINED_BY.get(arguments.name):
        given = f" --datasets {arguments.datasets}" if arguments.datasets else ""
        print_next(f"segibn train {config}{given} --dry-run")
    return 0


def _datasets(arguments: argparse.Namespace, root: Path) -> "list[DatasetConfig]":
    """The splits to check: those of a config, the one that was named, or all that are there."""
    from segibn.config.schema import DatasetConfig

    name, split = arguments.name, arguments.split
    if name.endswith((".yaml", ".yml")) or (name not in OFFICIAL and is_shipped(name)):
        return _of_config(Path(name), split)
    if name not in OFFICIAL:
        close = get_close_matches(name, OFFICIAL, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise ConfigError(
            f"no data set '{name}'{hint} There are {', '.join(OFFICIAL)}. For data of your own "
            "give the config file that describes it"
        )
    if arguments.encoding != "auto" and name != "bdd100k_drivable":
        raise ConfigError(f"--encoding belongs to bdd100k_drivable, not to {name}")
    if split is not None:
        splits = [split]
    else:
        from segibn.data.report import splits_present

        splits = splits_present(name, root, arguments.encoding)
    return [
        DatasetConfig(
            name=name, split=one, names_file=arguments.names_file, encoding=arguments.encoding
        )
        for one in splits
    ]


def _of_config(path: Path, split: str | None) -> "list[DatasetConfig]":
    from segibn.config.load import load_config

    data = load_config(path).data
    named = [dataset for dataset in (*data.sources, data.val) if dataset is not None]
    if split is None:
        return named
    return [named[0].model_copy(update={"split": split})]
