"""Batch norm over all ranks' images on any device; torch's `SyncBatchNorm` takes CUDA only."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from segibn.errors import ConfigError
from segibn.models.ibn import sum_over_ranks, update_running
from segibn.models.share_norm import InstanceShareNorm2d


class SyncBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose training statistics are those of all ranks' batches together."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape and dtype; runs on every rank."""
        if not self.training or not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(x)
        values = x if x.dtype == torch.float64 else x.float()
        count = values.new_tensor([x.numel() // x.shape[1]], dtype=torch.float64)
        dist.all_reduce(count)
        total = count.to(values.dtype)
        mean = sum_over_ranks(values.sum((0, 2, 3))) / total
        centred = values - mean[:, None, None]  # first: a difference of large sums loses digits
        variance = sum_over_ranks(centred.square().sum((0, 2, 3))) / total
        update_running(self, mean, variance, total)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronize_batch_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """Let every batch norm use all ranks' statistics, in place: torch's way on CUDA, else ours."""
    for module in model.modules():
        if isinstance(module, InstanceShareNorm2d):
            module.is_synchronized = True
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    fused = [norm for norm in norms if type(norm).__module__.startswith("timm.")]
    if fused and device.type == "cuda":
        from timm.layers import convert_sync_batchnorm  # torch's would drop the activations

        return convert_sync_batchnorm(model)
    if any(module.training for module in fused):
        raise ConfigError(
            f"model.backbone: {type(fused[0]).__name__} of timm is synchronised over processes on "
            "CUDA only; train in one process, or with model.backbone.tuning frozen or lora"
        )
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for norm in norms:
        if type(norm) is nn.BatchNorm2d:
            norm.__class__ = SyncBatchNorm2d
    return model
