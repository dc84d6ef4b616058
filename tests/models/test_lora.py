"""LoRA: starts as the network it wraps, trains only its updates, merges into plain weights."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segibn.builders.models import build_segmenter, for_inference
from segibn.builders.transfer import init_from_checkpoint
from segibn.config.load import validate
from segibn.config.model import ModelConfig
from segibn.config.schema import OptimConfig
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.engine.ema import WeightAverage
from segibn.engine.optim import build_optimizer
from segibn.errors import ConfigError
from segibn.models.lora import LoRA, add_lora, has_lora, merged_state
from segibn.models.segmenter import Segmenter
from segibn.models.timm_backbone import TimmBackbone

# The last one reads the weight of its attention's layer instead of calling the layer.
NAMES = ("test_vit", "convnext_atto", "vit_tiny_patch16_dinov3_qkvb")
CPU = torch.device("cpu")


def config(name: str, **options: object) -> ModelConfig:
    backbone = {"name": "timm", "model": name, **options}
    return ModelConfig.model_validate({"backbone": backbone, "head": {"name": "linear"}})


def segmenter(name: str, **options: object) -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter(config(name, **options), 4)


def image(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, 45, 71, generator=torch.Generator().manual_seed(1))


def moved(network: nn.Module) -> nn.Module:
    """The network with updates that do something."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key.endswith("lora_b"):
                parameter.normal_(std=0.05, generator=generator)
    return network


def test_a_layer_adds_the_scaled_product_of_its_two_thin_matrices() -> None:
    torch.manual_seed(0)
    linear, conv = nn.Linear(6, 5), nn.Conv2d(6, 5, 1)
    pixels = torch.randn(2, 6, 3, 4)
    tokens = pixels.permute(0, 2, 3, 1)
    for layer, x in ((linear, tokens), (conv, pixels)):
        wrapped = moved(LoRA(layer, rank=3, alpha=12.0))
        a, b = wrapped.lora_a.detach(), wrapped.lora_b.detach()
        rows = tokens.reshape(-1, 6)
        weight = layer.weight.reshape(5, 6) + 12.0 / 3 * b @ a
        expected = (rows @ weight.T + layer.bias).reshape(2, 3, 4, 5)
        found = wrapped(x) if layer is linear else wrapped(x).permute(0, 2, 3, 1)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(wrapped.weight.reshape(5, 6), weight)
        assert wrapped.weight.shape == layer.weight.shape


def test_the_first_matrix_keeps_the_spread_and_the_second_starts_at_zero() -> None:
    torch.manual_seed(0)
    wrapped = LoRA(nn.Linear(400, 300), rank=16, alpha=8.0)
    assert abs(wrapped.lora_a.std().item() * math.sqrt(400) - 1) < 0.05
    assert wrapped.lora_b.count_nonzero() == 0
    assert wrapped.lora_scale == 0.5


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_network_starts_as_without_it(name: str) -> None:
    plain, wrapped = segmenter(name), segmenter(name, tuning="lora")
    wrapped.head.load_state_dict(plain.head.state_dict())
    assert any(isinstance(module, LoRA) for module in wrapped.modules())
    base = plain.backbone.state_dict()
    assert merged_state(wrapped.backbone.state_dict()).keys() == base.keys()
    x = image()
    assert torch.equal(wrapped.eval()(x).logits, plain.eval()(x).logits)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_merged_weights_compute_the_same_in_the_plain_network(name: str) -> None:
    wrapped = moved(segmenter(name, tuning="lora", lora_rank=4, lora_alpha=2.0)).eval()
    nn.init.normal_(wrapped.head.classifier.weight)
    expected, x = wrapped(image()).logits, image()
    plain = build_segmenter(for_inference(config(name, tuning="lora")), 4).eval()
    state = wrapped.state_dict()
    plain.load_state_dict(merged_state(state))
    torch.testing.assert_close(plain(x).logits, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(segmenter(name).eval()(x).logits, expected, atol=1e-2)
    assert has_lora(state)
    assert not has_lora(plain.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_only_updates_and_head_get_gradients_and_are_in_the_optimiser(name: str) -> None:
    model = segmenter(name, tuning="lora").train()
    nn.init.normal_(model.head.classifier.weight)
    model(image()).logits.square().sum().backward()
    trained = {key for key, p in model.named_parameters() if p.requires_grad}
    assert trained == {k for k in dict(model.named_parameters()) if "lora_" in k or "head" in k}
    for key, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (key in trained), key
    optimizer = build_optimizer(model, OptimConfig(name="adamw", layer_decay=0.9), CPU)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for key, p in model.named_parameters() if key in trained}


def test_layers_narrower_than_the_rank_and_other_convolutions_stay_as_they_are() -> None:
    network = nn.Sequential(
        nn.Linear(8, 3),
        nn.Linear(8, 4),
        nn.Conv2d(8, 8, 1, groups=2),
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(8, 8, 1, stride=2),
        nn.Conv2d(8, 8, 1),
    )
    assert add_lora(network, rank=4, alpha=4.0) == 2
    assert [isinstance(module, LoRA) for module in network] == [False, True, *[False] * 3, True]


def test_a_network_without_such_layers_is_refused() -> None:
    backbone = TimmBackbone("resnet18")  # one-by-one convolutions of stride 2 alone
    with pytest.raises(ConfigError, match="use full or frozen"):
        backbone.set_tuning("lora")


@pytest.mark.parametrize("tuning", ["frozen", "lora"])
def test_frozen_weights_and_statistics_stay_bit_identical(tuning: str) -> None:
    # with batch norms, dropout by depth and 1x1 convolutions
    model = segmenter("efficientnet_b0", tuning=tuning)
    average = WeightAverage(model, 0.9)
    before = copy.deepcopy(merged_keys(model))
    optimizer = build_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.1), CPU)
    model.eval()
    for _ in range(2):
        model.train()
        F.cross_entropy(model(image()).logits, torch.zeros(2, 45, 71, dtype=torch.int64)).backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update(model)
    for after in (merged_keys(model), merged_keys(average.model)):
        for key, value in before.items():
            assert torch.equal(after[key], value), key
    assert model.head.training
    assert not model.head.norm.running_mean.eq(0).all()
    assert not any(m.training for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d))


def merged_keys(model: Segmenter) -> dict[str, torch.Tensor]:
    """What of a backbone is not LoRA's."""
    return {k: v for k, v in model.backbone.state_dict().items() if "lora_" not in k}


def test_a_frozen_backbone_keeps_no_activations_and_is_deterministic_in_training() -> None:
    model = segmenter("efficientnet_b0", tuning="frozen").train()
    features = [model.backbone(image())["layer4"] for _ in range(2)]
    assert not features[0].requires_grad
    assert torch.equal(*features)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 4}, "lora_rank belongs to tuning lora"),
        ({"tuning": "frozen", "lora_alpha": 4}, "lora_alpha belongs to tuning lora"),
    ],
)
def test_options_of_lora_without_it_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config("test_vit", **options)


@pytest.mark.parametrize("first", ["full", "lora"])
@pytest.mark.parametrize("then", ["full", "lora"])
@torch.no_grad()
def test_a_training_starts_from_a_checkpoint_with_or_without_updates(first: str, then: str, tmp_path: Path) -> None:
    source = moved(segmenter("test_vit", tuning=first)).eval()
    nn.init.normal_(source.head.classifier.weight)
    data, names = {"train": {"name": "gta5"}}, ("a", "b", "c", "d")
    model_tree = config("test_vit", tuning=first).model_dump()
    run = validate({"name": "run", "data": data, "model": model_tree}, "run.yaml")
    table = ClassTable("own", names, [[0, 0, index] for index in range(4)])
    path = tmp_path / "last.pt"
    save_checkpoint(path, model=source, config=run, classes=table, iteration=1, training=None)
    torch.manual_seed(5)
    target = build_segmenter(config("test_vit", tuning=then), 4).eval()
    report = init_from_checkpoint(target, path, names)
    torch.testing.assert_close(target(image()).logits, source(image()).logits, atol=1e-4, rtol=1e-4)
    assert not report.unused
    assert bool(report.fresh) == (first == "full" and then == "lora")
