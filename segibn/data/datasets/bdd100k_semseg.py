"""BDD100K semantic segmentation (10k frames), whose maps hold Cityscapes' train ids.

The split ``night`` is BDD100K-night (Sakaridis et al.): night frames of train and val whose labels
are right, as those of many are not. It is not for networks that were trained on ``train``.
"""

from dataclasses import replace
from pathlib import Path

from segibn.data.datasets.bdd100k import WHERE, Layout, layouts_present, own_folder
from segibn.data.datasets.shipped_lists import read_names
from segibn.data.datasets.source import DatasetSource
from segibn.data.samples import Pairing, join_splits
from segibn.labels.schemes import on_schemes, train_id_table

SEMSEG = train_id_table("bdd100k_semseg")

_LAYOUTS = (
    Layout("2021", "images/10k/{split}", "labels/sem_seg/masks/{split}", ".png"),
    Layout("2021", "images/10k/{split}", "labels/sem_seg/colormaps/{split}", ".png"),
    Layout("2018", "seg/images/{split}", "seg/labels/{split}", "_train_id.png"),
)


def _find_one(root: Path, split: str) -> Pairing:
    own = own_folder(root)
    if split != "night":
        layout, *_ = layouts_present(own, split, _LAYOUTS, SOURCE)
        return SOURCE.pair(own, split, **layout.places())
    labelled = [
        part
        for part in ("train", "val")
        if any((own / layout.images.format(split=part)).is_dir() for layout in _LAYOUTS)
    ]
    whole = join_splits("+".join(labelled or ["train"]), lambda part: _find_one(root, part))
    names = read_names("bdd100k_night.txt")
    return replace(whole.keep(names.__contains__), official_count=len(names))


SOURCE = DatasetSource(
    name="bdd100k_semseg",
    title="BDD100K semantic segmentation",
    layout="""
bdd100k/images/10k/{train,val,test}/<id>.jpg                     (2021 release) with
bdd100k/labels/sem_seg/{masks or colormaps}/{train,val}/<id>.png, or
bdd100k/seg/images/{train,val,test}/<id>.jpg                     (2018 release) with
bdd100k/seg/labels/{train,val}/<id>_train_id.png
""",
    where=WHERE + "'10K Images' and 'Segmentation', unpacked into bdd100k/",
    subfolder="bdd100k",
    splits={"train": 7_000, "val": 1_000, "test": 2_000, "night": 87},
    unlabelled=("test",),
    overlapping=("night",),
    find_one=_find_one,
    tables=on_schemes(SEMSEG),
)
