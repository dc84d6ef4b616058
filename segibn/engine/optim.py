"""Optimiser and learning rate, both functions of the config and of the iteration alone."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from segibn.config.schema import OptimConfig
from segibn.errors import ConfigError

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_NUM_STAGES = 4
RANGE = 1e5  # between the highest and the lowest learning rate of a range test


def build_optimizer(model: nn.Module, config: OptimConfig, device: torch.device) -> torch.optim.Optimizer:
    """Build SGD or AdamW over groups by part of the network and by weight decay.

    Groups, and parameters within, are in the network's order: checkpoints number the state so.
    ConfigError: ``layer_decay`` on a backbone whose parameters belong to no known stage.
    """
    groups: dict[tuple[str | int, float, bool], dict[str, Any]] = {}
    backbone = getattr(model, "backbone", None)
    told = hasattr(backbone, "stages_of_parameters") and config.layer_decay < 1
    stages = backbone.stages_of_parameters() if told else {}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            part, factor = _part_of(f"{module_name}.{name}", stages, config)
            # Vectors besides are scales of whole layers and biases under other names.
            free = isinstance(module, NORMS) or name == "bias" or parameter.ndim == 1
            decayed = config.decay_norms_and_biases or not free
            decay = config.weight_decay if decayed else 0.0
            group = {"params": [], "initial_lr": config.lr * factor, "weight_decay": decay}
            groups.setdefault((part, factor, decayed), group)["params"].append(parameter)
    parameters = list(groups.values())
    # The fused CPU kernels assume that a gradient lies in memory as its parameter does: autograd
    # sees to that, who sets ``grad`` by hand must too.
    fused = device.type in ("cuda", "cpu")
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, fused=fused)
    return torch.optim.AdamW(parameters, lr=config.lr, fused=fused)


def _part_of(name: str, stages: Mapping[str, int], config: OptimConfig) -> tuple[str | int, float]:
    """A parameter's part and learning rate factor; ``stages``: 0 the stem, 1..4 layer1..layer4."""
    if not name.startswith("backbone."):
        return "heads", config.head_lr_factor
    if config.layer_decay == 1:
        return "backbone", 1.0
    stage = stages.get(name.removeprefix("backbone."))
    if stage is None:
        raise ConfigError(
            f"optim.layer_decay: {name} is in no stage that is known (stem, layer1 .. layer4); set "
            "optim.layer_decay=1 for this backbone"
        )
    return stage, config.layer_decay ** (_NUM_STAGES + 1 - stage)


def learning_rate_factor(iteration: int, config: OptimConfig) -> float:
    """Return the share of the peak learning rate at an iteration: warm-up times poly or cosine.

    Poly: DeepLab (arXiv 1606.00915, section 4). Cosine: SGDR without restarts (arXiv 1608.03983,
    equation 5). Both count from iteration 0, so warm-up only cuts their beginning short.
    """
    done = iteration / config.iterations
    if config.schedule == "range":
        return RANGE ** (done - 1)
    fall = (1 - done) ** config.poly_power if config.schedule == "poly" else (1 + math.cos(math.pi * done)) / 2
    fall = config.min_lr_factor + (1 - config.min_lr_factor) * fall
    rise = min(1.0, (iteration + 1) / (config.warmup_iterations + 1))
    return (config.warmup_factor + (1 - config.warmup_factor) * rise) * fall


def set_learning_rate(optimizer: torch.optim.Optimizer, iteration: int, config: OptimConfig) -> float:
    """Set every group's learning rate for this iteration; return that of a factor of one."""
    factor = learning_rate_factor(iteration, config)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return config.lr * factor
