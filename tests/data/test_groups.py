"""A coarser set's classes as groups of the classes in training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.builders.sets import training_sets
from segibn.config.schema import RunConfig
from segibn.data.datasets.idd_lite import IDD7
from segibn.errors import ConfigError
from segibn.files.encode import write_image, write_label_png
from segibn.labels.cityscapes import CITYSCAPES

Maker = Callable[..., Path]


def _config(*mix: dict) -> RunConfig:
    return RunConfig.model_validate({"name": "x", "data": {"train": {"name": "cityscapes"}, "mix": mix}})


def test_the_seven_classes_of_idd_lite_are_groups_of_the_nineteen(
    root: Path, make_cityscapes: Maker, make_camvid: Maker
) -> None:
    make_cityscapes(count=2)
    values = np.array([[0, 1, 2, 3, 4, 5, 6, 255]], np.uint8).repeat(4, 0)
    write_image(root / "idd_lite/leftImg8bit/train/1/a_image.jpg", np.zeros((4, 8, 3), np.uint8))
    write_label_png(root / "idd_lite/gtFine/train/1/a_label.png", values)
    mix = {"dataset": {"name": "idd_lite"}, "share": 0.5}
    plain = training_sets(_config(mix).data, root)[1].label_set
    told = training_sets(_config({**mix, "groups": True}).data, root)[1].label_set
    assert plain.to_train_ids(values)[0].tolist() == [0, 255, 255, 255, 255, 255, 10, 255]
    assert told.to_train_ids(values)[0].tolist() == [0, 200, 201, 202, 203, 204, 10, 255]
    assert told.groups == tuple(spec.members for spec in IDD7 if len(spec.members) > 1)
    turned = told.in_order(tuple(reversed(CITYSCAPES.class_names)))
    assert turned.to_train_ids(values)[0].tolist() == [18, 200, 201, 202, 203, 204, 8, 255]
    assert turned.groups == told.groups


def test_groups_of_a_set_that_tells_none_are_refused(root: Path, make_cityscapes: Maker, make_camvid: Maker) -> None:
    make_cityscapes(count=2)
    make_camvid(count=2)
    with pytest.raises(ConfigError, match=r"data\.mix\.\*\.groups: camvid tells no groups"):
        training_sets(_config({"dataset": {"name": "camvid"}, "share": 0.5, "groups": True}).data, root)
