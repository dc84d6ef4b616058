"""What of a file goes where in a backbone, and what is said about the rest."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from segibn.builders.models import build_segmenter
from segibn.config.model import ModelConfig
from segibn.errors import CheckpointError
from segibn.models.backbones import build_backbone
from segibn.models.ibn import InstanceBatchNorm2d
from segibn.models.weights.pretrained import load_backbone_weights
from segibn.models.weights.sources import PUBLISHED


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Path]:
    """An empty torch.hub folder."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


@pytest.fixture(scope="module")
def plain(filled) -> torchvision.models.ResNet:
    """A plain network with a classifier; no value in it is that of a fresh network."""
    return filled(torchvision.models.resnet18)


@pytest.fixture
def plain_file(plain, tmp_path: Path) -> str:
    torch.save(plain.state_dict(), tmp_path / "plain.pth")
    return str(tmp_path / "plain.pth")


def _blank(name: str = "resnet18", ibn: str = "none", **options: object) -> nn.Module:
    """A network of zeros, instance norms after additions as fresh ones (weight 1)."""
    with torch.device("meta"):
        backbone = build_backbone(name, ibn, **options)
    backbone.to_empty(device="cpu")
    for key, value in backbone.state_dict().items():
        value.fill_(float(key.endswith("IN.weight")))
    return backbone


def _publish(hub: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: dict[str, torch.Tensor]) -> Path:
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


def test_plain_weights_fill_a_plain_network_whole(published_plain: Path, plain) -> None:
    backbone = _blank("resnet18")
    report = load_backbone_weights(backbone, "torchvision", "resnet18", "none")
    assert set(report.loaded) == set(backbone.state_dict())
    assert report.fresh == ()
    assert report.unused == ("fc.weight", "fc.bias")
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in backbone.state_dict().items())


# The release by its name, and a file of the same with the option: one rule.
@pytest.fixture(params=["release", "file"])
def load_plain(request, published_plain: Path, plain_file: str) -> Callable:
    def load(backbone: nn.Module, ibn: str):
        if request.param == "release":
            return load_backbone_weights(backbone, "torchvision", "resnet18", ibn)
        return load_backbone_weights(backbone, plain_file, "resnet18", ibn, "plain")

    return load


def test_halves_of_a_take_the_halves_of_the_plain_norm(load_plain: Callable, plain) -> None:
    backbone = _blank("resnet18", "a")
    report = load_plain(backbone, "a")
    assert report.fresh == ()
    assert report.unused == ("fc.weight", "fc.bias")
    for name, module in backbone.named_modules():
        if isinstance(module, InstanceBatchNorm2d):
            reference = plain.get_submodule(name)
            cut = module.num_instance
            assert torch.equal(module.IN.weight, reference.weight[:cut])
            assert torch.equal(module.IN.bias, reference.bias[:cut])
            assert torch.equal(module.BN.weight, reference.weight[cut:])
            assert torch.equal(module.BN.running_var, reference.running_var[cut:])
            assert torch.equal(module.BN.running_mean, reference.running_mean[cut:])
    assert torch.equal(backbone.layer4[0].bn1.weight, plain.layer4[0].bn1.weight)


def test_the_stem_of_b_inherits_and_its_block_norms_start_fresh(load_plain: Callable, plain) -> None:
    backbone = _blank("resnet18", "b")
    report = load_plain(backbone, "b")
    assert torch.equal(backbone.bn1.weight, plain.bn1.weight)
    assert torch.equal(backbone.bn1.bias, plain.bn1.bias)
    names = ("layer1.1.IN", "layer2.1.IN")
    assert set(report.fresh) == {f"{n}.{part}" for n in names for part in ("weight", "bias")}
    assert (backbone.layer1[1].IN.weight == 1).all()
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert set(report.unused) == {f"bn1.{part}" for part in statistics} | {"fc.weight", "fc.bias"}
    summary = report.summary()
    assert "117 of 121 tensors loaded; fresh: layer1.1.IN (weight, bias), layer2.1.IN (" in summary
    assert "not used: bn1 (running_mean, running_var, num_batches_tracked), fc (2)" in summary


def test_norms_of_robustnet_without_weights_take_nothing_of_plain_ones(published_plain: Path, plain) -> None:
    backbone = _blank("resnet18", "b", ibn_affine=False)
    report = load_backbone_weights(backbone, "torchvision", "resnet18", "b")
    own, state = backbone.state_dict(), plain.state_dict()
    assert not any(key.startswith("bn1.") or ".IN." in key for key in own)
    assert all("num_batches" in key for key in report.fresh)
    assert all(torch.equal(own[key], state[key]) for key in own)
    lost = {f"bn1.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    assert lost & plain.state_dict().keys() <= set(report.unused)


def test_a_file_without_norms_in_the_stem_is_told_as_b(tmp_path: Path) -> None:
    torch.save(_blank("resnet18", "b", ibn_affine=False).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"holds the weights of resnet18 with ibn b.*Check"):
        load_backbone_weights(_blank("resnet18", "b"), str(tmp_path / "w.pth"), "resnet18", "b")


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
    # The stem's batch norm became an instance norm, which has no running statistics.
    homeless = ("fc.", "classifier.", "conv1.1.running", "conv1.1.num_batches")
    assert all(key.startswith(homeless) for key in report.unused)
    assert set(report.loaded) | set(report.fresh) == set(backbone.state_dict())
    for key, value in backbone.state_dict().items():
        expected = plain.get(key, torch.full_like(value, float(key.endswith("IN.weight"))))
        assert torch.equal(value, expected), key


@pytest.mark.parametrize("ibn", ["none", "a", "b", "d", "ad", "a2"])
def test_every_key_of_backbone_and_file_is_in_the_report_once(ibn: str, plain_file: str, plain) -> None:
    backbone = _blank("resnet18", ibn)
    report = load_backbone_weights(backbone, plain_file, "resnet18", ibn, "plain")
    assert sorted((*report.loaded, *report.fresh)) == sorted(backbone.state_dict())
    own_names = {key.replace(".IN.", ".").replace(".BN.", ".") for key in report.loaded}
    assert own_names | set(report.unused) == set(plain.state_dict())
    assert not own_names & set(report.unused)


@pytest.mark.parametrize("match", ["exact", "plain", "partial"])
def test_a_file_of_the_very_network_is_loaded_whole_however_strict(match: str, tmp_path: Path, filled) -> None:
    source = filled(build_backbone, "resnet18", "ad").state_dict()
    torch.save(source, tmp_path / "weights.pth")
    backbone = _blank("resnet18", "ad")
    report = load_backbone_weights(backbone, str(tmp_path / "weights.pth"), "resnet18", "ad", match)
    assert (report.fresh, report.unused, report.other_shape) == ((), (), ())
    assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())


def test_a_plain_file_in_an_ibn_network_is_an_error_that_names_the_option(plain_file: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_backbone_weights(_blank("resnet18", "a"), plain_file, "resnet18", "a")
    message = str(caught.value)
    assert "plain.pth does not fit resnet18 with ibn a" in message
    assert "missing layer1.0.bn1.IN.weight" in message
    assert "The file holds the weights of resnet18 with ibn none" in message
    assert "model.weights_match=plain fits them" in message


def test_plain_still_means_the_same_depth_and_no_missing_norm(plain, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    torch.save({k: v for k, v in plain.state_dict().items() if k != "layer2.1.bn1.weight"}, path)
    with pytest.raises(CheckpointError, match=r"missing layer2\.1\.bn1\.IN\.weight"):
        load_backbone_weights(_blank("resnet18", "a"), str(path), "resnet18", "a", "plain")
    torch.save(_blank("resnet34").state_dict(), path)
    with pytest.raises(CheckpointError, match=r"(?s)unknown layer1\.2.*Set .*name=resnet34"):
        load_backbone_weights(_blank("resnet18", "a"), str(path), "resnet18", "a", "plain")
    torch.save(plain.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"layer1\.0\.conv2\.weight has shape"):
        load_backbone_weights(_blank("resnet18", "c"), str(path), "resnet18", "c", "plain")


def test_partial_takes_what_fits_and_reports_the_rest(filled, tmp_path: Path) -> None:
    source = filled(torchvision.models.resnet34).state_dict()
    source |= {"bn1.weight": torch.ones(3), "extra.weight": torch.ones(1)}
    del source["layer1.0.conv1.weight"]
    torch.save(source, tmp_path / "w.pth")
    backbone = _blank("resnet18", "a")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    report = load_backbone_weights(backbone, str(tmp_path / "w.pth"), "resnet18", "a", "partial")
    after = backbone.state_dict()
    assert report.fresh == ("bn1.weight", "layer1.0.conv1.weight")
    assert report.other_shape == ("bn1.weight",)
    assert all(torch.equal(after[key], before[key]) for key in report.fresh)
    assert torch.equal(after["layer3.0.conv1.weight"], source["layer3.0.conv1.weight"])
    norm = source["layer1.0.bn1.weight"]
    assert torch.equal(after["layer1.0.bn1.IN.weight"], norm[:32])
    assert {"extra.weight", "bn1.weight", "fc.weight", "layer1.2.conv1.weight"} <= set(report.unused)
    assert not set(report.loaded) & set(report.unused)
    assert "of another shape: bn1 (weight)" in report.summary()


def test_partial_with_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    torch.save(_blank("densenet121").state_dict(), tmp_path / "dense.pth")
    with pytest.raises(CheckpointError) as caught:
        load_backbone_weights(_blank(), str(tmp_path / "dense.pth"), "resnet18", "none", "partial")
    assert "dense.pth has nothing of resnet18 with ibn none" in str(caught.value)
    assert "holds the weights of densenet121 with ibn none" in str(caught.value)


def test_the_config_says_how_well_a_file_must_fit(plain_file: str, caplog) -> None:
    tree = {"backbone": {"name": "resnet18", "ibn": "b"}, "weights": plain_file}
    with torch.device("meta"), pytest.raises(CheckpointError, match="weights_match=plain"):
        build_segmenter(ModelConfig.model_validate(tree), 3)
    tree["weights_match"] = "plain"
    with caplog.at_level("INFO"):
        model = build_segmenter(ModelConfig.model_validate(tree), 3)
    assert "117 of 121 tensors loaded; fresh: layer1.1.IN" in caplog.text
    stem = torch.load(plain_file, weights_only=True)["bn1.weight"]
    assert torch.equal(model.backbone.bn1.weight, stem)


def test_a_network_without_published_weights_is_named_with_what_there_is() -> None:
    with pytest.raises(CheckpointError, match="ibn_net has no published weights for resnet18 with"):
        load_backbone_weights(_blank("resnet18"), "ibn_net", "resnet18", "none")
    with pytest.raises(CheckpointError, match=r"use model\.weights=ibn_net, a file, or none"):
        load_backbone_weights(_blank("resnext101", "a"), "torchvision", "resnext101", "a")
    with pytest.raises(CheckpointError, match=r"torchvision with model\.weights_match=partial, a f"):
        load_backbone_weights(_blank("resnet18", "c"), "ibn_net", "resnet18", "c")


@pytest.mark.parametrize(("given", "hint"), [("torchvison", "torchvision"), ("None", "none"), ("ibn-net", "ibn_net")])
def test_a_mistyped_source_is_answered_with_the_likely_one(given: str, hint: str) -> None:
    with pytest.raises(CheckpointError, match=f"{given} is no file, .* did you mean '{hint}'"):
        load_backbone_weights(_blank(), given, "resnet18", "none")


def test_a_mistyped_path_is_answered_with_the_file_beside_it(plain_file: str) -> None:
    with pytest.raises(CheckpointError, match=f"did you mean '{plain_file}'"):
        load_backbone_weights(_blank(), plain_file[:-1], "resnet18", "none")


WRAPPINGS = [
    "plain",
    "imagenet-script",
    "own-checkpoint",
    "own-network",
    "reference-script",
    "compiled-parallel",
    "lightning",
    "average-beside",
    "deep-and-unheard-of",
]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_file_of_the_same_network_is_loaded_however_it_is_wrapped(tmp_path: Path, wrapping: str, filled) -> None:
    source = filled(build_backbone, "resnet18", "b").state_dict()
    whole = {**{f"backbone.{k}": v for k, v in source.items()}, "head.x": torch.ones(1)}
    content = {
        "plain": {**source, "fc.weight": torch.zeros(1000, 512)},
        "imagenet-script": {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in source.items()}},
        "own-checkpoint": {"model": whole},
        "own-network": whole,
        "reference-script": {"model": source, "epoch": 3},
        "compiled-parallel": {"net": {f"module._orig_mod.{k}": v for k, v in source.items()}},
        "lightning": {"state_dict": {f"model.backbone.{k}": v for k, v in source.items()}},
        "average-beside": {"state_dict": source, "state_dict_ema": {k: torch.zeros_like(v) for k, v in source.items()}},
        "deep-and-unheard-of": {
            "a": {"b": {f"x.y_z.{k}": v for k, v in source.items()}},
            "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}},
        },
    }[wrapping]
    torch.save(content, tmp_path / "weights.pth")
    backbone = _blank("resnet18", "b")
    report = load_backbone_weights(backbone, str(tmp_path / "weights.pth"), "resnet18", "b")
    assert report.unused == {"plain": ("fc.weight",)}.get(wrapping, ("head.x",) * ("own" in wrapping))
    assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())


def test_where_a_network_was_found_is_said_and_of_two_neither_is_guessed(tmp_path: Path, filled) -> None:
    path, source = tmp_path / "w.pth", filled(build_backbone, "resnet18").state_dict()
    torch.save({"net": {f"encoder.{k}": v for k, v in source.items()}}, path)
    report = load_backbone_weights(_blank(), str(path), "resnet18", "none")
    assert f"{path} (under net, behind the prefix encoder.): 120 of 120" in report.summary()
    teacher = {f"module.{k}": torch.ones_like(v) for k, v in source.items()}
    torch.save({"student": source, "teacher": teacher}, path)
    with pytest.raises(CheckpointError, match=r"several .*: under student; under teacher, behind"):
        load_backbone_weights(_blank(), str(path), "resnet18", "none")


@pytest.mark.parametrize("match", ["exact", "partial"])
def test_of_another_programs_file_prefix_and_nest_are_told_and_partial_is_not_advised(
    tmp_path: Path, match: str
) -> None:
    torch.save({"net": {"deep.vgg.0.weight": torch.ones(1)}}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"begins with deep\.vgg\.0\.weight under net") as got:
        load_backbone_weights(_blank(), str(tmp_path / "w.pth"), "resnet18", "none", match)
    assert "weights_match" not in str(got.value)


def test_whole_numbers_are_no_weights_even_in_part(tmp_path: Path, filled) -> None:
    state = filled(build_backbone, "resnet18").state_dict()
    state = {k: v.half() for k, v in state.items()} | {"conv1.weight": torch.ones(64, 3, 7, 7).char()}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"conv1\.weight holds int8, expected float32\nThe"):
        load_backbone_weights(_blank(), str(tmp_path / "w.pth"), "resnet18", "none")
    report = load_backbone_weights(backbone := _blank(), str(tmp_path / "w.pth"), "resnet18", "none", "partial")
    assert report.fresh == report.unused == report.other_shape == ("conv1.weight",)
    assert torch.equal(backbone.bn1.running_var, state["bn1.running_var"].float())


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, filled) -> None:
    state = filled(build_backbone, "resnet18").state_dict()
    state["layer2.0.bn1.running_var"][3] = torch.inf
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: layer2\.0\.bn1\.running_var holds inf"):
        load_backbone_weights(_blank(), str(tmp_path / "w.pth"), "resnet18", "none")


def test_weights_without_batch_counters_as_old_files_are_accepted(tmp_path: Path, filled) -> None:
    state = filled(build_backbone, "resnet18").state_dict()
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    report = load_backbone_weights(_blank("resnet18"), str(tmp_path / "old.pth"), "resnet18", "none")
    assert len(report.loaded) == len(old)


@pytest.mark.parametrize(
    ("kind", "ibn", "expected"),
    [
        ("resnet34", "none", "unknown layer1.2.conv1.weight"),
        ("resnet50", "none", r"layer1.0.conv1.weight has shape \(64, 64, 1, 1\), expected"),
        ("densenet121", "a", "missing conv1.weight"),
    ],
)
def test_a_file_of_another_network_is_refused_with_a_short_list_and_its_name(
    tmp_path: Path, kind: str, ibn: str, expected: str
) -> None:
    torch.save(_blank(kind, ibn).state_dict(), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=expected) as caught:
        load_backbone_weights(_blank(), str(tmp_path / "other.pth"), "resnet18", "none")
    message = str(caught.value)
    assert "other.pth does not fit resnet18 with ibn none" in message
    assert f"The file holds the weights of {kind} with ibn {ibn}. Set model.backbone.n" in message
    assert "more" in message
    assert len(message.splitlines()) < 12


def test_the_same_network_with_another_share_of_instance_norm_is_told_apart(tmp_path: Path) -> None:
    torch.save(_blank("resnet18", "a", ibn_ratio=0.25).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="Check ibn_stages, ibn_ratio and stem"):
        load_backbone_weights(_blank("resnet18", "a"), str(tmp_path / "w.pth"), "resnet18", "a")


def test_a_file_without_tensors_and_one_of_robustnet_are_answered(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3, "note": "x"}, path)
    with pytest.raises(CheckpointError, match=r"w\.pth holds no tensors, but epoch, note"):
        load_backbone_weights(_blank(), str(path), "resnet18", "none")
    keys = ("layer0.0.weight", "bot_aspp.0.weight", "final2.0.weight")
    torch.save({"state_dict": {f"module.{key}": torch.ones(1) for key in keys}}, path)
    with pytest.raises(CheckpointError, match=r"convert it first: segibn convert"):
        load_backbone_weights(_blank(), str(path), "resnet18", "none")


def test_safetensors_of_a_whole_network_start_a_backbone(tmp_path: Path, filled) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra `export`")
    source = filled(build_backbone, "resnet18", "a").state_dict()
    tensors = {f"backbone.{key}": value for key, value in source.items()}
    path = tmp_path / "w.safetensors"
    safetensors.save_file(tensors | {"head.x": torch.ones(1)}, path)
    backbone = _blank("resnet18", "a")
    report = load_backbone_weights(backbone, str(path), "resnet18", "a")
    assert report.unused == ("head.x",)
    assert all(torch.equal(value, source[key]) for key, value in backbone.state_dict().items())


def test_none_leaves_the_network_as_it_is() -> None:
    backbone = _blank("resnet18")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_backbone_weights(backbone, "none", "resnet18", "none")
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
