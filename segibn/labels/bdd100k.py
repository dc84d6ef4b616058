"""BDD100K: semantic segmentation (10k frames), and drivable area in its two encodings.

The semantic maps already hold Cityscapes train ids. (BDD100K's own table of 41 label ids has
another order than Cityscapes' and never appears in the released maps.)

The drivable maps of the 2018 release and those since 2021 hold the same three numbers with
different meanings, in files of the same kind. Whoever reads them has to know which; both tables
map to the train ids 0 background, 1 direct, 2 alternative (the order of 2018).
"""

from dataclasses import replace

from segibn.labels.label_set import Label, LabelSet
from segibn.labels.nineteen import train_id_table

SEMSEG = train_id_table("bdd100k_semseg")

_BACKGROUND = Label("background", 0, 0, (0, 0, 0))
_DIRECT = Label("direct", 1, 1, (219, 94, 86))  # the lane the car is in
_ALTERNATIVE = Label("alternative", 2, 2, (86, 211, 219))  # a lane it could change to

DRIVABLE_2018 = LabelSet("bdd100k_drivable_2018", (_BACKGROUND, _DIRECT, _ALTERNATIVE))

DRIVABLE_2021 = LabelSet(
    "bdd100k_drivable_2021",
    (
        replace(_BACKGROUND, label_id=2),
        replace(_DIRECT, label_id=0),
        replace(_ALTERNATIVE, label_id=1),
    ),
)
