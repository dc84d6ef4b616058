"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016): frames named by seven digits, ``0000001``.

The label files are RGB PNGs of 16 bits, the class in the first channel. There is no official split:
``train`` and ``val`` are RobustNet's (Choi et al., CVPR 2021), as is the table of values.
"""

from pathlib import Path

from segibn.data.datasets.shipped_lists import read_ranges
from segibn.data.datasets.source import DatasetSource, Place
from segibn.data.samples import Pairing
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet
from segibn.labels.schemes import nineteen_label, on_schemes

# fmt: off
_ROWS = (
    # name            id  class of the 19, or none
    ("void",           0, None),
    ("sky",            1, "sky"),
    ("building",       2, "building"),
    ("road",           3, "road"),
    ("sidewalk",       4, "sidewalk"),
    ("fence",          5, "fence"),
    ("vegetation",     6, "vegetation"),
    ("pole",           7, "pole"),
    ("car",            8, "car"),
    ("traffic sign",   9, "traffic sign"),
    ("pedestrian",    10, "person"),
    ("bicycle",       11, "bicycle"),
    ("motorcycle",    12, "motorcycle"),
    ("parking slot",  13, None),
    ("road work",     14, None),
    ("traffic light", 15, "traffic light"),
    ("terrain",       16, "terrain"),
    ("rider",         17, "rider"),
    ("truck",         18, "truck"),
    ("bus",           19, "bus"),
    ("train",         20, "train"),
    ("wall",          21, "wall"),
    ("lane marking",  22, None),
)
# fmt: on

_LABELS = tuple(nineteen_label(*row) for row in _ROWS)
_TABLE = LabelSet("synthia", _LABELS, CITYSCAPES.classes, storage="red16")
_UNPACKED = "RAND_CITYSCAPES"


def _find_one(root: Path, split: str) -> Pairing:
    if (root / _UNPACKED).is_dir() and not (root / "RGB").is_dir():
        root /= _UNPACKED
    pairing = SOURCE.pair(root, split)
    if split == "all":
        return pairing
    held_out = read_ranges("synthia_val.txt")["val"]
    is_val = split == "val"
    return pairing.keep(lambda name: (name.isdecimal() and int(name) in held_out) == is_val)


SOURCE = DatasetSource(
    name="synthia",
    title="SYNTHIA-RAND-CITYSCAPES",
    layout="""
synthia/RGB/0000000.png ... 0009399.png
synthia/GT/LABELS/0000000.png ... 0009399.png    (16-bit RGB PNG, class in the first channel)
""",
    where="https://synthia-dataset.net/downloads/ (non-commercial use): the set "
    "SYNTHIA-RAND-CITYSCAPES, whose folder RAND_CITYSCAPES is renamed to synthia/, or put into it",
    splits={"train": 6_580, "val": 2_820, "all": 9_400},
    overlapping=("all",),
    images=Place("RGB", ".png"),
    targets=Place("GT/LABELS", ".png"),
    find_one=_find_one,
    tables=on_schemes(_TABLE),
)
