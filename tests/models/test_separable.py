"""Separable DeepLab networks against segmentation_models_pytorch, and against counts by hand."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segibn.builders.models import build_segmenter
from segibn.config.backbones import BackboneConfig
from segibn.config.model import DeepLabV3HeadConfig, DeepLabV3PlusHeadConfig, ModelConfig
from segibn.models.segmenter import Segmenter

K = 19


def _build(head: DeepLabV3HeadConfig | DeepLabV3PlusHeadConfig) -> Segmenter:
    # smp dilates a stage's first block too and aligns corners.
    backbone = BackboneConfig(name="resnet18", output_stride=16, dilate_first=True)
    return build_segmenter(ModelConfig(backbone=backbone, head=head, align_corners=True), K)


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _multiply_adds(model: nn.Module, size: tuple[int, int]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 3, *size))
    return counter.get_total_flops() // 2


def _smp(architecture: str, **options) -> nn.Module:
    smp = pytest.importorskip("segmentation_models_pytorch")
    options = {"decoder_atrous_rates": (6, 12, 18), "encoder_weights": None, **options}
    return getattr(smp, architecture)("resnet18", classes=K, **options)


def _give_random_weights(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + noise if "var" in key else 0.2 * (noise - 0.5))


def _load_from_smp(ours: Segmenter, theirs: nn.Module) -> None:
    """Backbones have the same keys; heads create their layers in the same order."""
    source = theirs.state_dict()
    backbone = {k.removeprefix("encoder."): v for k, v in source.items() if "encoder." in k}
    head = [v for k, v in source.items() if "encoder." not in k]
    ours.backbone.load_state_dict(backbone)
    ours.head.load_state_dict(dict(zip(ours.head.state_dict(), head, strict=True)))


def _assert_same_network(ours: Segmenter, theirs: nn.Module) -> None:
    assert _parameters(ours) == _parameters(theirs)
    assert _multiply_adds(ours, (96, 64)) == _multiply_adds(theirs, (96, 64))
    _give_random_weights(theirs)
    _load_from_smp(ours, theirs)
    image = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, logits = theirs.eval()(image), ours.eval()(image).logits
    torch.testing.assert_close(logits, expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_separable_split_deeplabv3plus_is_smps_network() -> None:
    head = DeepLabV3PlusHeadConfig(name="deeplabv3plus", separable=True, refine="split")
    _assert_same_network(_build(head), _smp("DeepLabV3Plus"))


def test_separable_deeplabv3_is_smps_network() -> None:
    theirs = _smp("DeepLabV3", decoder_aspp_separable=True, encoder_output_stride=16, upsampling=16)
    _assert_same_network(_build(DeepLabV3HeadConfig(name="deeplabv3", separable=True)), theirs)


def test_a_separable_head_has_the_weights_and_multiply_adds_counted_by_hand() -> None:
    feature, low, channels, reduced = 512, 64, 256, 48
    joined = channels + reduced

    def separable(inputs: int) -> int:
        return 9 * inputs + inputs * channels

    coarse = feature * channels + 3 * separable(feature) + 5 * channels * channels
    fine = low * reduced + separable(joined) + separable(channels) + channels * K
    pool = feature * channels
    norms = 2 * (5 * channels + channels + reduced + 2 * channels)
    head = _build(DeepLabV3PlusHeadConfig(name="deeplabv3plus", separable=True)).head
    assert _parameters(head) == coarse + fine + pool + norms + K
    features = {"layer1": torch.zeros(1, low, 24, 16), "layer4": torch.zeros(1, feature, 6, 4)}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        head.eval()(features)
    assert counter.get_total_flops() == 2 * (24 * 16 * fine + 6 * 4 * coarse + pool)


def test_whole_convolutions_keep_their_names_and_shapes() -> None:
    head = _build(DeepLabV3PlusHeadConfig(name="deeplabv3plus")).head
    shapes = {k: tuple(v.shape) for k, v in head.state_dict().items() if v.ndim == 4}
    assert shapes == {
        "aspp.branches.0.0.weight": (256, 512, 1, 1),
        "aspp.branches.1.0.weight": (256, 512, 3, 3),
        "aspp.branches.2.0.weight": (256, 512, 3, 3),
        "aspp.branches.3.0.weight": (256, 512, 3, 3),
        "aspp.image_pool.0.weight": (256, 512, 1, 1),
        "aspp.merge.0.weight": (256, 1280, 1, 1),
        "low_level.0.weight": (48, 64, 1, 1),
        "refine.0.0.weight": (256, 304, 3, 3),
        "refine.1.0.weight": (256, 256, 3, 3),
        "classifier.weight": (19, 256, 1, 1),
    }
