"""BDD100K drivable area (100k frames): the lane the car is in, and those it could change to.

The maps of 2018 and those since 2021 hold the same numbers with different meanings, told apart by
`labels/drivable_encoding.py`. Both become the train ids 0 background, 1 direct, 2 alternative.
"""

from dataclasses import replace
from pathlib import Path

from segibn.data.datasets.bdd100k import WHERE, Layout, layouts_present, own_folder
from segibn.data.datasets.source import DatasetSource
from segibn.data.samples import Pairing
from segibn.errors import DatasetError
from segibn.labels.label_set import Label, LabelSet
from segibn.labels.schemes import on_nineteen

_BACKGROUND = Label("background", 0, 0, (0, 0, 0))
_DIRECT = Label("direct", 1, 1, (219, 94, 86))
_ALTERNATIVE = Label("alternative", 2, 2, (86, 211, 219))

DRIVABLE_2018 = LabelSet("bdd100k_drivable_2018", (_BACKGROUND, _DIRECT, _ALTERNATIVE))
DRIVABLE_2021 = LabelSet(
    "bdd100k_drivable_2021",
    (replace(_BACKGROUND, label_id=2), replace(_DIRECT, label_id=0), replace(_ALTERNATIVE, label_id=1)),
)


def _tables(own: LabelSet) -> dict[str, LabelSet]:
    """Its own classes, and the 19: all that is drivable is road; the background holds the rest."""
    road = on_nineteen(f"{own.name}_on_cityscapes19", own, {"road": ("direct", "alternative")})
    return {"drivable3": own, "cityscapes19": road}


_LAYOUTS = (
    Layout("2018", "images/100k/{split}", "drivable_maps/labels/{split}", "_drivable_id.png"),
    Layout("2021", "images/100k/{split}", "labels/drivable/masks/{split}", ".png"),
    Layout("2021", "images/100k/{split}", "labels/drivable/colormaps/{split}", ".png"),
)


def _find_one(root: Path, split: str, encoding: str) -> Pairing:
    """Pair the files of the release that ``encoding`` prefers where both are there."""
    root = own_folder(root)
    present = layouts_present(root, split, _LAYOUTS, SOURCE)
    if encoding == "auto" and len({layout.release for layout in present}) > 1:
        folders = " and ".join(layout.targets.format(split=split) for layout in present)
        raise DatasetError(
            f"{SOURCE.title}: {root} holds both releases ({folders}); say which to use: "
            "`encoding: '2018'` or `encoding: '2021'` in the config"
        )
    wanted = [layout for layout in present if layout.release == encoding] or present
    return SOURCE.pair(root, split, **wanted[0].places())


SOURCE = DatasetSource(
    name="bdd100k_drivable",
    title="BDD100K drivable area",
    layout="""
bdd100k/images/100k/{train,val,test}/<id>.jpg
bdd100k/drivable_maps/labels/{train,val}/<id>_drivable_id.png    (2018 release), or
bdd100k/labels/drivable/masks/{train,val}/<id>.png               (2021 release)
""",
    where=WHERE + "'100K Images' and 'Drivable Area' (2018: 'Drivable Maps'), unpacked into bdd100k/",
    subfolder="bdd100k",
    splits={"train": 70_000, "val": 10_000, "test": 20_000},
    unlabelled=("test",),
    find_one=_find_one,
    encodings={"2018": _tables(DRIVABLE_2018), "2021": _tables(DRIVABLE_2021)},
    partial=("cityscapes19",),
)
