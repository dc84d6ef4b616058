import copy

import numpy as np
import pytest
import torch

from segibn.errors import ConfigError, SegibnError
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, confident_label_maps, count_on_device, device_label_maps, label_maps
from segibn.models.heads.fcn import FCNHead
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), output_stride=8)
    model = Segmenter(backbone, FCNHead(backbone.feature_specs, 4, channels=16)).eval()
    torch.nn.init.normal_(model.head.classifier.weight)  # a fresh classifier is undecided
    return model


@pytest.fixture(scope="module")
def image():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((13, 13, 1), np.uint8))  # 65 x 91


def _as_tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def test_a_whole_frame_is_what_the_segmenter_predicts(segmenter, image):
    expected = segmenter.predict(_as_tensor(image))[0].numpy()
    pred = Predictor(segmenter)(image)
    assert pred.dtype == np.uint8
    np.testing.assert_array_equal(pred, expected)
    assert len(np.unique(pred)) > 1


def _counted(predictor, images):
    """Label maps that are looked at only where they are counted."""
    zeros = np.zeros(images[0].shape[:2], np.uint8)
    return count_on_device(zeros, device_label_maps(predictor, images)[0], 4, predictor.check_finite)


@pytest.mark.parametrize("maps_of", [label_maps, confident_label_maps, _counted])
@pytest.mark.parametrize("options", [{}, {"flip": True}, {"window": (32, 32)}])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_an_error_and_no_class(segmenter, image, maps_of, options, value):
    broken = copy.deepcopy(segmenter)
    torch.nn.init.constant_(broken.head.classifier.bias[2:3], value)
    predictor = Predictor(broken, options=InferenceOptions(**options))
    with pytest.raises(SegibnError, match=r"logits are NaN or infinite at 5,915 pixels: .*earlier"):
        maps_of(predictor, [image])


def test_read_only_frames_are_accepted_and_left_alone(segmenter, image):
    frozen = image.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(Predictor(segmenter)(frozen), Predictor(segmenter)(image))
    np.testing.assert_array_equal(frozen, image)


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_rgb_frame_is_refused(segmenter, frame):
    with pytest.raises(ValueError, match="uint8 RGB"):
        Predictor(segmenter)(frame)


def test_label_maps_come_at_frame_size_whatever_the_network_sees(segmenter, image):
    for options in (
        InferenceOptions(input_size=(32, 48)),
        InferenceOptions(input_height=40),
        InferenceOptions(window=(32, 32)),
        InferenceOptions(scales=(0.5, 1.5), flip=True),
        InferenceOptions(precision="bfloat16"),
    ):
        assert Predictor(segmenter, options=options)(image).shape == image.shape[:2]


def test_input_height_keeps_the_proportions():
    assert InferenceOptions(input_height=360).size_for((720, 1280)) == (360, 640)


def test_one_window_over_the_whole_frame_equals_the_whole(segmenter, image):
    whole = Predictor(segmenter)(image)
    for window in (image.shape[:2], (1000, 1000)):
        slid = Predictor(segmenter, options=InferenceOptions(window=window))(image)
        np.testing.assert_array_equal(slid, whole)


def test_windows_average_their_logits(segmenter, image):
    """Against a plain loop in full memory."""
    window, stride = (40, 64), (25, 27)
    x = segmenter.normalize(_as_tensor(image))
    total, counts = torch.zeros(1, 4, 65, 91), torch.zeros(65, 91)
    with torch.inference_mode():
        for top in (0, 25):
            for left in (0, 27):
                rows, columns = slice(top, top + 40), slice(left, left + 64)
                total[..., rows, columns] += segmenter(x[..., rows, columns]).logits
                counts[rows, columns] += 1
    assert counts.min() == 1
    expected = (total / counts).argmax(1)[0].numpy()
    pred = Predictor(segmenter, options=InferenceOptions(window=window, stride=stride))(image)
    assert (pred == expected).mean() > 0.999


def test_flip_makes_mirrored_frames_give_mirrored_maps(segmenter, image):
    predict = Predictor(segmenter, options=InferenceOptions(flip=True))
    mirrored = np.ascontiguousarray(image[:, ::-1])
    assert (predict(mirrored)[:, ::-1] == predict(image)).mean() > 0.995


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": ()}, "scales"),
        ({"scales": (0.0,)}, "scales"),
        ({"stride": (8, 8)}, "without a window"),
        ({"window": (8, 8), "stride": (9, 8)}, "seen by none"),
        ({"window": (8, 0)}, "above 0"),
        ({"window": (8, 8), "blending": "linear"}, "flat, gaussian"),
        ({"blending": "gaussian"}, "needs a window"),
        ({"batch_size": 0}, "batch_size"),
        ({"precision": "float8"}, "precision"),
        ({"input_size": (8, 8), "input_height": 8}, "not both"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        InferenceOptions(**options)


def test_float16_is_refused_on_the_cpu(segmenter):
    with pytest.raises(ConfigError, match="CUDA"):
        Predictor(segmenter, "cpu", InferenceOptions(precision="float16"))
