"""Data room: the index of Nighttime Driving (Dai and Van Gool, ITSC 2018), its 50 test frames.

In: the folder ``nighttime_driving``. Out: samples named ``0_frame_0205``. The labels are coarse
ones, drawn as in Cityscapes' gtCoarse.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits

SOURCE = Source(
    title="Nighttime Driving",
    layout="""
nighttime_driving/leftImg8bit/test/night/<frame>_leftImg8bit.png
nighttime_driving/gtCoarse_daytime_trainvaltest/test/night/<frame>_gtCoarse_labelTrainIds.png
""",
    where="http://data.vision.ee.ethz.ch/daid/NighttimeDriving/NighttimeDrivingTest.zip , whose "
    "folder is renamed to nighttime_driving/",
    official_counts={"test": 50},
)
SPLITS = ("test",)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    return pair_folders(
        SOURCE,
        Place(root / "leftImg8bit" / split, "_leftImg8bit.png"),
        Place(root / "gtCoarse_daytime_trainvaltest" / split, "_gtCoarse_labelTrainIds.png"),
        SOURCE.official_counts[split],
    )
