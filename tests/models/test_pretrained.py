import dataclasses
import hashlib
import re
import urllib.request
from pathlib import Path

import pytest
import torch
import torchvision

from segibn.errors import CheckpointError
from segibn.models.backbones import build_backbone
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.pretrained import adapt_plain_weights, load_backbone_weights
from segibn.models.resnet import ResNet
from segibn.models.sources import PUBLISHED


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch.hub folder, and a network where nothing answers."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    urllib.request.install_opener(None)
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)
    urllib.request.install_opener(None)


@pytest.fixture(scope="module")
def plain(filled) -> torchvision.models.ResNet:
    """A plain network with a classifier; no value in it is that of a fresh network."""
    return filled(torchvision.models.resnet18)


def _blank(name: str = "resnet18", ibn: str = "none") -> ResNet:
    """A network of zeros, instance norms after additions as fresh ones (weight 1)."""
    with torch.device("meta"):
        backbone = build_backbone(name, ibn)
    backbone.to_empty(device="cpu")
    for key, value in backbone.state_dict().items():
        value.fill_(float(key.endswith("IN.weight")))
    return backbone


def _publish(
    hub: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: dict[str, torch.Tensor]
) -> Path:
    """Weights where torchvision's file would be, under a name with their own hash."""
    hub.mkdir()
    torch.save(state, hub / "new.pth")
    digest = hashlib.sha256((hub / "new.pth").read_bytes()).hexdigest()
    path = (hub / "new.pth").rename(hub / f"{name}-{digest[:8]}.pth")
    key = ("torchvision", name, "none")
    there = dataclasses.replace(PUBLISHED[key], url=f"https://example.org/{path.name}")
    monkeypatch.setitem(PUBLISHED, key, there)
    return path


@pytest.fixture
def published_plain(hub: Path, plain, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plain network where torchvision's file would be."""
    return _publish(hub, monkeypatch, "resnet18", plain.state_dict())


TORCHVISION = [name for release, name, _ in PUBLISHED if release == "torchvision"]


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_addresses_and_errors_are_torchvisions(name: str) -> None:
    other = {"resnext50": "resnext50_32x4d", "shufflenet_v2": "shufflenet_v2_x1_0"}
    theirs = other.get(name, name)
    weights = torchvision.models.get_model_weights(theirs).IMAGENET1K_V1
    ours = PUBLISHED["torchvision", name, "none"]
    assert ours.url == weights.url
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    assert ours.top1_error == pytest.approx(100 - accuracy["acc@1"])
    assert ours.top5_error == pytest.approx(100 - accuracy["acc@5"])


def test_every_published_name_says_its_network_and_hash() -> None:
    for (release, name, ibn), source in PUBLISHED.items():
        stem = source.file_name.removesuffix(".pth").rsplit("-", 1)[0]
        if release == "ibn_net":
            assert stem == f"{name}_ibn_{ibn}"
        digits = 10 if name == "shufflenet_v2" else 8
        assert re.fullmatch(f"[0-9a-f]{{{digits}}}", source.sha256_prefix)


def test_old_densenet_files_are_renamed_and_their_norms_split(filled) -> None:
    plain = filled(torchvision.models.densenet121).state_dict()
    old = {re.sub(r"\.(norm|conv)([12])\.", r".\1.\2.", key): v for key, v in plain.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    renamed = PUBLISHED["torchvision", "densenet121", "none"].rename(old)
    assert renamed.keys() == plain.keys()
    backbone = build_backbone("densenet121", "a")
    adapted = adapt_plain_weights(renamed, backbone)
    result = backbone.load_state_dict(adapted, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == (
        [],
        ["classifier.weight", "classifier.bias"],
    )
    norm = backbone.get_submodule("features.denseblock1.denselayer1.norm1")
    values = plain["features.denseblock1.denselayer1.norm1.weight"]
    assert torch.equal(norm.BN.weight, values[:38])
    assert torch.equal(norm.IN.weight, values[38:])


def test_plain_weights_fill_a_plain_network_whole(published_plain: Path, plain) -> None:
    backbone = _blank("resnet18")
    report = load_backbone_weights(backbone, "torchvision", "resnet18", "none")
    assert set(report.loaded) == set(backbone.state_dict())
    assert report.fresh == ()
    assert report.unused == ("fc.weight", "fc.bias")
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in backbone.state_dict().items())


def test_halves_of_a_take_the_halves_of_the_plain_norm(published_plain: Path, plain) -> None:
    backbone = _blank("resnet18", "a")
    report = load_backbone_weights(backbone, "torchvision", "resnet18", "a")
    assert report.fresh == ()
    for name, module in backbone.named_modules():
        if isinstance(module, InstanceBatchNorm2d):
            reference = plain.get_submodule(name)
            cut = module.num_instance
            assert torch.equal(module.IN.weight, reference.weight[:cut])
            assert torch.equal(module.IN.bias, reference.bias[:cut])
            assert torch.equal(module.BN.weight, reference.weight[cut:])
            assert torch.equal(module.BN.running_var, reference.running_var[cut:])
    assert torch.equal(backbone.layer4[0].bn1.weight, plain.layer4[0].bn1.weight)


def test_the_stem_of_b_inherits_and_its_block_norms_start_fresh(
    published_plain: Path, plain
) -> None:
    backbone = _blank("resnet18", "b")
    report = load_backbone_weights(backbone, "torchvision", "resnet18", "b")
    assert torch.equal(backbone.bn1.weight, plain.bn1.weight)
    assert torch.equal(backbone.bn1.bias, plain.bn1.bias)
    names = ("layer1.1.IN", "layer2.1.IN")
    assert set(report.fresh) == {f"{n}.{part}" for n in names for part in ("weight", "bias")}
    assert (backbone.layer1[1].IN.weight == 1).all()
    assert "fresh: layer1.1.IN.weight" in report.summary()


@pytest.mark.parametrize(
    ("name", "theirs", "fresh"),
    [
        ("mobilenet_v2", "mobilenet_v2", ["features.1.IN", "features.6.IN", "features.10.IN"]),
        ("shufflenet_v2", "shufflenet_v2_x1_0", ["stage2.3.IN", "stage3.7.IN"]),
    ],
)
def test_plain_light_weights_fill_b_up_to_its_block_norms(
    hub: Path, monkeypatch: pytest.MonkeyPatch, filled, name: str, theirs: str, fresh: list[str]
) -> None:
    plain = filled(getattr(torchvision.models, theirs)).state_dict()
    _publish(hub, monkeypatch, name, plain)
    backbone = _blank(name, "b")
    report = load_backbone_weights(backbone, "torchvision", name, "b")
    assert set(report.fresh) == {f"{n}.{part}" for n in fresh for part in ("weight", "bias")}
    assert all(key.startswith(("fc.", "classifier.")) for key in report.unused)
    assert set(report.loaded) | set(report.fresh) == set(backbone.state_dict())
    for key, value in backbone.state_dict().items():
        expected = plain.get(key, torch.full_like(value, float(key.endswith("IN.weight"))))
        assert torch.equal(value, expected), key


def test_offline_the_error_says_what_to_get_and_where_to_put_it(hub: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_backbone_weights(_blank("resnet18", "a"), "ibn_net", "resnet18", "a")
    message = str(caught.value)
    url = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet18_ibn_a-2f571257.pth"
    assert url in message
    assert str(hub / "resnet18_ibn_a-2f571257.pth") in message
    assert "model.weights=none" in message


def test_a_damaged_published_file_is_refused(hub: Path) -> None:
    hub.mkdir()
    (hub / "resnet18_ibn_a-2f571257.pth").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"damaged or another file.*2f571257.*Delete it"):
        load_backbone_weights(_blank("resnet18", "a"), "ibn_net", "resnet18", "a")


def test_a_network_without_published_weights_is_named() -> None:
    with pytest.raises(CheckpointError, match="ibn_net has no published weights for resnet18 with"):
        load_backbone_weights(_blank("resnet18"), "ibn_net", "resnet18", "none")


@pytest.mark.parametrize("wrapping", ["plain", "imagenet-script", "own-checkpoint"])
def test_a_file_of_the_same_network_is_loaded_however_it_is_wrapped(
    tmp_path: Path, wrapping: str, filled
) -> None:
    source = filled(build_backbone, "resnet18", "b").state_dict()
    content = {
        "plain": {**source, "fc.weight": torch.zeros(1000, 512)},
        "imagenet-script": {
            "epoch": 3,
            "state_dict": {f"module.{k}": v for k, v in source.items()},
        },
        "own-checkpoint": {
            "model": {**{f"backbone.{k}": v for k, v in source.items()}, "head.x": torch.ones(1)}
        },
    }[wrapping]
    torch.save(content, tmp_path / "weights.pth")
    backbone = _blank("resnet18", "b")
    load_backbone_weights(backbone, str(tmp_path / "weights.pth"), "resnet18", "b")
    assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())


def test_weights_without_batch_counters_as_old_files_are_accepted(tmp_path: Path, filled) -> None:
    state = filled(build_backbone, "resnet18").state_dict()
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    report = load_backbone_weights(
        _blank("resnet18"), str(tmp_path / "old.pth"), "resnet18", "none"
    )
    assert len(report.loaded) == len(old)


@pytest.mark.parametrize(
    ("kind", "ibn", "expected"),
    [
        ("resnet18", "a", "missing layer1.0.bn1.IN.weight"),
        ("resnet34", "none", "unknown layer1.2.conv1.weight"),
        ("resnet50", "none", r"layer1.0.conv1.weight has shape \(64, 64, 1, 1\), expected"),
    ],
)
def test_a_file_of_another_network_is_refused_with_a_short_list(
    tmp_path: Path, kind: str, ibn: str, expected: str
) -> None:
    torch.save(_blank(kind).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=expected) as caught:
        load_backbone_weights(_blank("resnet18", ibn), str(tmp_path / "other.pth"), "resnet18", ibn)
    assert "more" in str(caught.value)
    assert len(str(caught.value).splitlines()) < 12


def test_none_leaves_the_network_as_it_is() -> None:
    backbone = _blank("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_backbone_weights(backbone, "none", "resnet18", "none")
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
