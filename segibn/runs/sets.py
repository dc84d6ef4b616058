"""Labelled sets named in words, such as ``camvid:val@names.txt`` -> their configs. No torch."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segibn.builders.sets import build_label_set, index_dataset, splits_of
from segibn.config.data import DatasetConfig
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import DATASETS, dataset_source
from segibn.errors import ConfigError, DatasetError, SegibnError
from segibn.evaluation.protocol import TestSet
from segibn.evaluation.protocols import PROTOCOLS
from segibn.labels.label_set import LabelSet
from segibn.text import did_you_mean, printable


def named_set(name: str, **values: Any) -> DatasetConfig:
    """Return an official data set as a config has it; a value that is None is the config's default.

    ConfigError, DatasetError: there is no such data set or split, or a value does not fit it.
    """
    if name not in DATASETS:
        raise ConfigError(
            f"unknown data set '{printable(name)}'{did_you_mean(name, DATASETS) or '.'} There are "
            f"{', '.join(DATASETS)}; data of your own are named by their config, in segibn check "
            "and segibn evaluate --dataset"
        )
    dataset = _changed({"name": name}, values)
    if values.get("split") is not None:
        _require_split(dataset, dataset.split, Path())
    return dataset


def changed_set(own: DatasetConfig, datasets_root: Path, **values: Any) -> DatasetConfig:
    """Return a data set of a config with other values; one that is None stays as it is there.

    Another split drops the list, the share and the side that narrowed the first. ConfigError,
    DatasetError: there is no such split, or a value does not fit the data set.
    """
    split = values.get("split")
    if split is not None and (split != own.split or own.hold_out is not None):
        _require_split(own, split, datasets_root)
        own = own.model_copy(update={"names_file": None, "fraction": 1.0, "hold_out": None})
    return _changed(own.model_dump(), values)


def _changed(own: dict[str, Any], values: dict[str, Any]) -> DatasetConfig:
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return DatasetConfig.model_validate(own | given)
    except ValidationError as error:
        raise ConfigError("; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())) from None


def _require_split(dataset: DatasetConfig, split: str, datasets_root: Path) -> None:
    known = splits_of(dataset, datasets_root)
    if not known and dataset.folder is not None:
        raise DatasetError(
            f"--split {printable(split)} has no effect: there is no {{split}} in data.*.folder of "
            f"the config (images: {printable(dataset.folder.images)})"
        )
    for part in split.split("+"):
        if part not in known:
            raise dataset_source(dataset.name).unknown_split(part, known)


def held_out_set(config: str) -> DatasetConfig:
    """Return the ``data.val`` of a config; ConfigError: it has none."""
    val = load_config(config).data.val
    if val is None:
        raise ConfigError(f"{printable(config)} has no data.val: no set to score on")
    return val


def own_labels(config: str) -> tuple[LabelSet, tuple[str, ...]]:
    """Return a config's table of ``data.val``, in training's order of classes, and file endings."""
    data = load_config(config).data
    trained = build_label_set(data.train, data.classes)
    own = trained if data.val is None else build_label_set(data.val, data.classes)
    files = (data.val or data.train).folder
    suffixes = (files.target_suffix, files.image_suffix) if files else ()
    endings = (suffix.rpartition(".")[0] for suffix in suffixes)
    return own.in_order(trained.class_names), tuple(filter(None, endings))


def parse_evaluation_set(text: str) -> DatasetConfig:
    """Read ``NAME[/LABEL_MAP]:SPLIT[@NAMES_FILE]``, or a config: its ``data.val``.

    Examples: ``cityscapes:val``, ``camvid:val@names.txt``, ``mapillary/rein:validation``,
    ``own.yaml``. ConfigError: it has another form, or means nothing that is known.
    """
    if text.endswith((".yaml", ".yml")):
        return held_out_set(text)
    name_and_split, at, names_file = text.partition("@")
    name_and_map, colon, split = name_and_split.partition(":")
    name, slash, label_map = name_and_map.partition("/")
    if not (name and colon and split) or (at and not names_file):
        raise ConfigError(f"'{printable(text)}': write NAME:SPLIT, NAME:SPLIT@NAMES_FILE or NAME/LABEL_MAP:SPLIT")
    try:
        return named_set(name, split=split, names_file=names_file or None, label_map=label_map if slash else None)
    except (ConfigError, DatasetError) as error:
        raise ConfigError(f"'{printable(text)}': {error}") from error


def parse_labelled_set(text: str) -> tuple[str, DatasetConfig]:
    """Read ``[LABEL=]`` and a set as ``parse_evaluation_set``; the label is else the set's name."""
    label, equals, rest = text.partition("=")
    dataset = parse_evaluation_set(rest if equals else text)
    return (label if equals else dataset.title), dataset


def parse_labelled_sets(texts: Iterable[str]) -> dict[str, DatasetConfig]:
    """Read sets for the columns of a table: label -> set; ConfigError: two have one label."""
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


def protocol_sets(name: str | None, on: Sequence[str] | None) -> dict[str, DatasetConfig]:
    """Return label -> test set: those of words such as ``cityscapes:val``, or all of a protocol's.

    Under a protocol, ``NAME:SPLIT`` gets its label and label map. ConfigError: neither is given.
    """
    if not on:
        if name is None:
            raise ConfigError("say what to score on: --on SET [SET ...], or --protocol NAME")
        return {
            test.label: named_set(test.dataset, split=test.split, label_map=test.label_map)
            for test in PROTOCOLS[name].tests
        }
    found = {}
    for text, (label, dataset) in zip(on, parse_labelled_sets(on).items(), strict=True):
        if (test := protocol_test(name, dataset)) is not None:
            is_theirs = dataset.names_file is None and dataset.label_map in (None, test.label_map)
            if is_theirs and "=" not in text:
                label = test.label
            if dataset.label_map is None:
                dataset = dataset.model_copy(update={"label_map": test.label_map})
        found[label] = dataset
    return found


def protocol_test(name: str | None, dataset: DatasetConfig) -> TestSet | None:
    """Return a protocol's line for a data set, None where it has none."""
    tests = PROTOCOLS[name].tests if name is not None else ()
    return next((test for test in tests if test.dataset == dataset.name), None)


def why_untrainable(config: str | Path, datasets_root: Path) -> str:
    """Return why a config cannot be trained on the data sets of a folder; "" where it can."""
    data = load_config(config).data
    try:
        for dataset in filter(None, (*data.sources, data.val)):
            index_dataset(dataset, datasets_root)
    except SegibnError as error:
        first, *more = (line.strip() for line in str(error).splitlines())
        return f"{first} {more[0]}" if first.endswith(":") and more else first
    return ""


def frames_folder(config: RunConfig, datasets_root: Path | None) -> Path | None:
    """Return a folder of frames of the sets of a config; None where none is here."""
    for dataset in filter(None, (config.data.val, config.data.train)) if datasets_root else ():
        with suppress(SegibnError):
            return index_dataset(dataset, datasets_root)[0].image.parent
    return None
