"""What prediction asks of a network, whoever made it."""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


class Network(Protocol):
    """A network that ``Predictor`` can run: ours, an exported graph, a wrapper of another's."""

    @property
    def num_classes(self) -> int:
        """K."""

    @property
    def align_corners(self) -> bool:
        """How logits are resized to the frame."""

    @property
    def precisions(self) -> tuple[str, ...]:
        """Number formats it can be run in; an exported graph has its own inside: ("float32",)."""

    def normalize(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB, or float32 of 0..255 -> float32; of averaged networks the first's."""

    def coarse_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) normalised -> (N, K, h, w) logits of any resolution."""

    def to(self, *args: Any, **kwargs: Any) -> "Network":
        """Move to a device, in place, as ``torch.nn.Module.to``."""

    def eval(self) -> "Network":
        """Turn training off, in place."""


@runtime_checkable
class LabelNetwork(Network, Protocol):
    """One that gives label maps alone (``segibn export --labels``); ``coarse_logits`` raises."""

    def label_maps(self, images: Tensor, input_size: tuple[int, int]) -> Tensor:
        """(N, 3, H, W) uint8 RGB, seen at that size -> (N, h, w) uint8 train ids of any size."""
