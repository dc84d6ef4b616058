import functools

import numpy as np
import pytest
import torch

from segibn.evaluation.confusion import count_classes
from segibn.evaluation.evaluate import ScoreTally, evaluate
from segibn.evaluation.scores import Conditions
from segibn.inference.predictor import Predictor, count_on_device, device_label_maps, label_maps
from segibn.models.heads.fcn import FCNHead
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter

K = 5
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([*range(K), 255], np.uint8)
    rng = np.random.default_rng(seed)
    return rng.choice(values, (31, 47)), rng.choice(values, (31, 47))


@pytest.mark.parametrize("device", DEVICES)
def test_counts_are_those_of_the_host(device: str):
    for seed in range(3):
        target, pred = random_pair(seed)
        found = count_on_device(target, torch.from_numpy(pred).to(device), K)
        np.testing.assert_array_equal(found, count_classes(target, pred, K))
        assert found.dtype == np.int64


def test_more_pixels_than_float32_can_count_stay_exact():
    target = np.zeros((4097, 4098), np.uint8)
    target[-1, -1] = 3
    found = count_on_device(target, torch.zeros(target.shape, dtype=torch.uint8), K)
    assert found[0, 0] == target.size - 1
    assert found[3, 0] == 1


@pytest.mark.parametrize("which", ["target", "pred"])
def test_values_that_are_no_class_are_named(which: str):
    maps = dict(zip(("target", "pred"), random_pair(0), strict=True))
    maps[which][0, 0] = 77
    with pytest.raises(ValueError, match=rf"{which} holds values outside 0\.\.4 and 255: 77"):
        count_on_device(maps["target"], torch.from_numpy(maps["pred"]), K)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"target is \(31, 47\) but pred is \(31, 46\)"):
        count_on_device(random_pair(0)[0], torch.from_numpy(random_pair(0)[1][:, :-1].copy()), K)


@pytest.mark.parametrize("device", DEVICES)
def test_scores_counted_on_the_device_are_those_counted_on_the_host(device: str):
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), output_stride=8)
    model = Segmenter(backbone, FCNHead(backbone.feature_specs, K, channels=16)).to(device)
    torch.nn.init.normal_(model.head.classifier.weight)
    rng = np.random.default_rng(0)
    frames = [(f"f{n}", rng.integers(0, 256, (31, 47, 3), np.uint8), random_pair(n)[0]) for n in range(3)]
    names = tuple("abcde")
    found = []
    predictor = Predictor(model)
    for maps_of, count in ((label_maps, count_classes), (device_label_maps, count_on_device)):
        tally = ScoreTally(names, Conditions("toy"), ["f0", "f1", "f2"], count)
        predict = functools.partial(maps_of, predictor)
        found.append(evaluate(predict, frames, [tally])[0].to_dict())
    assert found[0] == found[1]
    assert len(found[0]["frame_counts"]["frames"]) == 3
