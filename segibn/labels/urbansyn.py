"""UrbanSyn (Gomez et al., 2023): train ids, as the data set's card lists them.

The card names no value for pixels without a class. Users' loaders count twenty values, so 19 is
taken as ignored; and 255, as everywhere.
"""

from dataclasses import replace

from segibn.labels.label_set import IGNORE_INDEX, Label
from segibn.labels.nineteen import train_id_table

_TRAIN_IDS = train_id_table("urbansyn")

URBANSYN = replace(
    _TRAIN_IDS,
    labels=(*_TRAIN_IDS.labels, Label("no class", 19, IGNORE_INDEX, (0, 0, 0), "void")),
)
