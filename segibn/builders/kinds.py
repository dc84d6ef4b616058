"""Data room, the builder's table of data sets: where each lies and which module finds its files.

In: a data set's config. Out: its `Kind`. Like `build.py` this module sees config objects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segibn.config.schema import DatasetConfig
from segibn.data.datasets import (
    acdc,
    bdd100k,
    camvid,
    cityscapes,
    dark_zurich,
    foggy_cityscapes,
    folder,
    gta5,
    idd,
    kitti,
    mapillary,
    nighttime_driving,
    synthia,
    urbansyn,
    wilddash2,
)
from segibn.data.samples import Pairing, Source
from segibn.errors import ConfigError


@dataclass(frozen=True)
class Kind:
    """How one kind of data set is found.

    Attributes:
        subfolder: its folder below the data sets' root.
        source: its messages.
        splits: the names of its splits.
        find: pairs the files of a config, given its own folder.
        overlapping: splits whose frames are in other splits too; a check of the whole leaves
            them out.
    """

    subfolder: str
    source: Source
    splits: tuple[str, ...]
    find: Callable[[Path, DatasetConfig], Pairing]
    overlapping: tuple[str, ...] = ()


class _IndexModule(Protocol):
    """What an index module of a data set with one task has."""

    SOURCE: Source
    SPLITS: tuple[str, ...]

    def find(self, root: Path, split: str) -> Pairing: ...


def _plain(subfolder: str, module: _IndexModule, overlapping: tuple[str, ...] = ()) -> Kind:
    """The kind of a data set whose index needs nothing but a split."""
    return Kind(
        subfolder,
        module.SOURCE,
        module.SPLITS,
        lambda root, dataset: module.find(root, dataset.split),
        overlapping,
    )


def _find_in_folders(root: Path, dataset: DatasetConfig) -> Pairing:
    files = dataset.folder
    if files is None:
        raise ConfigError("data set `folder`: its `folder:` part is missing")
    return folder.find(
        root,
        dataset.split,
        images=files.images,
        targets=files.targets,
        image_suffix=files.image_suffix,
        target_suffix=files.target_suffix,
    )


KINDS = {
    "cityscapes": _plain("cityscapes", cityscapes),
    "gta5": _plain("gta5", gta5, overlapping=("train-clean", "all")),
    "bdd100k_semseg": Kind(
        "bdd100k",
        bdd100k.SEMSEG,
        bdd100k.SEMSEG_SPLITS,
        lambda root, dataset: bdd100k.find_semseg(root, dataset.split),
        overlapping=("night",),
    ),
    "bdd100k_drivable": Kind(
        "bdd100k",
        bdd100k.DRIVABLE,
        bdd100k.SPLITS,
        lambda root, dataset: bdd100k.find_drivable(root, dataset.split, dataset.encoding),
    ),
    "camvid": _plain("camvid", camvid),
    "mapillary": _plain("mapillary", mapillary),
    "synthia": _plain("synthia", synthia, overlapping=("all",)),
    "acdc": _plain("acdc", acdc, overlapping=tuple(acdc.SPLITS[3:])),
    "dark_zurich": _plain("dark_zurich", dark_zurich),
    "nighttime_driving": _plain("nighttime_driving", nighttime_driving),
    "idd": _plain("idd", idd),
    "foggy_cityscapes": _plain("cityscapes", foggy_cityscapes),
    "wilddash2": _plain("wilddash2", wilddash2),
    "kitti": _plain("kitti", kitti),
    "urbansyn": _plain("urbansyn", urbansyn),
    "folder": Kind("", folder.SOURCE, (), _find_in_folders),
}
"""Data set name, as in configs -> its kind."""
