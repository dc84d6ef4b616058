import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation import deeplabv3, fcn

from segibn.models.features import FeatureSpec
from segibn.models.heads.deeplab import DeepLabV3Head, DeepLabV3PlusHead
from segibn.models.heads.fcn import FCNHead, LinearHead

K = 5
HEADS = {
    "fcn-paper": (FCNHead, {"channels": 12}),
    "fcn-dilated": (FCNHead, {"channels": 12, "dilation": 6}),
    "linear": (LinearHead, {"dropout": 0.1}),
    "fcn-aux": (FCNHead, {"channels": 12, "layer": "layer3"}),
    "deeplabv3": (DeepLabV3Head, {"channels": 8}),
    "deeplabv3-stride-8": (DeepLabV3Head, {"channels": 8, "atrous_rates": (12, 24, 36)}),
    "deeplabv3-separable": (DeepLabV3Head, {"channels": 8, "separable": True}),
    "deeplabv3plus": (DeepLabV3PlusHead, {"channels": 8, "low_level_channels": 6}),
    "deeplabv3plus-separable": (DeepLabV3PlusHead, {"channels": 8, "low_level_channels": 6, "separable": True}),
    "deeplabv3plus-split": (DeepLabV3PlusHead, {"channels": 8, "low_level_channels": 6, "refine": "split"}),
}


def _specs(output_stride: int) -> dict[str, FeatureSpec]:
    channels = (4, 6, 8, 10)
    return {f"layer{i + 1}": FeatureSpec(c, min(4 * 2**i, output_stride)) for i, c in enumerate(channels)}


def _features(specs: dict[str, FeatureSpec], size: tuple[int, int], n: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(n, s.channels, -(-size[0] // s.stride), -(-size[1] // s.stride), generator=generator)
        for name, s in specs.items()
    }


@pytest.mark.parametrize("name", HEADS)
class TestEveryHead:
    """What any head owes to the segmenter; a new head is one more line in HEADS."""

    @pytest.fixture
    def build(self, name: str) -> Callable[[dict[str, FeatureSpec]], nn.Module]:
        head, options = HEADS[name]
        return lambda specs: head(specs, K, **options)

    @pytest.mark.parametrize("output_stride", [8, 16, 32])
    @pytest.mark.parametrize("size", [(64, 96), (45, 71)])
    def test_declared_logits_are_the_real_ones(self, build, output_stride, size) -> None:
        specs = _specs(output_stride)
        head = build(specs)
        logits = head(_features(specs, size))
        spec = head.logits_spec
        expected = (2, K, -(-size[0] // spec.stride), -(-size[1] // spec.stride))
        assert tuple(logits.shape) == expected
        assert spec.channels == K

    def test_every_parameter_gets_a_gradient(self, build) -> None:
        specs = _specs(16)
        head = build(specs).train()
        nn.init.normal_(head.classifier.weight)
        head(_features(specs, (64, 64))).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())

    def test_evaluation_is_deterministic_and_training_drops(self, build) -> None:
        specs = _specs(16)
        head, features = build(specs), _features(specs, (64, 64))
        head.eval()
        assert torch.equal(head(features), head(features))
        head.train()
        torch.manual_seed(0)
        assert not torch.equal(head(features), head(features))

    def test_it_starts_undecided(self, build) -> None:
        specs = _specs(16)
        logits = build(specs)(_features(specs, (64, 64)))
        loss = F.cross_entropy(logits, torch.zeros(logits.shape[0], *logits.shape[2:]).long())
        assert loss.item() == pytest.approx(math.log(K), abs=0.1)

    def test_features_are_not_changed(self, build) -> None:
        specs = _specs(16)
        features = _features(specs, (45, 71))
        before = {key: value.clone() for key, value in features.items()}
        build(specs)(features)
        assert all(torch.equal(features[key], before[key]) for key in features)

    def test_channels_last_features_stay_so_at_every_convolution(self, build) -> None:
        specs = _specs(16)
        head, layouts = build(specs), []

        def note(module: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
            layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

        for module in head.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(note)
        features = _features(specs, (64, 64)).items()
        head({k: v.contiguous(memory_format=torch.channels_last) for k, v in features})
        assert layouts
        assert all(layouts)


def _copy_in_order(target: nn.Module, source: nn.Module) -> None:
    """Both heads create their layers in the same order, under other names."""
    ours, theirs = target.state_dict(), source.state_dict()
    assert [v.shape for v in ours.values()] == [v.shape for v in theirs.values()]
    target.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


def _randomize(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) - 0.5 * ("var" not in key))


def test_fcn_equals_torchvisions_head() -> None:
    specs = _specs(8)
    reference = fcn.FCNHead(10, K)
    head = FCNHead(specs, K, channels=10 // 4)
    _randomize(reference)
    _copy_in_order(head, reference)
    features = _features(specs, (45, 71))
    expected = reference.eval()(features["layer4"])
    torch.testing.assert_close(head.eval()(features), expected, atol=1e-5, rtol=1e-5)


def test_deeplabv3_equals_torchvisions_head() -> None:
    specs = _specs(8)
    reference = deeplabv3.DeepLabHead(10, K, atrous_rates=(12, 24, 36))
    head = DeepLabV3Head(specs, K, channels=256, atrous_rates=(12, 24, 36))
    _randomize(reference)
    _copy_in_order(head, reference)
    features = _features(specs, (45, 71))
    expected = reference.eval()(features["layer4"])
    torch.testing.assert_close(head.eval()(features), expected, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize("layer", ["layer1", "layer4"])
def test_deeplabv3plus_sees_both_ends_of_the_backbone(layer: str) -> None:
    specs = _specs(16)
    head = DeepLabV3PlusHead(specs, K, channels=8, low_level_channels=6).eval()
    features = _features(specs, (64, 64))
    changed = {**features, layer: features[layer] + 1}
    assert not torch.allclose(head(features), head(changed))


def test_the_dilated_fcn_looks_six_pixels_far() -> None:
    specs = _specs(16)
    head = FCNHead(specs, K, channels=12, dilation=6).eval()
    features = _features(specs, (16 * 17, 16 * 17))
    features["layer4"].requires_grad_()
    head(features)[0, :, 8, 8].sum().backward()
    seen = features["layer4"].grad[0].abs().sum(0).nonzero().tolist()
    assert {tuple(p) for p in seen} <= {(y, x) for y in (2, 8, 14) for x in (2, 8, 14)}
    assert [2, 2] in seen
    assert [14, 14] in seen
