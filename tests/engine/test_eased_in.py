"""IBN in a pretrained network through the engine: it eases in, resumes and is read exactly."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from segibn.builders.checkpoints import load_segmenter, read_checkpoint
from segibn.builders.models import build_segmenter
from segibn.config.load import load_config
from segibn.config.model import ModelConfig
from segibn.engine.train import train
from segibn.errors import ConfigError
from segibn.models.resnet import build
from segibn.models.share_norm import Eased

LITE = "model.backbone={name: timm, model: tf_efficientnet_lite0, output_stride: 16}"
KINDS = {
    "lite-share": (LITE, "share"),
    "lite-b": (LITE, "b"),
    "resnet18-a": ("model.backbone.name=resnet18", "a"),
    "resnet18-b": ("model.backbone.name=resnet18", "b"),
}


def losses_of(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines) if "loss" in record]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("weights")
    networks = {"lite": timm.create_model("tf_efficientnet_lite0"), "resnet18": build("resnet18")}
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in networks}


@pytest.mark.parametrize("kind", KINDS)
def test_update_0_is_the_plain_networks_and_a_cut_run_ends_with_the_same_bits(
    kind: str, blocks: Path, blocks_config: Path, pretrained: dict[str, Path], tmp_path: Path
) -> None:
    backbone, ibn = KINDS[kind]
    common = [backbone, f"model.weights={pretrained[kind.split('-')[0]]}", "data.val=null"]
    common += ["engine.checkpoint_every=1", "engine.keep_checkpoints=9", "ema={decay: 0.9}"]
    common += ["optim.iterations=4", "engine.log_every=1"]
    eased = [*common, f"model.backbone.ibn={ibn}", "model.backbone.ibn_ease=3"]
    if kind.startswith("resnet"):
        eased.append("model.weights_match=plain")
        common.append("model.backbone.ibn=none")
    plain = load_config(blocks_config, [*common, "optim.iterations=1"])
    train(plain, datasets_root=blocks, output=tmp_path / "plain")
    config = load_config(blocks_config, eased)
    whole = train(config, datasets_root=blocks, output=tmp_path / "whole").checkpoint
    assert losses_of(tmp_path / "whole")[0] == losses_of(tmp_path / "plain")[0]
    part = whole.with_name("iteration_00000002.pt")
    train(config, datasets_root=blocks, output=tmp_path / "cut", resume=str(part))
    assert losses_of(tmp_path / "cut") == losses_of(tmp_path / "whole")[2:]
    expected = read_checkpoint(whole)["model"]
    found = read_checkpoint(tmp_path / "cut/checkpoints/last.pt")["model"]
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    for path, progress in ((part, 2 / 3), (whole, 1.0)):
        norms = [m for m in load_segmenter(path)[0].modules() if isinstance(m, Eased) and m.ease]
        assert norms
        assert {norm.progress for norm in norms} == {progress}


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"ibn": "a", "ibn_share": 0.2}, "ibn_share belongs to ibn share"),
        ({"ibn": "a", "ibn_where": {"finest": 4}}, "ibn_where belongs to ibn share"),
        ({"ibn": "c", "ibn_ease": 5}, "ibn_ease is for ibn a, a2, b, share"),
        ({"ibn": "none", "ibn_ease": 5}, "ibn_ease is for ibn a, a2, b, share"),
        ({"ibn": "b", "ibn_ease": 5, "ibn_affine": False}, "ibn_ease has no ibn_affine"),
        ({"name": "mobilenet_v2", "ibn": "b", "ibn_ease": 5}, "has no ibn_ease to choose"),
        (
            {"name": "timm", "model": "resnet10t", "ibn": "a", "ibn_where": {"places": ["stem"]}},
            "places belongs to ibn share",
        ),
    ],
)
def test_an_option_that_does_not_apply_is_an_error(backbone: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.model_validate({"backbone": backbone})


def test_a_network_without_batch_norms_is_refused_by_its_config_path() -> None:
    tree = {"backbone": {"name": "timm", "model": "test_vit", "ibn": "share"}}
    model = ModelConfig.model_validate(tree | {"head": {"name": "linear"}})
    with pytest.raises(ConfigError, match=r"model\.backbone: .* has no batch norms but .*LayerNorm"):
        build_segmenter(model, 3)
