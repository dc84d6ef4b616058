"""BDD100K as its toolkit evaluates it since 2021: masks named like the images, or run-length JSON.

Drivable area has 0 direct, 1 alternative, 2 background; semantic segmentation has the 19 train ids.
``bdd100k.eval.run`` matches files by their stem, so any suffix makes a map invisible; a frame
without a map scores as all ignored, and so does every value beyond the classes. It takes a folder
of PNGs as masks and a ``.json`` as run lengths; the servers took masks only.
"""

import gzip
import re
from importlib import resources

from segibn.labels.bdd100k import DRIVABLE_2021, SEMSEG
from segibn.submission.format import Format
from segibn.text import list_entries

ID = r"[0-9a-f]{8}-[0-9a-f]{8}"
ID_FORM = "a BDD100K id: 8 hex digits, '-', 8 hex digits"
SIZE = (720, 1280)

IMAGE_NAME = re.compile(rf"({ID})\.(?i:jpe?g|png)")


def official_test_ids() -> list[str]:
    """Return the 20,000 ids of the test frames of ``images/100k``, in the official order."""
    packed = resources.files("segibn.submission") / "lists" / "bdd100k_100k_test_ids.txt.gz"
    text = gzip.decompress(packed.read_bytes()).decode()
    return list_entries(text)


DRIVABLE = Format(
    name="bdd100k_drivable",
    title="BDD100K drivable area",
    labels=DRIVABLE_2021,
    size=SIZE,
    num_frames=20_000,
    member="{key}.png",
    member_name=re.compile(rf"({ID})\.png"),
    image_name=IMAGE_NAME,
    key_form=ID_FORM,
    ids=official_test_ids,
    missing_is_void=True,
    one_folder=True,
    has_rle=True,
)

SEMANTIC = Format(
    name="bdd100k_semseg",
    title="BDD100K semantic segmentation",
    labels=SEMSEG,
    size=SIZE,
    num_frames=2_000,
    member="{key}.png",
    member_name=re.compile(rf"({ID})\.png"),
    image_name=IMAGE_NAME,
    key_form=ID_FORM,
    missing_is_void=True,
    one_folder=True,
    has_rle=True,
)
