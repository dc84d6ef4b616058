import math

import numpy as np
import pytest
import torch

from segibn.analysis.divergence import (
    VARIANCE_FLOOR,
    Moments,
    collect_moments,
    compute_divergence,
    feature_modules,
    merged,
    symmetric_kl,
)
from segibn.errors import SegibnError
from segibn.models.backbones import build_backbone
from segibn.models.heads.fcn import FCNHead
from segibn.models.plans import IbnPlan
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter


def _moments(samples):
    moments = Moments(samples.shape[1])
    for row in samples:
        moments.add(row)
    return moments


def _kl(mu_a, var_a, mu_b, var_b):
    """KL(A||B) of two Gaussians, from the textbook."""
    a, b = math.sqrt(var_a), math.sqrt(var_b)
    return math.log(b / a) + (var_a + (mu_a - mu_b) ** 2) / (2 * var_b) - 0.5


def _segmenter(ibn="none"):
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), IbnPlan(ibn))
    return Segmenter(backbone, FCNHead(backbone.feature_specs, 2, channels=4)).eval()


def _images(seed, count=3, low=0, high=256):
    random = np.random.default_rng(seed)
    return [random.integers(low, high, (33, 41, 3), dtype=np.uint8) for _ in range(count)]


def test_moments_are_numpys_mean_and_variance():
    samples = np.random.default_rng(0).normal(50, 3, (40, 6))
    moments = _moments(samples)
    np.testing.assert_allclose(moments.mean, samples.mean(0))
    np.testing.assert_allclose(moments.variance, samples.var(0))


def test_merged_moments_are_those_of_all_samples_also_far_from_zero():
    samples = np.random.default_rng(3).normal(1e8, 1.0, (50, 4))
    parts = [_moments(part).as_array() for part in np.split(samples, [1, 20, 33])]
    found = merged(parts)
    assert found.count == 50
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-15)
    np.testing.assert_allclose(found.variance, samples.var(0), rtol=1e-7)


def test_a_part_without_samples_changes_nothing():
    whole = _moments(np.random.default_rng(4).normal(size=(5, 3)))
    before = whole.as_array()
    whole.merge(Moments(3).as_array())
    np.testing.assert_array_equal(whole.as_array(), before)
    empty = Moments(3)
    empty.merge(whole.as_array())
    np.testing.assert_array_equal(empty.as_array(), before)


def test_symmetric_kl_is_the_sum_of_both_textbook_directions():
    random = np.random.default_rng(0)
    a, b = _moments(random.normal(0, 1, (30, 4))), _moments(random.normal(0.5, 2, (20, 4)))
    va, vb = a.variance + VARIANCE_FLOOR, b.variance + VARIANCE_FLOOR
    expected = [_kl(a.mean[c], va[c], b.mean[c], vb[c]) + _kl(b.mean[c], vb[c], a.mean[c], va[c]) for c in range(4)]
    np.testing.assert_allclose(symmetric_kl(a, b), expected)
    np.testing.assert_allclose(symmetric_kl(b, a), expected)


def test_equal_domains_and_dead_channels_have_no_divergence():
    same = _moments(np.ones((5, 3)))
    np.testing.assert_array_equal(symmetric_kl(same, same), 0)


def test_the_divergence_of_a_feature_is_the_mean_over_its_channels():
    random = np.random.default_rng(1)
    a, b = _moments(random.normal(0, 1, (9, 5))), _moments(random.normal(1, 1, (9, 5)))
    found = compute_divergence({"stem": a}, {"stem": b})
    assert found == {"stem": pytest.approx(symmetric_kl(a, b).mean())}


def test_resnet50_has_the_papers_17_features():
    names = list(feature_modules(build_backbone("resnet50")))
    assert len(names) == 17
    assert (names[0], names[1], names[4], names[-1]) == ("stem", "layer1.0", "layer2.0", "layer4.2")


@pytest.mark.parametrize("ibn", ["none", "b"])
def test_collected_means_are_those_of_the_features_after_relu(ibn):
    segmenter, images = _segmenter(ibn), _images(0)
    moments = collect_moments(segmenter, images)
    net, expected = segmenter.backbone, {}
    with torch.inference_mode():
        for image in images:
            x = segmenter.normalize(torch.from_numpy(image).permute(2, 0, 1)[None])
            x = torch.relu(net.bn1(net.conv1(x)))
            expected.setdefault("stem", []).append(x.mean((0, 2, 3)).numpy())
            x = net.maxpool(x)
            for stage in ("layer1", "layer2", "layer3", "layer4"):
                x = getattr(net, stage)(x)
                expected.setdefault(f"{stage}.0", []).append(x.mean((0, 2, 3)).numpy())
    assert list(moments) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(moments[name].mean, np.mean(values, 0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(moments[name].variance, np.var(values, 0), rtol=1e-3, atol=1e-7)


def test_divergence_is_that_of_numpy_on_all_features_at_once():
    """Keep every feature map, take all means and variances at the end, use the textbook's KL."""
    segmenter, domains = _segmenter("a"), (_images(0, 5), _images(1, 4, 50, 200))
    found = compute_divergence(*(collect_moments(segmenter, images) for images in domains))
    kept = [{name: [] for name in found} for _ in domains]
    modules = {"stem": segmenter.backbone.relu} | {
        name: segmenter.backbone.get_submodule(name) for name in list(found)[1:]
    }
    for images, features in zip(domains, kept, strict=True):
        hooks = [
            module.register_forward_hook(lambda _m, _i, out, store=features[name]: store.append(out[0].clone().numpy()))
            for name, module in modules.items()
        ]
        with torch.inference_mode():
            for image in images:
                pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
                segmenter.backbone(segmenter.normalize(pixels))
        for hook in hooks:
            hook.remove()
    for name, value in found.items():
        a, b = (np.stack(part[name]).astype(np.float64).mean((2, 3)) for part in kept)
        var_a, var_b = a.var(0) + VARIANCE_FLOOR, b.var(0) + VARIANCE_FLOOR
        channels = [
            _kl(a[:, c].mean(), var_a[c], b[:, c].mean(), var_b[c])
            + _kl(b[:, c].mean(), var_b[c], a[:, c].mean(), var_a[c])
            for c in range(a.shape[1])
        ]
        assert value == pytest.approx(np.mean(channels), rel=1e-9)


def test_no_hook_is_left_on_the_network():
    segmenter = _segmenter()
    collect_moments(segmenter, _images(0))
    assert not any(module._forward_hooks for module in segmenter.modules())


def test_instance_norm_brings_brighter_and_darker_frames_together():
    def first_feature(ibn):
        segmenter = _segmenter(ibn)
        dark = collect_moments(segmenter, _images(0, 6, 0, 100))
        bright = collect_moments(segmenter, _images(1, 6, 100, 256))
        return compute_divergence(dark, bright)["stem"]

    assert first_feature("b") < 0.05 * first_feature("none")


def test_a_domain_needs_two_images():
    with pytest.raises(ValueError, match="two images"):
        collect_moments(_segmenter(), _images(0, 1))


def test_a_backbone_without_residual_blocks_is_refused() -> None:
    with torch.device("meta"):
        densenet = build_backbone("densenet121")
    with pytest.raises(SegibnError, match="a DenseNet has none"):
        feature_modules(densenet)
