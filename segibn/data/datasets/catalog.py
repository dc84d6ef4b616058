"""Which data sets there are, and the table of each class scheme; modules are imported on demand."""

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from segibn.errors import ConfigError
from segibn.labels import CLASS_SCHEMES

if TYPE_CHECKING:
    from segibn.data.datasets.source import DatasetSource
    from segibn.labels.label_set import LabelSet

DATASETS = (
    "cityscapes",
    "gta5",
    "bdd100k_semseg",
    "bdd100k_drivable",
    "camvid",
    "mapillary",
    "synthia",
    "acdc",
    "dark_zurich",
    "nighttime_driving",
    "idd",
    "idd_lite",
    "foggy_cityscapes",
    "wilddash2",
    "kitti",
    "urbansyn",
)
"""The data sets with a layout of their own: each is ``SOURCE`` of the module of its name here."""

OWN = "folder"  # a user's own data set, which a config describes


@lru_cache
def dataset_source(name: str) -> "DatasetSource":
    """Return one of ``DATASETS``, or the messages of a user's own; ConfigError: there is none."""
    if name not in (*DATASETS, OWN):
        raise ConfigError(f"no label table for '{name}'; there are {', '.join(DATASETS)}")
    source: DatasetSource = import_module(f"segibn.data.datasets.{name}").SOURCE
    return source


def dataset_sources() -> "Iterator[DatasetSource]":
    """Yield all data sets of ``DATASETS``."""
    return map(dataset_source, DATASETS)


def scheme_of(dataset: str, classes: str | None = None) -> str:
    """Return the class scheme asked for, or the data set's own; ``folder`` for a user's own."""
    return classes or (OWN if dataset == OWN else dataset_source(dataset).schemes[0])


def scheme_label_set(classes: str) -> "LabelSet":
    """Return a table with the classes of a scheme; ConfigError: no such scheme."""
    if classes not in CLASS_SCHEMES:
        raise ConfigError(f"no class scheme '{classes}'; there are {', '.join(CLASS_SCHEMES)}")
    source = next(source for source in dataset_sources() if classes in source.schemes)
    return source.label_set(classes, next(iter(source.encodings), None))
