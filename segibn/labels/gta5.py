"""GTA5 (Playing for Data, Richter et al., ECCV 2016): Cityscapes' table, as palette indices.

The one difference: license plates are drawn, with value 34, where Cityscapes leaves them out.

RobustNet reads the files by colour, and so reads two values that the official table ignores:
license plates have the colour of cars, groups of poles that of poles
(github.com/shachoi/RobustNet, datasets/gtav.py).
"""

from dataclasses import replace

from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet

_LICENSE_PLATE_ID = 34

GTA5 = LabelSet(
    "gta5",
    tuple(
        replace(label, label_id=_LICENSE_PLATE_ID) if label.name == "license plate" else label
        for label in CITYSCAPES.labels
    ),
)

_READ_AS = {"license plate": "car", "polegroup": "pole"}
_TRAIN_IDS = {name: i for i, name in enumerate(GTA5.class_names)}
GTA5_ROBUSTNET = LabelSet(
    "gta5_robustnet",
    tuple(
        replace(label, train_id=_TRAIN_IDS[_READ_AS[label.name]])
        if label.name in _READ_AS
        else label
        for label in GTA5.labels
    ),
)
