"""Learning rate against closed formulas and torch's schedulers; members of parameter groups."""

import math

import pytest
import torch
from torch import nn

from segibn.builders.models import build_segmenter
from segibn.config.backbones import BackboneConfig
from segibn.config.model import AuxHeadConfig, ModelConfig
from segibn.config.schema import OptimConfig
from segibn.engine.optim import build_optimizer, learning_rate_factor, set_learning_rate
from segibn.errors import ConfigError
from segibn.models.catalog import BACKBONES, family_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [(0, 0.2), (3, 0.8 * 0.97**0.9), (4, 0.96**0.9), (50, 0.5**0.9), (99, 0.01**0.9), (100, 0)],
)
def test_poly_schedule_with_warm_up(iteration: int, expected: float) -> None:
    config = OptimConfig(iterations=100, warmup_iterations=4, poly_power=0.9)
    assert learning_rate_factor(iteration, config) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [
        (0, 0.1 + 0.9 / 5),
        (3, (0.1 + 0.9 * 4 / 5) * (0.2 + 0.8 * (1 + math.cos(0.03 * math.pi)) / 2)),
        (4, 0.2 + 0.8 * (1 + math.cos(0.04 * math.pi)) / 2),
        (50, 0.6),
        (100, 0.2),
    ],
)
def test_cosine_schedule_with_warm_up_and_floor(iteration: int, expected: float) -> None:
    config = OptimConfig(iterations=100, schedule="cosine", min_lr_factor=0.2, warmup_iterations=4, warmup_factor=0.1)
    assert learning_rate_factor(iteration, config) == pytest.approx(expected, rel=1e-12)


def test_poly_schedule_ends_at_its_floor() -> None:
    config = OptimConfig(iterations=10, min_lr_factor=0.1)
    assert learning_rate_factor(10, config) == pytest.approx(0.1)
    assert learning_rate_factor(5, config) == pytest.approx(0.1 + 0.9 * 0.5**0.9)


@pytest.mark.parametrize("schedule", ["poly", "cosine"])
def test_schedule_is_that_of_torch(schedule: str) -> None:
    floor = 0.05 if schedule == "cosine" else 0.0
    config = OptimConfig(iterations=20, lr=0.3, schedule=schedule, min_lr_factor=floor)
    ours = build_optimizer(nn.Linear(2, 2), config, CPU)
    theirs = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3)
    schedulers = torch.optim.lr_scheduler
    scheduler = (
        schedulers.PolynomialLR(theirs, total_iters=20, power=0.9)
        if schedule == "poly"
        else schedulers.CosineAnnealingLR(theirs, T_max=20, eta_min=0.3 * floor)
    )
    for iteration in range(20):
        set_learning_rate(ours, iteration, config)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
        theirs.step()
        scheduler.step()


def build(backbone: str, ibn: str = "none") -> nn.Module:
    """A segmenter with an auxiliary head whose tensors have shapes and names, but no values."""
    config = ModelConfig(backbone=BackboneConfig(name=backbone, ibn=ibn, output_stride=16), aux_head=AuxHeadConfig())
    with torch.device("meta"):
        return build_segmenter(config, 3)


def settings(model: nn.Module, config: OptimConfig) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay by parameter name; fails if a parameter has two groups."""
    optimizer = build_optimizer(model, config, torch.device("meta"))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    grouped = [
        (names[id(parameter)], (group["initial_lr"], group["weight_decay"]))
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(grouped) == len(dict(grouped)) == len(names)
    return dict(grouped)


def group_names(model: nn.Module, config: OptimConfig) -> list[list[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optimizer(model, config, torch.device("meta")).param_groups
    return [[names[id(parameter)] for parameter in group["params"]] for group in groups]


@pytest.mark.parametrize("backbone", ["resnet18", "densenet121"])
def test_default_groups_are_backbone_and_heads_in_the_order_of_the_network(backbone: str) -> None:
    model = build(backbone, "a")
    names = [name for name, _ in model.named_parameters()]
    in_backbone = [name for name in names if name.startswith("backbone.")]
    in_heads = [name for name in names if name.startswith(("head.", "aux_head."))]
    assert group_names(model, OptimConfig()) == [in_backbone, in_heads]
    assert set(settings(model, OptimConfig()).values()) == {(0.01, 1e-4)}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_parameter_has_one_group_and_vectors_are_not_decayed(backbone: str) -> None:
    model = build(backbone, family_of(backbone).ibn[1])
    config = OptimConfig(lr=0.1, head_lr_factor=10, weight_decay=0.5, decay_norms_and_biases=False, layer_decay=0.5)
    found = settings(model, config)
    for name, parameter in model.named_parameters():
        lr, decay = found[name]
        # Norm parameters and biases are what has one dimension, whatever the module is called.
        assert decay == (0.5 if parameter.ndim > 1 else 0.0), name
        assert (lr == 1.0) == (not name.startswith("backbone.")), name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_learning_rates_rise_through_the_five_stages_of_every_backbone(backbone: str) -> None:
    model = build(backbone)
    found = settings(model, OptimConfig(lr=1.0, layer_decay=0.5))
    rates = [found[name][0] for name, _ in model.named_parameters()]  # in the order of the network
    assert rates == sorted(rates)
    stages = {1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1}
    # ShuffleNetV2's layer1 is its stem.
    assert set(rates) == (stages - {1 / 16} if backbone == "shufflenet_v2" else stages)


@pytest.mark.parametrize(
    ("backbone", "name", "power"),
    [
        ("resnet50", "backbone.conv1.weight", 5),
        ("resnet50", "backbone.bn1.bias", 5),
        ("resnet50", "backbone.layer1.0.conv1.weight", 4),
        ("resnet50", "backbone.layer3.5.bn1.IN.weight", 2),
        ("se_resnet50", "backbone.layer4.2.se.fc.0.weight", 1),
        ("densenet121", "backbone.features.conv0.weight", 5),
        ("densenet121", "backbone.features.denseblock2.denselayer3.norm1.weight", 3),
        ("densenet121", "backbone.features.transition2.conv.weight", 3),
        ("densenet121", "backbone.features.norm5.weight", 1),
        ("mobilenet_v2", "backbone.features.0.1.weight", 5),
        ("mobilenet_v2", "backbone.features.6.conv.1.0.weight", 3),
        ("mobilenet_v2", "backbone.features.7.conv.1.0.weight", 2),
        ("shufflenet_v2", "backbone.stage3.7.branch2.0.weight", 2),
        ("densenet121", "head.classifier.weight", 0),
        ("densenet121", "aux_head.classifier.bias", 0),
    ],
)
def test_layer_decay_counts_stages_from_the_heads(backbone: str, name: str, power: int) -> None:
    model = build(backbone, family_of(backbone).ibn[1])
    found = settings(model, OptimConfig(lr=1.0, layer_decay=0.7))
    assert found[name][0] == pytest.approx(0.7**power, rel=1e-12)


def test_layer_decay_refuses_a_backbone_without_known_stages() -> None:
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Conv2d(3, 4, 1))
    assert len(build_optimizer(model, OptimConfig(), CPU).param_groups) == 1
    with pytest.raises(ConfigError, match=r"optim\.layer_decay: backbone\.0\.weight"):
        build_optimizer(model, OptimConfig(layer_decay=0.9), CPU)


def test_fused_adamw_takes_the_steps_of_the_plain_one_on_a_channels_last_network() -> None:
    torch.manual_seed(0)
    model = build_segmenter(ModelConfig(backbone=BackboneConfig(name="resnet18", ibn="a")), 3)
    model = model.to(memory_format=torch.channels_last).train()
    image = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    model(image).logits.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.stride() == parameter.stride(), name  # the kernel relies upon it
        # Adam divides noise by its own size: compare where the gradient is no noise.
        parameter.grad.add_(parameter.grad.sign(), alpha=1e-3)
    old = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = build_optimizer(model, OptimConfig(name="adamw", lr=1e-3, weight_decay=0.1), CPU)
    plain = torch.optim.AdamW(
        [weight.clone().requires_grad_() for weight in old], lr=1e-3, weight_decay=0.1, fused=False
    )
    for theirs, ours in zip(plain.param_groups[0]["params"], model.parameters(), strict=True):
        theirs.grad = ours.grad.clone()
    assert all(group["fused"] for group in optimizer.param_groups)
    optimizer.step()
    plain.step()
    new = zip(old, model.parameters(), plain.param_groups[0]["params"], strict=True)
    for before, ours, theirs in new:
        torch.testing.assert_close(ours - before, theirs - before, rtol=1e-4, atol=2e-7)
        assert (ours - before).abs().max() > 5e-4


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fused_sgd_takes_the_steps_of_the_formula(momentum: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    model = model.to(memory_format=torch.channels_last)
    config = OptimConfig(lr=0.1, momentum=momentum, weight_decay=0.01)
    optimizer = build_optimizer(model, config, CPU)
    assert all(group["fused"] for group in optimizer.param_groups)
    exact = [parameter.detach().double() for parameter in model.parameters()]
    velocity = [torch.zeros_like(value) for value in exact]
    for _ in range(3):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        grads = [parameter.grad.double() for parameter in model.parameters()]
        optimizer.step()
        # v <- momentum * v + g + decay * w; w <- w - lr * v (Sutskever et al., 2013, as torch).
        slopes = [g + 0.01 * w for g, w in zip(grads, exact, strict=True)]
        velocity = [momentum * v + s for v, s in zip(velocity, slopes, strict=True)]
        exact = [w - 0.1 * v for w, v in zip(exact, velocity, strict=True)]
    for parameter, value in zip(model.parameters(), exact, strict=True):
        torch.testing.assert_close(parameter.double(), value, atol=1e-6, rtol=0)


def test_layer_decay_reaches_the_blocks_of_a_transformer_of_timm() -> None:
    backbone = {"name": "timm", "model": "test_vit2"}  # eight blocks, a feature every second one
    tree = {"backbone": backbone, "head": {"name": "linear"}}
    model = build_segmenter(ModelConfig.model_validate(tree), 3)
    config = OptimConfig(name="adamw", layer_decay=0.5, decay_norms_and_biases=False)
    groups = build_optimizer(model, config, torch.device("cpu")).param_groups
    found = {id(p): group for group in groups for p in group["params"]}
    network = model.backbone.network
    depth = len(network.blocks)
    for index, block in enumerate(network.blocks):
        stage = 1 + index * 4 // depth
        group = found[id(block.mlp.fc1.weight)]
        assert group["initial_lr"] == config.lr * 0.5 ** (5 - stage)
        assert group["weight_decay"] == config.weight_decay
        assert found[id(block.ls1.gamma)]["weight_decay"] == 0
    assert found[id(network.patch_embed.proj.weight)]["initial_lr"] == config.lr * 0.5**5
    assert found[id(model.head.classifier.weight)]["initial_lr"] == config.lr
