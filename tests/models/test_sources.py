"""The table of published weights against what their publishers say."""

import re
from argparse import Namespace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from segibn.models.backbones import build_backbone
from segibn.models.features import FeatureSpec
from segibn.models.segmenter import Segmenter
from segibn.models.weights.pretrained import load_backbone_weights
from segibn.models.weights.sources import IMAGENET_MEAN, IMAGENET_STD, PUBLISHED

TORCHVISION = [name for release, name, _ in PUBLISHED if release == "torchvision"]


def _their_weights(name: str) -> torchvision.models.WeightsEnum:
    other = {"resnext50": "resnext50_32x4d", "shufflenet_v2": "shufflenet_v2_x1_0"}
    return torchvision.models.get_model_weights(other.get(name, name)).IMAGENET1K_V1


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_addresses_errors_and_preprocessing_are_torchvisions(name: str) -> None:
    weights = _their_weights(name)
    ours = PUBLISHED["torchvision", name, "none"]
    assert ours.url == weights.url
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    assert ours.top1_error == pytest.approx(100 - accuracy["acc@1"])
    assert ours.top5_error == pytest.approx(100 - accuracy["acc@5"])
    preset = weights.transforms()
    assert (list(IMAGENET_MEAN), list(IMAGENET_STD)) == (preset.mean, preset.std)


def test_every_published_name_says_its_network_and_hash() -> None:
    for (release, name, ibn), source in PUBLISHED.items():
        stem = source.file_name.removesuffix(".pth").rsplit("-", 1)[0]
        if release == "ibn_net":
            assert stem == f"{name}_ibn_{ibn}"
        digits = 10 if name == "shufflenet_v2" else 8
        assert re.fullmatch(f"[0-9a-f]{{{digits}}}", source.sha256_prefix)
        assert "ImageNet" in source.licence


def test_a_segmenter_shows_the_network_what_the_weights_expect() -> None:
    head = nn.Identity()
    head.logits_spec = FeatureSpec(1, 1)
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7), dtype=np.uint8)
    mean, std = np.reshape(IMAGENET_MEAN, (3, 1, 1)), np.reshape(IMAGENET_STD, (3, 1, 1))
    expected = (image / 255 - mean) / std
    normalized = Segmenter(nn.Identity(), head).normalize(torch.from_numpy(image))
    np.testing.assert_allclose(normalized.numpy(), expected, atol=1e-5)


def test_densenet_files_with_old_names_or_of_its_features_alone_are_read(tmp_path, filled) -> None:
    plain = filled(torchvision.models.densenet121).state_dict()
    old = {re.sub(r"\.(norm|conv)([12])\.", r".\1.\2.", key): v for key, v in plain.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    contents = {
        "old": {"model": {f"module.{k}": v for k, v in old.items()}, "args": Namespace(lr=1)},
        "bare": {f"net.{k[9:]}": v for k, v in plain.items() if k.startswith("features.")},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
        backbone = build_backbone("densenet121", "a")
        report = load_backbone_weights(backbone, str(tmp_path / name), "densenet121", "a", match="plain")
        assert len(report.unused) == (2 if name == "old" else 0)  # the classifier's
        norm = backbone.get_submodule("features.denseblock1.denselayer1.norm1")
        values = plain["features.denseblock1.denselayer1.norm1.weight"]
        assert torch.equal(norm.BN.weight, values[:38])
        assert torch.equal(norm.IN.weight, values[38:])
