from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, confident_label_maps, label_maps
from segibn.models.heads.fcn import FCNHead
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), output_stride=8)
    model = Segmenter(backbone, FCNHead(backbone.feature_specs, 4, channels=16)).eval()
    torch.nn.init.normal_(model.head.classifier.weight)
    return model


@pytest.fixture(scope="module")
def image():
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((13, 13, 1), np.uint8))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"input_size": (40, 50)},
        {"input_height": 20},
        {"window": (32, 32)},
        {"scales": (0.5, 1.0), "flip": True},
        {"window": (32, 32), "flip": True},
    ],
    ids=["whole", "resized", "shrunk", "window", "views", "windows-and-views"],
)
def test_label_maps_are_those_without_confidence(segmenter, image, options):
    options = InferenceOptions(**options)
    pred, confidence = confident_label_maps(Predictor(segmenter, options=options), [image])[0]
    np.testing.assert_array_equal(pred, Predictor(segmenter, options=options)(image))
    assert confidence.shape == pred.shape
    assert 0.25 - 1e-6 <= confidence.min() < confidence.max() <= 1


def test_confidence_is_the_softmax_of_the_full_size_logits(segmenter, image):
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = segmenter(segmenter.normalize(pixels)).logits
    expected = logits.softmax(1).amax(1)[0].numpy()
    np.testing.assert_allclose(confident_label_maps(Predictor(segmenter), [image])[0][1], expected, atol=5e-6)


def test_confidence_of_several_views_is_their_mean(segmenter, image):
    pixels = segmenter.normalize(torch.from_numpy(image).permute(2, 0, 1)[None])
    with torch.inference_mode():
        views = [segmenter(pixels), segmenter(pixels.flip(-1))]
    sheets = [views[0].logits.softmax(1), views[1].logits.flip(-1).softmax(1)]
    expected = (sum(sheets) / 2).amax(1)[0].numpy()
    options = InferenceOptions(flip=True)
    found = confident_label_maps(Predictor(segmenter, options=options), [image])[0][1]
    np.testing.assert_allclose(found, expected, atol=5e-6)
    assert not np.allclose(expected, F.softmax(views[0].logits, 1).amax(1)[0].numpy(), atol=1e-3)


def test_batches_and_ensembles_keep_their_label_maps(segmenter, image):
    options = InferenceOptions(batch_size=2)
    networks, frames = (segmenter, deepcopy(segmenter)), [image, image[:, ::-1]]
    torch.nn.init.normal_(networks[1].head.classifier.weight)
    found = confident_label_maps(Predictor(networks, options=options), frames)
    expected = label_maps(Predictor(networks, options=options), frames)
    for (pred, confidence), alone in zip(found, expected, strict=True):
        np.testing.assert_array_equal(pred, alone)
        assert 0.25 - 1e-6 <= confidence.min() < confidence.max() <= 1
