"""Optimiser and learning rate, both functions of the config and of the iteration alone."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from segibn.config.schema import OptimConfig
from segibn.errors import ConfigError

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)

HEADS = "heads"
_NUM_STAGES = 4


def build_optimizer(
    model: nn.Module, config: OptimConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Build SGD or AdamW over groups by part of the network (see `_part_of`) and by weight decay.

    The groups come in the order of their first parameter, and so do the parameters within: both
    depend on the network and the config alone, since checkpoints number the optimiser's state.
    Each group keeps ``initial_lr``, from which ``set_learning_rate`` works.

    Raises:
        ConfigError: ``layer_decay`` on a backbone whose parameters belong to no known stage.
    """
    groups: dict[tuple[str | int, bool], list[nn.Parameter]] = {}
    stages = _known_stages(model) if config.layer_decay < 1 else {}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            part = _part_of(f"{module_name}.{name}", stages, by_stage=config.layer_decay < 1)
            # Vectors besides are scales of whole layers and biases under other names.
            free = isinstance(module, NORMS) or name == "bias" or parameter.ndim == 1
            decayed = config.decay_norms_and_biases or not free
            groups.setdefault((part, decayed), []).append(parameter)
    parameters = [
        {
            "params": members,
            "initial_lr": config.lr * _lr_factor(part, config),
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (part, decayed), members in groups.items()
    ]
    # The fused CPU kernels assume that a gradient lies in memory as its parameter does: autograd
    # sees to that, who sets ``grad`` by hand must too.
    fused = device.type in ("cuda", "cpu")
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, fused=fused)
    return torch.optim.AdamW(parameters, lr=config.lr, fused=fused)


def _known_stages(model: nn.Module) -> Mapping[str, int]:
    """Name -> stage of the parameters, 0 the stem and 1..4 as layer1..layer4."""
    backbone = getattr(model, "backbone", None)
    if not hasattr(backbone, "stages_of_parameters"):
        return {}
    return {f"backbone.{key}": stage for key, stage in backbone.stages_of_parameters().items()}


def _part_of(name: str, stages: Mapping[str, int], *, by_stage: bool) -> str | int:
    """Which part a parameter belongs to: ``HEADS``, or "backbone", or one of its stages."""
    if not name.startswith("backbone."):
        return HEADS
    if not by_stage:
        return "backbone"
    if name in stages:
        return stages[name]
    raise ConfigError(
        f"optim.layer_decay: {name} is in no stage that is known (stem, layer1 .. layer4); set "
        "optim.layer_decay=1 for this backbone"
    )


def _lr_factor(part: str | int, config: OptimConfig) -> float:
    """Learning rate of a part of the network relative to ``config.lr``."""
    if part == HEADS:
        return config.head_lr_factor
    if part == "backbone":
        return 1.0
    return config.layer_decay ** (_NUM_STAGES + 1 - part)


def learning_rate_factor(iteration: int, config: OptimConfig) -> float:
    """Return the share of the peak learning rate at an iteration: warm-up times poly or cosine.

    Poly: DeepLab (arXiv 1606.00915, section 4). Cosine: SGDR without restarts (arXiv 1608.03983,
    equation 5). Both count from iteration 0, so warm-up only cuts their beginning short.
    """
    done = iteration / config.iterations
    if config.schedule == "poly":
        fall = (1 - done) ** config.poly_power
    else:
        fall = (1 + math.cos(math.pi * done)) / 2
    fall = config.min_lr_factor + (1 - config.min_lr_factor) * fall
    rise = min(1.0, (iteration + 1) / (config.warmup_iterations + 1))
    return (config.warmup_factor + (1 - config.warmup_factor) * rise) * fall


def set_learning_rate(
    optimizer: torch.optim.Optimizer, iteration: int, config: OptimConfig
) -> float:
    """Set every group's learning rate for this iteration; return that of a factor of one."""
    factor = learning_rate_factor(iteration, config)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return config.lr * factor
