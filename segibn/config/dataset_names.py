"""Names of the data sets, as configs and the command line write them. Standard library only."""

from typing import Literal, get_args

DatasetName = Literal[
    "cityscapes",
    "gta5",
    "bdd100k_semseg",
    "bdd100k_drivable",
    "camvid",
    "mapillary",
    "synthia",
    "acdc",
    "dark_zurich",
    "nighttime_driving",
    "idd",
    "foggy_cityscapes",
    "wilddash2",
    "kitti",
    "urbansyn",
    "folder",
]

OFFICIAL: tuple[str, ...] = tuple(name for name in get_args(DatasetName) if name != "folder")
"""Those with a layout of their own, which need no config to describe them."""
