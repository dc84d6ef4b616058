"""Instance-batch normalisation, the building block of IBN-Net (Pan et al., ECCV 2018, section 3).

In and out: (N, C, h, w) float. Instance statistics are those of the single image, in training and
in evaluation alike, so a network with them sees a crop and a whole frame differently.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InstanceNorm2d(nn.InstanceNorm2d):
    """Affine instance normalisation that keeps the memory layout of its input.

    The same parameters and result as `nn.InstanceNorm2d(channels, affine=True)`. That class copies
    a channels-last input to channels-first and back, which costs more than the normalisation
    itself on a CPU; one group per channel of `group_norm` is the same formula without the copies.
    It also accepts a feature map of a single pixel, where it returns the bias.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each channel of each image over its pixels; (N, C, h, w) in and out."""
        if x.device.type == "cpu":
            # The CPU's channels-last kernel takes the variance as a difference of large sums and
            # loses digits where the mean outweighs the spread. Any constant may be taken off
            # first: neither the result nor the gradient depends on it.
            x = x - x.detach().mean(dim=(2, 3), keepdim=True)
        out = F.group_norm(x, self.num_features, self.weight, self.bias, self.eps)
        # Autocast computes group norms in float32; what follows shall not pay for that.
        return out.to(x.dtype)


class InstanceBatchNorm2d(nn.Module):
    """Instance-normalises the first share of the channels and batch-normalises the rest.

    The sub-modules are called `IN` and `BN` as in the published weights. A half without channels
    does not exist: ratio 0 is plain batch, ratio 1 plain instance normalisation.

    Args:
        channels: C.
        ratio: share of instance-normalised channels, 0..1; floor(C * ratio) channels get it.
    """

    def __init__(self, channels: int, ratio: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"ratio is a share of the channels and lies in 0..1, got {ratio}")
        self.num_instance = int(channels * ratio)
        self.num_batch = channels - self.num_instance
        self.IN = InstanceNorm2d(self.num_instance) if self.num_instance else None
        self.BN = nn.BatchNorm2d(self.num_batch) if self.num_batch else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalises (N, C, h, w); the order of the channels stays."""
        if self.IN is None:
            return self.BN(x)
        if self.BN is None:
            return self.IN(x)
        instance, batch = torch.split(x, [self.num_instance, self.num_batch], dim=1)
        return torch.cat([self.IN(instance), self.BN(batch)], dim=1)
