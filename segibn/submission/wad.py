"""WAD 2018 drivable area: a single-channel 8-bit PNG for each of BDD100K's 20,000 test frames.

Values are those of the 2018 release: 0 background, 1 direct, 2 alternative. The challenge's public
evaluator (``evaluate.py`` of bdd-data, 2018) looks for PNGs in all subfolders, takes the first 17
characters of a file name for the id, and lets a later file of the same id replace an earlier one
silently. How the portal wanted the zip to be laid out is not documented any more; a flat one with
``<id>_drivable_id.png`` is what the sister contest AI Challenger 2018 took.
"""

import re

from segibn.labels.bdd100k import DRIVABLE_2018
from segibn.submission.bdd100k import ID, ID_FORM, IMAGE_NAME, SIZE, official_test_ids
from segibn.submission.format import Format

WAD = Format(
    name="wad",
    title="WAD 2018 drivable area",
    labels=DRIVABLE_2018,
    size=SIZE,
    num_frames=20_000,
    member="{key}_drivable_id.png",
    member_name=re.compile(rf"({ID})(?:[^0-9a-f].*)?\.png"),
    image_name=IMAGE_NAME,
    key_form=ID_FORM,
    ids=official_test_ids,
)
