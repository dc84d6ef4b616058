"""Optimiser and learning rate, both functions of the config and of the iteration alone."""

import torch
from torch import nn

from segibn.config.schema import OptimConfig

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def build_optimizer(
    model: nn.Module, config: OptimConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Build SGD or AdamW over up to four groups: backbone or heads, decayed or not.

    Each group keeps ``initial_lr``, from which ``set_learning_rate`` works. The fused
    implementation is used on CUDA.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for module_name, module in model.named_modules():
        in_head = not module_name.startswith("backbone")
        for name, parameter in module.named_parameters(recurse=False):
            free = isinstance(module, NORMS) or name == "bias"
            decayed = config.decay_norms_and_biases or not free
            groups.setdefault((in_head, decayed), []).append(parameter)
    parameters = [
        {
            "params": members,
            "initial_lr": config.lr * (config.head_lr_factor if in_head else 1.0),
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (in_head, decayed), members in groups.items()
    ]
    fused = device.type == "cuda"
    if config.name == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, fused=fused)
    return torch.optim.AdamW(parameters, lr=config.lr, fused=fused)


def learning_rate_factor(iteration: int, config: OptimConfig) -> float:
    """Return the share of the peak learning rate at an iteration: linear warm-up, then poly.

    The poly schedule counts from iteration 0, so warm-up only cuts its beginning short
    (DeepLab, arXiv 1606.00915, section 3.1).
    """
    poly = (1 - iteration / config.iterations) ** config.poly_power
    warm = min(1.0, (iteration + 1) / (config.warmup_iterations + 1))
    return warm * poly


def set_learning_rate(
    optimizer: torch.optim.Optimizer, iteration: int, config: OptimConfig
) -> float:
    """Set every group's learning rate for this iteration; return the backbone's."""
    factor = learning_rate_factor(iteration, config)
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return config.lr * factor
