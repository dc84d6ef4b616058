"""What benchmarks want to be sent: names, values and sizes of label maps; `FORMATS` lists them.

A *key* names a frame as the benchmark's evaluator does (a BDD100K id, a Cityscapes
``<city>_<sequence>_<frame>``); sizes are (H, W).
"""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import numpy as np

from segibn.data.datasets.bdd100k_drivable import DRIVABLE_2018, DRIVABLE_2021
from segibn.data.datasets.bdd100k_semseg import SEMSEG
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.text import list_entries

Size = tuple[int, int]


@dataclass(frozen=True)
class Format:
    """A benchmark's format and what its public evaluator makes of a file."""

    name: str
    title: str
    labels: LabelSet  #: the table that writes train ids as the values in the files
    size: Size  #: of every official test frame
    num_frames: int  #: in the official test set
    member: str  #: name of a frame's file, with {key}
    member_name: re.Pattern[str]  #: base names that the evaluator takes for a map; group 1: the key
    image_name: re.Pattern[str]  #: names of test frames; group 1 is the key
    key_form: str  #: how keys read, in words
    targets: str = "train_ids"  #: which of a frame's label maps counts, see matching.ENCODINGS
    ids: Callable[[], list[str]] | None = None  #: of the test set; None where no list is published
    missing_is_void: bool = False  #: a frame without a map is all void; else the evaluator stops
    one_folder: bool = False  #: all maps lie in one folder of the zip
    has_rle: bool = False  #: run-length JSON is read as well

    @property
    def is_drivable(self) -> bool:
        """Whether the classes are background, direct and alternative."""
        return self.labels.num_classes == 3

    @cached_property
    def knows(self) -> np.ndarray:
        """(256,) bool: values that a map may hold."""
        return self.labels.lookup >= 0

    @cached_property
    def is_void(self) -> np.ndarray:
        """(256,) bool: values that are allowed, but wrong on every labelled pixel."""
        return self.labels.lookup == IGNORE_INDEX

    def key_of_member(self, base_name: str) -> str | None:
        """Return the frame that a file belongs to; None for a name that the evaluator ignores."""
        return found[1] if (found := self.member_name.fullmatch(base_name)) else None

    def key_of_image(self, file_name: str) -> str | None:
        """Return the key of a test frame; None if it is not named as the benchmark's frames."""
        return found[1] if (found := self.image_name.fullmatch(file_name)) else None


def official_bdd100k_ids() -> list[str]:
    """Return the 20,000 ids of the test frames of ``images/100k``, in the official order."""
    packed = resources.files("segibn.submission") / "lists" / "bdd100k_100k_test_ids.txt.gz"
    return list_entries(gzip.decompress(packed.read_bytes()).decode())


_BDD_ID = r"[0-9a-f]{8}-[0-9a-f]{8}"
_BDD = {
    "size": (720, 1280),
    "image_name": re.compile(rf"({_BDD_ID})\.(?i:jpe?g|png)"),
    "key_form": "a BDD100K id: 8 hex digits, '-', 8 hex digits",
}

# The challenge's public evaluator (``evaluate.py`` of bdd-data, 2018) searches all subfolders for
# PNGs, takes the first 17 characters of a name for the id, and lets a later file of the same id
# replace an earlier one silently. The layout that the portal wanted is not documented any more; a
# flat zip of ``<id>_drivable_id.png`` is what the sister contest AI Challenger 2018 took.
_WAD = Format(
    **_BDD,
    name="wad",
    title="WAD 2018 drivable area",
    labels=DRIVABLE_2018,
    num_frames=20_000,
    ids=official_bdd100k_ids,
    member="{key}_drivable_id.png",
    member_name=re.compile(rf"({_BDD_ID})(?:[^0-9a-f].*)?\.png"),
)

# ``bdd100k.eval.run`` of the toolkit (2021) matches files by their stem, so any suffix makes a map invisible; a frame
# without a map scores as all ignored, and so does every value beyond the classes. It takes a folder of PNGs as masks
# and a ``.json`` as run lengths; the servers took masks only.
_TOOLKIT = {
    **_BDD,
    "member": "{key}.png",
    "member_name": re.compile(rf"({_BDD_ID})\.png"),
    "missing_is_void": True,
    "one_folder": True,
    "has_rle": True,
}
_BDD_DRIVABLE = Format(
    name="bdd100k_drivable",
    title="BDD100K drivable area",
    labels=DRIVABLE_2021,
    num_frames=20_000,
    ids=official_bdd100k_ids,
    **_TOOLKIT,
)
_BDD_SEMANTIC = Format(
    name="bdd100k_semseg", title="BDD100K semantic segmentation", labels=SEMSEG, num_frames=2_000, **_TOOLKIT
)

# ``evalPixelLevelSemanticLabeling.py`` of cityscapesScripts searches all subfolders for the one
# file named ``<city>_<sequence>_<frame>*.png``, and stops at none or two. Values are label ids, not
# train ids; an ignored one is allowed and wrong on every labelled pixel.
_CITY_KEY = r"[^\W_]+(?:-[^\W_]+)*_\d{6}_\d{6}"
_CITYSCAPES = Format(
    name="cityscapes",
    title="Cityscapes pixel-level semantic labelling",
    labels=CITYSCAPES,
    size=(1024, 2048),
    num_frames=1525,
    member="{key}_labelIds.png",
    member_name=re.compile(rf"({_CITY_KEY})(?:\D.*)?\.png"),
    image_name=re.compile(rf"({_CITY_KEY})(?:_leftImg8bit)?\.(?i:png|jpe?g)"),
    key_form="<city>_<6 digits>_<6 digits>",
    targets="label_ids",
)

#: By the names that the command line uses.
FORMATS = {form.name: form for form in (_WAD, _BDD_DRIVABLE, _BDD_SEMANTIC, _CITYSCAPES)}
