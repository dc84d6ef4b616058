"""Where a network gets instance normalisation: the variants of IBN-Net as plans for every block.

Pan et al., "Two at Once" (ECCV 2018), section 3.2, figures 3 and 4, and the published networks.

    a   after a block's first convolution, half of the channels are instance-normalised
    a2  the same after the second convolution too ("a x 2")
    b   full instance norm after the addition of a stage's last block, and in the stem
    c   after a block's first convolution, instance and batch norm of all channels side by side,
        so that the second convolution reads twice as many
    d   as b, but on half of the channels; the others pass unchanged
    ad  a and d ("a&d")

At b's places an instance norm may have no weight and bias, as in RobustNet (Choi et al., CVPR 2021).
"""

from dataclasses import dataclass
from typing import Literal

IbnName = Literal["none", "a", "b", "c", "d", "ad", "a2"]
AnyIbnName = Literal["none", "a", "b", "c", "d", "ad", "a2", "share"]
"""With what surgery alone makes (`surgery.py`)."""
InnerNorm = Literal["batch", "split", "parallel"]

_EVERY_BLOCK: dict[str, InnerNorm] = {"a": "split", "a2": "split", "ad": "split", "c": "parallel"}
_LAST_BLOCK = {"b": 1.0, "d": 0.5, "ad": 0.5}


@dataclass(frozen=True)
class BlockNorms:
    """The norms of one residual block."""

    first: InnerNorm = "batch"  # after the first convolution
    second: InnerNorm = "batch"  # after the second convolution: batch norm or IBN
    last: float | None = None  # share of the channels that a norm after the addition takes
    ratio: float = 0.5  # share of instance-normalised channels in an IBN
    affine: bool = True  # whether that norm has weight and bias where it takes all channels
    ease: int = 0


@dataclass(frozen=True)
class IbnPlan:
    """Which norms every block and the stem get."""

    ibn: IbnName = "none"
    stages: tuple[int, ...] | None = None
    """Those (1..4) that get it; None = as in the paper: 1..3 inside blocks, 1, 2 after stages."""
    ratio: float = 0.5  # of norms inside a block, 0..1
    affine: bool = True  # whether b's norms have weight and bias
    ease: int = 0
    """Updates over which a, a2 and b come out of the plain network (`share_norm`); 0 = at once."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.ratio <= 1.0:
            raise ValueError(f"ibn_ratio is a share of the channels and lies in 0..1: {self.ratio}")
        if self.stages is not None and not set(self.stages) <= {1, 2, 3, 4}:
            raise ValueError(f"ibn_stages are among 1, 2, 3, 4: {list(self.stages)}")
        if not self.affine and self.ibn != "b":
            raise ValueError("ibn_affine chooses the norms of ibn b; set ibn to b or leave it out")

    @property
    def stem(self) -> bool:
        """Whether the stem's norm is an instance norm."""
        return self.ibn == "b" and (self.stages is None or 1 in self.stages)

    def block(self, stage: int, *, is_last: bool) -> BlockNorms:
        """The norms of a block of `stage`, 1..4."""
        inside = stage in ((1, 2, 3) if self.stages is None else self.stages)
        after = is_last and stage in ((1, 2) if self.stages is None else self.stages)
        first = _EVERY_BLOCK.get(self.ibn, "batch") if inside else "batch"
        second = "split" if self.ibn == "a2" and inside else "batch"
        last = _LAST_BLOCK.get(self.ibn) if after else None
        return BlockNorms(first, second, last, self.ratio, self.affine, self.ease)
