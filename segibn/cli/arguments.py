"""Arguments that several verbs share: data sets' root, names of evaluation sets, a study's runs."""

import argparse
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.parser import PLACEHOLDER
from segibn.config.dataset_names import OFFICIAL
from segibn.errors import ConfigError, DatasetError, SegibnError
from segibn.text import did_you_mean, printable

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig, RunConfig

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


def add_overrides_argument(parser: argparse.ArgumentParser) -> None:
    """Add the words ``key=value`` that follow a config."""
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="config values to replace"
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


def datasets_root(given: Path | None, recorded: Path | None = None) -> Path:
    """Return the folder above the data sets.

    It is the argument, the environment variable, what a run has ``recorded``, or ./datasets.

    Raises:
        DatasetError: the argument, or the variable where that counts, names no folder.
    """
    variable = os.environ.get(DATASETS_VARIABLE)
    said = given or (Path(variable).expanduser() if variable else None)
    if said is not None and not said.is_dir():
        name = DATASETS_VARIABLE if given is None else "--datasets"
        raise DatasetError(f"{name} {printable(said)}: there is no such folder")
    return said or recorded or Path("datasets")


def datasets_words(arguments: argparse.Namespace, recorded: Path | None = None) -> list[str]:
    """Return what a command needs to find the same data sets: ``--datasets DIR``, or nothing."""
    recorded = None if os.environ.get(DATASETS_VARIABLE) else recorded
    found = getattr(arguments, "datasets", None) or recorded
    return ["--datasets", str(found)] if found else []


def missing_data(config: "RunConfig", root: Path) -> str:
    """Return why a config cannot be trained on the data sets of a folder; "" where it can."""
    from segibn.builders.sets import index_dataset

    sets = [*config.data.sources, *([config.data.val] if config.data.val else [])]
    try:
        for dataset in sets:
            index_dataset(dataset, root)
    except SegibnError as error:
        first, *more = (line.strip() for line in str(error).splitlines())
        return f"{first} {more[0]}" if first.endswith(":") and more else first
    return ""


def frames_words(config: "RunConfig", root: Path | None) -> list[str]:
    """Return frames that a run can predict at once and a folder for that; none: a placeholder."""
    from segibn.builders.sets import index_dataset

    folders = (Path(f"predictions{number or ''}") for number in count())
    output = next(str(folder) for folder in folders if not folder.exists())
    for dataset in (config.data.val, config.data.train):
        if dataset is not None and root is not None:
            with suppress(SegibnError):
                frames = index_dataset(dataset, root)[0].image.parent
                return [str(frames), "--output", output]
    return [PLACEHOLDER, "--output", output]


def report_words(run: str | Path) -> list[str]:
    """Return the command of a report on a run where it would show frames, else nothing.

    That is a run with scores, whose data sets are where its training found them.
    """
    from segibn.runs.find import datasets_of, find_checkpoint, run_of

    folder = run_of(find_checkpoint(run))
    recorded = datasets_of(folder)
    if folder is None or recorded is None or not any((folder / "scores").glob("*.json")):
        return []
    given = folder if Path(run).is_file() else run
    return ["report", str(given), *datasets_words(argparse.Namespace(), recorded)]


def require_runs(paths: Iterable[str | Path]) -> None:
    """Check that runs and checkpoints are there, before torch is imported.

    Raises:
        CheckpointError: one is not.
    """
    from segibn.runs.find import find_checkpoint

    for path in paths:
        find_checkpoint(path)


def parse_positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{printable(text)}': write a whole number above 0")
    return int(text)


def refuse_set(overrides: Sequence[str], key: str, option: str) -> None:
    """Raise ConfigError where ``--set`` gives a value that an option of the verb replaces."""
    for text in overrides:
        if text.partition("=")[0].strip() == key:
            raise ConfigError(f"--set {printable(text)} has no effect here: say it with {option}")


def named_set(name: str, **values: Any) -> "DatasetConfig":
    """Return an official data set as a config has it.

    Args:
        name: such as ``cityscapes``.
        values: of the config; None = its default.

    Raises:
        ConfigError: there is no such data set, or a value does not fit it.
        DatasetError: it has no such split.
    """
    if name not in OFFICIAL:
        raise ConfigError(
            f"unknown data set '{printable(name)}'{did_you_mean(name, OFFICIAL) or '.'} There are "
            f"{', '.join(OFFICIAL)}; data of your own are named by their config, in segibn check "
            "and segibn evaluate --dataset"
        )
    dataset = _validated({"name": name} | _given(values))
    if values.get("split") is not None:
        _require_split(dataset, dataset.split, Path())
    return dataset


def changed_set(own: "DatasetConfig", root: Path, **values: Any) -> "DatasetConfig":
    """Return a data set of a config with values of the command line instead.

    Another split drops the list, the share and the side that narrowed the first.

    Args:
        own: of the config.
        root: the folder above the data sets.
        values: of the config; None = as it is there.

    Raises:
        ConfigError: a value does not fit the data set.
        DatasetError: it has no such split.
    """
    changes = _given(values)
    if "split" in changes and (changes["split"] != own.split or own.hold_out is not None):
        _require_split(own, changes["split"], root)
        changes = {"names_file": None, "fraction": 1.0, "hold_out": None} | changes
    return _validated(own.model_dump() | changes)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _validated(values: dict[str, Any]) -> "DatasetConfig":
    from pydantic import ValidationError

    from segibn.config.schema import DatasetConfig

    try:
        return DatasetConfig.model_validate(values)
    except ValidationError as error:
        reasons = (item["msg"].removeprefix("Value error, ") for item in error.errors())
        raise ConfigError("; ".join(reasons)) from None


def _require_split(dataset: "DatasetConfig", split: str, root: Path) -> None:
    from segibn.builders.kinds import KINDS
    from segibn.builders.sets import splits_of

    known = splits_of(dataset, root)
    if not known and dataset.folder is not None:
        raise DatasetError(
            f"--split {printable(split)} has no effect: there is no {{split}} in data.*.folder of "
            f"the config (images: {printable(dataset.folder.images)})"
        )
    for part in split.split("+"):
        if part not in known:
            raise KINDS[dataset.name].source.unknown_split(part, known)


def parse_evaluation_set(text: str) -> "DatasetConfig":
    """Read ``NAME[/LABEL_MAP]:SPLIT[@NAMES_FILE]``, or a config: its ``data.val``.

    Examples: ``cityscapes:val``, ``camvid:val@names.txt``, ``mapillary/rein:validation``,
    ``own.yaml``.

    Raises:
        ConfigError: the text has another form, names no known data set or none of its splits; the
            config has no ``data.val``.
    """
    if text.endswith((".yaml", ".yml")):
        return _held_out_of(text)
    name_and_split, at, names_file = text.partition("@")
    name_and_map, colon, split = name_and_split.partition(":")
    name, slash, label_map = name_and_map.partition("/")
    if not (name and colon and split) or (at and not names_file):
        raise ConfigError(
            f"'{printable(text)}': write NAME:SPLIT, NAME:SPLIT@NAMES_FILE or NAME/LABEL_MAP:SPLIT"
        )
    try:
        return named_set(
            name,
            split=split,
            names_file=names_file or None,
            label_map=label_map if slash else None,
        )
    except (ConfigError, DatasetError) as error:
        raise ConfigError(f"'{printable(text)}': {error}") from error


def parse_labelled_sets(texts: Iterable[str]) -> "dict[str, DatasetConfig]":
    """Read sets for the columns of a table, see ``parse_labelled_set``.

    Raises:
        ConfigError: as there, or two have one label.
    """
    found: dict[str, DatasetConfig] = {}
    for text in texts:
        label, dataset = parse_labelled_set(text)
        if label in found:
            raise ConfigError(
                f"'{printable(text)}': two sets are called {printable(label)}; give it once, or "
                "name them apart by LABEL="
            )
        found[label] = dataset
    return found


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
