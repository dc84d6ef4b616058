"""UrbanSyn (Gomez et al., 2023): rendered frames of city streets, named by four digits, ``0001``.

Layout and train ids: the card of the data set. It names no value for pixels without a class; users'
loaders count twenty values, so 19 is ignored. Copies with ``ss/rgb_0001.png`` do as well.
"""

from dataclasses import replace
from pathlib import Path

from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing, pair_by_name
from segibn.labels.label_set import IGNORE_INDEX, Label
from segibn.labels.schemes import on_schemes, train_id_table

_TABLE = train_id_table("urbansyn")
_NO_CLASS = Label("no class", 19, IGNORE_INDEX, (0, 0, 0), "void")


def _find_one(root: Path, split: str) -> Pairing:
    SOURCE.require(root / "rgb", root / "ss")
    return pair_by_name(
        _by_number(root / "rgb"),
        _by_number(root / "ss"),
        target_of=lambda number: str(root / "ss" / f"ss_{number}.png"),
        image_of=lambda number: str(root / "rgb" / f"rgb_{number}.png"),
    )


def _by_number(folder: Path) -> dict[str, Path]:
    files = Place(folder.name, ".png", recursive=False).files(folder)
    return {name.removeprefix("rgb_").removeprefix("ss_"): path for name, path in files.items()}


SOURCE = DatasetSource(
    name="urbansyn",
    title="UrbanSyn",
    layout="""
urbansyn/rgb/rgb_<number>.png
urbansyn/ss/ss_<number>.png         (grey PNG, train ids)
""",
    where="https://urbansyn.org (CC BY-SA 4.0): rgb and ss, unpacked into urbansyn/",
    splits={"all": None},
    find_one=_find_one,
    tables=on_schemes(replace(_TABLE, labels=(*_TABLE.labels, _NO_CLASS))),
)
