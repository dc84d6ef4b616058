"""``check``: read every file of a data set and say what is wrong with it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_datasets_argument,
    changed_set,
    datasets_root,
    datasets_words,
    missing_data,
    named_set,
    parse_positive,
)
from segibn.cli.parser import command_text, print_next, print_then, verb_parser
from segibn.config.dataset_names import OFFICIAL
from segibn.config.shipped import names_config
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
        help="bdd100k_drivable: what the label values should mean (default: tell from the files)",
    )
    parser.add_argument("--jobs", type=parse_positive, metavar="N", help="processes (all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    add_datasets_argument(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; see ``EXAMPLE`` for what it returns."""
    arguments = build_parser().parse_args(argv)
    root = datasets_root(arguments.datasets)

    from rich.console import Console

    from segibn.config.set_names import set_name
    from segibn.files import write_json
    from segibn.provenance import usable_cores
    from segibn.runs.dataset_report import check_dataset, print_report
    from segibn.text.progress import FrameProgress

    jobs = arguments.jobs or usable_cores()
    console = Console()
    reports = []
    for dataset in _datasets(arguments, root):
        with FrameProgress(set_name(dataset), 0) as progress:
            report = check_dataset(
                dataset,
                root,
                jobs=jobs,
                progress=progress,
                trained_on=_trained_on(arguments, dataset),
            )
        print_report(report, console)
        reports.append(report)
    if arguments.json is not None:
        write_json(arguments.json, [report.to_dict() for report in reports])
        console.print(f"report written to {arguments.json}")
    if not all(report.ok for report in reports):
        return EXIT_WRONG
    _say_next(arguments, root)
    return 0


def _datasets(arguments: argparse.Namespace, root: Path) -> "list[DatasetConfig]":
    """The splits to check: those of a config, the one that was named, or all that are there."""
    name, split, encoding = arguments.name, arguments.split, arguments.encoding
    if name not in OFFICIAL and names_config(name):
        return _of_config(arguments, root)
    whole = named_set(name, split=split, names_file=arguments.names_file, encoding=encoding)
    if split is not None:
        return [whole]

    from segibn.runs.dataset_report import splits_present

    splits = splits_present(name, root, whole.encoding)
    return [whole.model_copy(update={"split": one}) for one in splits]


def _trained_on(
    arguments: argparse.Namespace, dataset: "DatasetConfig"
) -> "tuple[DatasetConfig, ...]":
    """The sources of a config of which a set is the ``data.val``; of all others nothing."""
    from segibn.config.load import load_config

    if arguments.name in OFFICIAL or arguments.split is not None:
        return ()
    data = load_config(arguments.name).data
    return data.sources if dataset == data.val else ()


def _of_config(arguments: argparse.Namespace, root: Path) -> "list[DatasetConfig]":
    from segibn.config.load import load_config

    for option in ("names_file", "encoding"):
        if getattr(arguments, option) is not None:
            raise ConfigError(
                f"--{option.replace('_', '-')} has no effect on a config: write {option} into it"
            )
    data = load_config(arguments.name).data
    named = [dataset for dataset in (*data.sources, data.val) if dataset is not None]
    if arguments.split is None:
        return named
    return [changed_set(named[0], root, split=arguments.split)]


def _say_next(arguments: argparse.Namespace, root: Path) -> None:
    """Try the training, where all that its config needs is there."""
    from segibn.config.load import load_config

    is_own = arguments.name not in OFFICIAL
    config = arguments.name if is_own else _TRAINED_BY.get(arguments.name)
    if config is None:
        return
    if missing := missing_data(load_config(config), root):
        print_then(f"{command_text('train', config)} needs what is not here yet: {missing}")
    else:
        words = datasets_words(arguments) + ([] if is_own else ["--dry-run"])
        print_next("train", config, *words)
