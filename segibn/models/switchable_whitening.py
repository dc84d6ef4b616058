"""Switchable whitening: a norm that learns which statistics it whitens or standardises by.

Pan et al., ICCV 2019, arXiv 1904.09739, section 3. Mean and covariance of every group of 16
channels are mixed from those of five norms, each mix with its own softmaxed weights:

    bw  batch whitening        covariance over the batch
    iw  instance whitening     covariance over the pixels of the image
    bn  batch norm             its diagonal
    in  instance norm          its diagonal
    ln  layer norm             one variance over all channels of the image

The inverse square root is found by Newton's iteration (Huang et al., CVPR 2019).
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

STATISTICS = ("bw", "iw", "bn", "in", "ln")
_OF_BATCH = {"bw", "bn"}


class SwitchableWhitening2d(nn.Module):
    """Whitens groups of channels by a learnt mix of statistics; the batch is that of all ranks.

    `momentum` is its share in the running statistics; the authors' 0.99 is that of the old ones.
    """

    def __init__(
        self,
        channels: int,
        group_channels: int = 16,
        statistics: tuple[str, ...] = STATISTICS,
        *,
        iterations: int = 5,
        eps: float = 1e-5,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        if channels % group_channels:
            raise ValueError(f"{channels} channels are no multiple of {group_channels} a group")
        if not statistics or not set(statistics) <= set(STATISTICS):
            raise ValueError(f"statistics are among {', '.join(STATISTICS)}, got {statistics}")
        self.groups, self.group_channels = channels // group_channels, group_channels
        self.statistics, self.iterations = statistics, iterations
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mean_logits = nn.Parameter(torch.zeros(len(statistics)))
        self.covariance_logits = nn.Parameter(torch.zeros(len(statistics)))
        self.register_buffer("running_mean", torch.zeros(channels))
        identity = torch.eye(group_channels).expand(self.groups, -1, -1)
        self.register_buffer("running_covariance", identity.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape, dtype and layout."""
        dtype = x.dtype if x.dtype == torch.float64 else torch.float32
        with torch.autocast(x.device.type, enabled=False):  # covariances need the digits
            values = x.to(dtype).reshape(len(x), self.groups, self.group_channels, -1)
            mean, covariance = self._mixed(values)
            whitening = inverse_square_root(covariance, self.iterations)
            scale = self.weight.view(self.groups, -1, 1) * whitening
            out = scale @ (values - mean) + self.bias.view(self.groups, -1, 1)
        out = out.view(x.shape).to(x.dtype)
        if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            out = out.contiguous(memory_format=torch.channels_last)
        return out

    def _mixed(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed mean (N, G, g, 1) and covariance (N, G, g, g) of ``values`` (N, G, g, pixels)."""
        pixels = values.shape[-1]
        mean = values.mean(-1, keepdim=True)
        centred = values - mean
        covariance = centred @ centred.mT / pixels
        diagonal = torch.eye(self.group_channels, dtype=values.dtype, device=values.device)
        means, covariances = {"iw": mean}, {"iw": covariance}
        if _OF_BATCH & set(self.statistics):
            means["bw"], covariances["bw"] = self._batch_moments(mean, covariance)
        for diagonal_of, name in (("bw", "bn"), ("iw", "in")):
            if name in self.statistics:
                means[name] = means[diagonal_of]
                covariances[name] = covariances[diagonal_of] * diagonal
        if "ln" in self.statistics:
            means["ln"] = mean.mean((1, 2), keepdim=True)
            variances = covariance.diagonal(dim1=-2, dim2=-1)[..., None]
            total = (variances + (mean - means["ln"]).square()).mean((1, 2), keepdim=True)
            covariances["ln"] = total * diagonal
        shares = (self.mean_logits, self.covariance_logits)
        mean_shares, covariance_shares = (logits.to(values.dtype).softmax(0) for logits in shares)
        mixed_mean = torch.zeros_like(mean)
        mixed_covariance = self.eps * diagonal.expand_as(covariance)
        for k, name in enumerate(self.statistics):
            mixed_mean = mixed_mean + mean_shares[k] * means[name]
            mixed_covariance = mixed_covariance + covariance_shares[k] * covariances[name]
        return mixed_mean, mixed_covariance

    def _batch_moments(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """(G, g, 1) and (G, g, g) of the batch from each image's, or the running ones."""
        if not self.training:
            running_mean = self.running_mean.view(self.groups, -1, 1)
            return running_mean.to(mean.dtype), self.running_covariance.to(mean.dtype)
        images = _over_ranks(mean.new_tensor(float(len(mean))))
        batch_mean = _over_ranks(mean.sum(0)) / images
        offsets = mean - batch_mean
        batch_covariance = _over_ranks((covariance + offsets @ offsets.mT).sum(0)) / images
        with torch.no_grad():
            self.running_mean.lerp_(batch_mean.flatten().to(self.running_mean), self.momentum)
            covariance = batch_covariance.to(self.running_covariance)
            self.running_covariance.lerp_(covariance, self.momentum)
        return batch_mean, batch_covariance


def inverse_square_root(matrices: Tensor, iterations: int) -> Tensor:
    """Newton's iteration for `matrices ** -0.5` (..., g, g), from matrices over their trace."""
    trace = matrices.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    identity = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    product, root = matrices / trace, identity.expand_as(matrices)
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * product
        # root @ matrices / trace @ root, carried along: computed anew each time it would gather
        # rounding errors that grow once it is near the identity.
        product = step @ product @ step
        root = step @ root
    return root * trace.rsqrt()


def _over_ranks(local: Tensor) -> Tensor:
    """The sum over ranks, through which gradients flow."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return local
    return all_reduce(local)
