"""Cityscapes pixel-level semantic labelling: label ids (not train ids) of the 1525 test frames.

``evalPixelLevelSemanticLabeling.py`` of cityscapesScripts looks in all subfolders for the one file
that is named ``<city>_<sequence>_<frame>*.png``, and stops at none or two. Predicting one of the
ignored label ids is allowed and wrong on every labelled pixel.
"""

import re

from segibn.labels.cityscapes import CITYSCAPES
from segibn.submission.format import Format

_KEY = r"[^\W_]+(?:-[^\W_]+)*_\d{6}_\d{6}"

CITYSCAPES_PIXELS = Format(
    name="cityscapes",
    title="Cityscapes pixel-level semantic labelling",
    labels=CITYSCAPES,
    size=(1024, 2048),
    num_frames=1525,
    member="{key}_labelIds.png",
    member_name=re.compile(rf"({_KEY})(?:\D.*)?\.png"),
    image_name=re.compile(rf"({_KEY})(?:_leftImg8bit)?\.(?i:png|jpe?g)"),
    key_form="<city>_<6 digits>_<6 digits>",
    targets="label_ids",
)
