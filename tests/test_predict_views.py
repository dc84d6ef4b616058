"""Windows, scales, mirror images, ensembles and batches, against plain code in full memory."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segibn.errors import ConfigError
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, label_maps
from segibn.models.backbones import build_backbone
from segibn.models.heads.fcn import FCNHead
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

K = 4


def make_segmenter(seed, ibn="a", align_corners=False):
    torch.manual_seed(seed)
    backbone = build_backbone("resnet18", ibn, 16)
    head = FCNHead(backbone.feature_specs, K, channels=16)
    model = Segmenter(backbone, head, align_corners=align_corners).eval()
    torch.nn.init.normal_(model.head.classifier.weight, std=0.05)  # else each view is sure
    return model


@pytest.fixture(scope="module")
def segmenter():
    """Return a network with instance norm, whose answer depends on all that is in its view."""
    return make_segmenter(0)


@pytest.fixture(scope="module")
def other():
    return make_segmenter(1, "none")


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 6, 9, 3), dtype=np.uint8)
    return [np.kron(one, np.ones((13, 11, 1), np.uint8)) for one in coarse]  # 78 x 99


def normalized(image):
    """(H, W, 3) uint8 -> (1, 3, H, W), in NumPy."""
    scaled = (image.astype(np.float64) - PIXEL_MEAN) / PIXEL_STD
    return torch.from_numpy(scaled.transpose(2, 0, 1)[None]).float()


@torch.inference_mode()
def mean_probabilities(networks, image, scales, flip, window_of=None):
    """Return (K, H, W) of every view resized to the frame, softmax and mean in full memory."""
    size, looks = image.shape[:2], []
    for network, scale, mirrored in itertools.product(networks, scales, {False, flip}):
        view = tuple(round(side * scale) for side in size)
        x = F.interpolate(normalized(image), view, mode="bilinear", align_corners=False)
        x = torch.flip(x, (3,)) if mirrored else x
        logits = window_of(network, x) if window_of else network.coarse_logits(x)
        logits = torch.flip(logits, (3,)) if mirrored else logits
        full = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        looks.append(torch.exp(full) / torch.exp(full).sum(1, keepdim=True))
    return (sum(looks) / len(looks))[0]


def slid(window, stride, blending):
    """Return a function (network, x) -> logits of x by windows, each pixel weighed in NumPy."""

    def weights(side):
        if blending == "flat":
            return np.ones(side)
        middle, sigma = (side - 1) / 2, side / 8
        return np.array([math.exp(-((i - middle) ** 2) / (2 * sigma**2)) for i in range(side)])

    def starts(length, side, step):
        places = list(range(0, max(1, length - side + step), step))
        return [min(place, max(0, length - side)) for place in places]

    def logits_of(network, x):
        total, norm = 0, 0
        for top in starts(x.shape[2], window[0], stride[0]):
            for left in starts(x.shape[3], window[1], stride[1]):
                part = x[:, :, top : top + window[0], left : left + window[1]]
                logits = F.interpolate(network.coarse_logits(part), part.shape[2:], mode="bilinear")
                share = torch.from_numpy(np.outer(*map(weights, part.shape[2:]))).float()
                around = (left, x.shape[3] - left - part.shape[3])
                around += (top, x.shape[2] - top - part.shape[2])
                total = total + F.pad(logits * share, around)
                norm = norm + F.pad(share, around)
        return total / norm

    return logits_of


def assert_best(pred, probabilities, margin=1e-4):
    """Every pixel whose best class leads by more than rounding could change must have it."""
    best = probabilities.topk(2, dim=0).values
    sure = (best[0] - best[1] > margin).numpy()
    assert sure.mean() > 0.99
    assert len(np.unique(pred)) > 1
    np.testing.assert_array_equal(pred[sure], probabilities.argmax(0).numpy()[sure])


@pytest.mark.parametrize(("scales", "flip"), [((1.0,), True), ((0.5, 1.0, 1.75), False), ((0.75, 1.25), True)])
def test_scales_and_mirror_images_average_their_probabilities(segmenter, images, scales, flip):
    pred = Predictor(segmenter, options=InferenceOptions(scales=scales, flip=flip))(images[0])
    assert_best(pred, mean_probabilities([segmenter], images[0], scales, flip))


@pytest.mark.parametrize("blending", ["flat", "gaussian"])
@pytest.mark.parametrize(("scales", "flip"), [((1.0,), False), ((1.0, 1.5), True)])
def test_windows_average_their_logits(segmenter, images, blending, scales, flip):
    window, stride = (48, 64), (30, 35)
    options = InferenceOptions(window=window, stride=stride, blending=blending, scales=scales, flip=flip)
    pred = Predictor(segmenter, options=options)(images[0])
    window_of = slid(window, stride, blending)
    assert_best(pred, mean_probabilities([segmenter], images[0], scales, flip, window_of))


def test_instance_norm_makes_a_window_another_look_than_the_whole(segmenter, images):
    """What the signature names: whole and sliding are two numbers, not one."""
    whole = Predictor(segmenter)(images[0])
    options = InferenceOptions(window=(40, 40))
    assert (Predictor(segmenter, options=options)(images[0]) != whole).mean() > 0.01


@pytest.mark.parametrize(("scales", "flip"), [((1.0,), False), ((0.75, 1.25), True)])
def test_an_ensemble_averages_the_probabilities_of_its_networks(segmenter, other, images, scales, flip):
    options = InferenceOptions(scales=scales, flip=flip)
    pred = Predictor([segmenter, other], options=options)(images[0])
    assert_best(pred, mean_probabilities([segmenter, other], images[0], scales, flip))
    assert not np.array_equal(pred, Predictor(segmenter, options=options)(images[0]))


def test_networks_that_cannot_be_averaged_are_refused(segmenter):
    with pytest.raises(ConfigError, match="align_corners"):
        Predictor([segmenter, make_segmenter(0, align_corners=True)])
    with pytest.raises(ConfigError, match="none"):
        Predictor([])


@pytest.mark.parametrize(
    "options",
    [
        InferenceOptions(),
        InferenceOptions(input_size=(64, 96)),
        InferenceOptions(scales=(0.5, 1.0), flip=True),
        InferenceOptions(window=(48, 64), blending="gaussian"),
    ],
    ids=["whole", "resized", "views", "windows"],
)
def test_a_batch_gives_the_maps_of_its_frames_one_by_one(segmenter, images, options):
    predict = Predictor(segmenter, options=options)
    for together, image in zip(label_maps(predict, images), images, strict=True):
        alone = predict(image)
        assert len(np.unique(alone)) > 1
        assert (together == alone).mean() > 0.999  # equal classes but where two are as good


def test_a_batch_of_two_sizes_is_refused(segmenter, images):
    with pytest.raises(ValueError, match=r"one size; got 78x99, 99x78"):
        label_maps(Predictor(segmenter), [images[0], np.ascontiguousarray(images[1].swapaxes(0, 1))])


def test_frames_of_mixed_sizes_keep_their_order_in_batches(segmenter, images):
    turned = [np.ascontiguousarray(image.swapaxes(0, 1)) for image in images]
    frames = list(enumerate([images[0], images[1], images[2], turned[0], images[1], turned[1]]))
    predict = Predictor(segmenter, options=InferenceOptions(batch_size=2))
    found = list(predict.over(iter(frames)))
    assert [number for (number, _), _ in found] == [0, 1, 2, 3, 4, 5]
    for (_, image), pred in found:
        assert (pred == predict(image)).mean() > 0.999


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (7, 5), (130, 17)])
@pytest.mark.parametrize(
    "options",
    [
        InferenceOptions(),
        InferenceOptions(scales=(0.25, 1.0), flip=True),
        InferenceOptions(window=(64, 64), blending="gaussian"),
    ],
    ids=["whole", "views", "windows"],
)
def test_frames_of_any_size_get_a_map_of_their_size(segmenter, size, options):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pred = Predictor(segmenter, options=options)(image)
    assert pred.shape == size
    assert pred.max() < K


def test_bfloat16_keeps_nearly_all_labels_and_is_signed(segmenter, images):
    options = InferenceOptions(precision="bfloat16", flip=True)
    exact = Predictor(segmenter, options=InferenceOptions(flip=True))(images[0])
    assert (Predictor(segmenter, options=options)(images[0]) == exact).mean() > 0.95
    assert options.describe() == "whole-bfloat16"


def test_the_signature_names_window_stride_blending_size_and_networks():
    options = InferenceOptions(window=(60, 90), stride=(20, 30), blending="gaussian", input_height=100)
    assert options.describe() == "slide60x90-20x30-gaussian@h100"
    assert InferenceOptions(window=(60, 90)).describe() == "slide60x90-40x60-flat"
    assert InferenceOptions(input_size=(64, 96)).describe(3) == "whole@64x96-ensemble3"
