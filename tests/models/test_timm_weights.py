"""First weights of timm's networks, from files that the tests write."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.config.model import ModelConfig
from segibn.errors import CheckpointError, ConfigError
from segibn.models.timm_backbone import TimmBackbone
from segibn.models.weights.timm_weights import load_timm_weights


def donor(name: str, seed: int = 7, **options: object) -> torch.nn.Module:
    torch.manual_seed(seed)
    return timm.create_model(name, **options)


def assert_filled(backbone: TimmBackbone, network: torch.nn.Module) -> None:
    expected = network.state_dict()
    for key, value in backbone.network.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("name", ["test_vit", "convnext_atto", "resnet18"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_timms_own_files_fill_it_and_their_classifiers_are_left_out(name: str, suffix: str, tmp_path: Path) -> None:
    network, path = donor(name), tmp_path / f"weights{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(network.state_dict(), path)
    backbone = TimmBackbone(name)
    report = load_timm_weights(backbone, str(path))
    assert_filled(backbone, network)
    assert not report.fresh
    left = {key.rpartition(".")[0] for key in report.unused}
    assert left <= {"head", "head.fc", "head.norm", "fc"}
    assert left


def test_a_file_in_the_form_of_dinov2s_authors_is_read_through_timms_reader(tmp_path: Path) -> None:
    network = donor("vit_small_patch14_dinov2", num_classes=0)
    theirs = {**network.state_dict(), "mask_token": torch.zeros(1, 384)}
    torch.save(theirs, tmp_path / "dinov2_vits14_pretrain.pth")
    backbone = TimmBackbone("vit_small_patch14_dinov2.lvd142m")
    load_timm_weights(backbone, str(tmp_path / "dinov2_vits14_pretrain.pth"))
    assert_filled(backbone, network)


def test_weights_come_before_the_updates_and_a_checkpoints_updates_come_merged(tmp_path: Path) -> None:
    network, path = donor("test_vit"), tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    tree = {"backbone": {"name": "timm", "model": "test_vit", "tuning": "lora"}}
    model = build_segmenter(ModelConfig.model_validate({**tree, "weights": str(path)}), 4)
    state, first = network.state_dict(), "blocks.0.attn.qkv"
    layer = model.backbone.network.get_submodule(first)
    assert torch.equal(layer.base.weight, state[f"{first}.weight"])
    with torch.no_grad():
        layer.lora_b.fill_(0.1)
    torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pt")
    backbone = TimmBackbone("test_vit")
    load_timm_weights(backbone, str(tmp_path / "checkpoint.pt"))
    found = backbone.network.get_submodule(first).weight
    torch.testing.assert_close(found, state[f"{first}.weight"] + 0.1 * layer.lora_a.sum(0))


def test_another_networks_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    backbone = TimmBackbone("test_vit")
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    for index, (content, message) in enumerate(
        [
            (donor("vit_tiny_patch16_224").state_dict(), r"does not fit test_vit:\n  .*has shape"),
            (donor("test_vit2").state_dict(), r"does not fit test_vit:\n  missing cls_token"),
            (donor("resnet18").state_dict(), r"does not fit test_vit"),
            ({"a": torch.zeros(2)}, r"does not fit test_vit.*begins with a"),
        ]
    ):
        path = tmp_path / f"{index}.safetensors"
        save_file(content, path)
        with pytest.raises(CheckpointError, match=f"(?s){message}.*model.backbone.model"):
            load_timm_weights(backbone, str(path))
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_partial_takes_what_fits_and_reports_the_rest(tmp_path: Path) -> None:
    state = donor("test_vit", num_classes=0).state_dict()
    del state["blocks.5.mlp.fc2.bias"]
    state["surplus"] = torch.zeros(1)
    save_file(state, tmp_path / "w.safetensors")
    backbone = TimmBackbone("test_vit")
    with pytest.raises(CheckpointError, match=r"missing blocks\.5\.mlp\.fc2\.bias"):
        load_timm_weights(backbone, str(tmp_path / "w.safetensors"))
    report = load_timm_weights(backbone, str(tmp_path / "w.safetensors"), "partial")
    assert report.fresh == ("blocks.5.mlp.fc2.bias",)
    assert report.unused == ("surplus",)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"tim is no file, nor one of timm, lite, none"):
        load_timm_weights(TimmBackbone("test_vit"), "tim")


def test_without_a_network_the_hubs_weights_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    backbone = TimmBackbone("test_vit.r160_in1k")
    with pytest.raises(CheckpointError, match=r"could not get the weights.*model\.weights=FILE"):
        load_timm_weights(backbone, "timm")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"backbone": {"name": "timm", "model": "test_vit"}, "weights": "torchvision"}, "use timm"),
        ({"weights": "timm"}, "use ibn_net, torchvision"),
        ({"backbone": {"name": "timm", "model": "test_vit", "ibn": "c"}}, r"model\.backbone\.ibn:"),
        ({"backbone": {"name": "timm"}}, r"model\.backbone\.model: missing; give text"),
        (
            {"backbone": {"name": "timm", "model": "test_vit", "tunning": "lora"}},
            r"model\.backbone\.tunning: unknown key; did you mean 'tuning'",
        ),
        ({"backbone": {"name": "resnet18", "ibn_stage": [1]}}, "did you mean 'ibn_stages'"),
        ({"backbone": {"lora_alpha": 2}}, r"lora_alpha: unknown key"),
        ({"backbone": {"name": "resnet19"}}, r"model\.backbone\.name: must be resnet18"),
    ],
)
def test_configs_of_either_kind_are_checked_as_what_they_are(model: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate({"name": "a", "data": {"train": {"name": "gta5"}}, "model": model}, "a.yaml")
