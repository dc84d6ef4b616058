"""Nighttime Driving (Dai and Van Gool, ITSC 2018): 50 frames, ``0_frame_0205``, coarse labels."""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.schemes import on_schemes, train_id_table

SOURCE = DatasetSource(
    name="nighttime_driving",
    title="Nighttime Driving",
    layout="""
nighttime_driving/leftImg8bit/test/night/<frame>_leftImg8bit.png
nighttime_driving/gtCoarse_daytime_trainvaltest/test/night/<frame>_gtCoarse_labelTrainIds.png
""",
    where="http://data.vision.ee.ethz.ch/daid/NighttimeDriving/NighttimeDrivingTest.zip , whose "
    "folder is renamed to nighttime_driving/",
    splits={"test": 50},
    images=Place("leftImg8bit/{split}", "_leftImg8bit.png"),
    targets=Place("gtCoarse_daytime_trainvaltest/{split}", "_gtCoarse_labelTrainIds.png"),
    tables=on_schemes(train_id_table("nighttime_driving")),
    scored_as=CITYSCAPES,
)
