"""Where predictions are counted depends on what is measured."""

from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from segibn.engine.scoring import _as_needed
from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.measure import Observer
from segibn.inference.predictor import confident_label_maps, device_label_maps, label_maps

NAMES = ("road", "car")


@pytest.mark.parametrize(
    ("device", "measures", "predicts"),
    [
        ("cuda", [], device_label_maps),
        ("cuda", [BoundaryIoU(NAMES)], label_maps),
        ("cuda", [Observer(mock.Mock())], label_maps),
        ("cuda", [BoundaryIoU(NAMES), Calibration(NAMES)], confident_label_maps),
        ("cpu", [], label_maps),
        ("cpu", [Calibration(NAMES)], confident_label_maps),
    ],
)
def test_label_maps_leave_a_gpu_only_where_a_measure_needs_them(device, measures, predicts):
    predictor = SimpleNamespace(device=torch.device(device), check_finite=mock.Mock())
    predict, count = _as_needed(predictor, measures)
    assert predict.func is predicts
    assert (count is count_classes) == (predicts is not device_label_maps)
