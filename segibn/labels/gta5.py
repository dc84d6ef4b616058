"""GTA5 (Playing for Data, Richter et al., ECCV 2016): Cityscapes' table, as palette indices.

The one difference: license plates are drawn, with value 34, where Cityscapes leaves them out.
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
