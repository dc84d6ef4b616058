"""Catalog: the formats by the names that the command line uses."""

from segibn.submission.bdd100k import DRIVABLE, SEMANTIC
from segibn.submission.cityscapes import CITYSCAPES_PIXELS
from segibn.submission.format import Format
from segibn.submission.wad import WAD

FORMATS: dict[str, Format] = {
    "wad": WAD,
    "bdd100k_drivable": DRIVABLE,
    "bdd100k_semseg": SEMANTIC,
    "cityscapes": CITYSCAPES_PIXELS,
}
