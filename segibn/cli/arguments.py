"""Arguments that several verbs share: data sets' root, names of evaluation sets, a study's runs."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.config.dataset_names import OFFICIAL
from segibn.errors import ConfigError
from segibn.text import printable

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig

DATASETS_VARIABLE = "SEGIBN_DATASETS"


def add_datasets_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--datasets DIR``, by default the environment variable SEGIBN_DATASETS."""
    parser.add_argument(
        "--datasets",
        type=Path,
        metavar="DIR",
        help="folder that holds cityscapes/, gta5/, bdd100k/ ... "
        f"(default: ${DATASETS_VARIABLE}, else ./datasets)",
    )


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what verbs that train several runs need: seeds, data sets, folders, overrides."""
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    add_datasets_argument(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for the run folders"
    )
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="folder for the table (default: --output)"
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", help="config values to replace"
    )


def datasets_root(given: Path | None) -> Path:
    """Return the data sets' root: the argument, the environment variable, or ./datasets."""
    return given or Path(os.environ.get(DATASETS_VARIABLE) or "datasets")


def parse_evaluation_set(text: str) -> "DatasetConfig":
    """Read ``NAME[/LABEL_MAP]:SPLIT[@NAMES_FILE]``, or a config: its ``data.val``.

    Examples: ``cityscapes:val``, ``camvid:val@names.txt``, ``mapillary/rein:validation``,
    ``own.yaml``.

    Raises:
        ConfigError: the text has another form, or names no known data set; the config has no
            ``data.val``.
    """
    if text.endswith((".yaml", ".yml")):
        return _held_out_of(text)
    from pydantic import ValidationError

    from segibn.config.schema import DatasetConfig

    name_and_split, at, names_file = text.partition("@")
    name_and_map, colon, split = name_and_split.partition(":")
    name, slash, label_map = name_and_map.partition("/")
    known = OFFICIAL
    if not (name and colon and split) or (at and not names_file):
        raise ConfigError(
            f"'{text}': write NAME:SPLIT, NAME:SPLIT@NAMES_FILE or NAME/LABEL_MAP:SPLIT"
        )
    if name not in known:
        raise ConfigError(f"'{text}': unknown data set '{name}'; there are {', '.join(known)}")
    try:
        return DatasetConfig(
            name=name,  # type: ignore[arg-type]
            split=split,
            names_file=names_file or None,
            label_map=label_map if slash else None,  # type: ignore[arg-type]
        )
    except ValidationError as error:
        reasons = "; ".join(item["msg"] for item in error.errors())
        raise ConfigError(f"'{text}': {reasons}") from error


def _held_out_of(config: str) -> "DatasetConfig":
    from segibn.config.load import load_config

    val = load_config(config).data.val
    if val is None:
        raise ConfigError(f"{printable(config)} has no data.val: no set to score on")
    return val


def parse_labelled_set(text: str) -> "tuple[str, DatasetConfig]":
    """Read ``[LABEL=]NAME[/LABEL_MAP]:SPLIT[@NAMES_FILE]``, or ``[LABEL=]CONFIG.yaml``.

    Without a label, the set's name is that of the column.

    Raises:
        ConfigError: as ``parse_evaluation_set``.
    """
    label, equals, rest = text.partition("=")
    dataset = parse_evaluation_set(rest if equals else text)
    if equals:
        return label, dataset
    from segibn.config.set_names import set_name

    return set_name(dataset), dataset
