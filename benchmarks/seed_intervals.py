"""Scores of one recipe trained with several seeds: mean, spread, and an interval over frames.

In: the counts of each frame for each seed. Out: the mean over the seeds of mIoU, its sample
standard deviation, and a percentile bootstrap interval (Efron 1979) in which every resample scores
all seeds on the same frames drawn with replacement. The spread says what another training would
give, the interval what other frames would.

Legend: S seeds, n frames, K classes, B resamples; counts (S, n, 4, K) as in ``frame_counts``.
"""

from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from segibn.errors import SegibnError
from segibn.evaluation.metrics import Floats, miou_of
from segibn.evaluation.resampling import Resampling, quantile_bounds, resampled_sums


@dataclass(frozen=True, eq=False)
class SeedScores:
    """mIoU of one recipe on one set, or the mean over several sets.

    Attributes:
        miou: (S,) of each seed, on all frames.
        resampled: (B,) mean over the seeds, on each resample of the frames.
    """

    miou: Floats
    resampled: Floats

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.miou)

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds, 0 of one seed."""
        return stdev(self.miou.tolist()) if len(self.miou) > 1 else 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Lower and upper bound of the mean over the seeds."""
        low, high = quantile_bounds(self.resampled, level)
        return float(low), float(high)

    def __sub__(self, other: "SeedScores") -> "SeedScores":
        """Difference to a recipe trained with the same seeds, on the same draws of the frames."""
        return SeedScores(self.miou - other.miou, self.resampled - other.resampled)


def seed_scores(counts: NDArray[np.int64], policy: str = "cityscapes", how: Resampling | None = None) -> SeedScores:
    """Score every seed on all frames and on B resamples of them.

    Equal ``n`` and ``how`` draw the same frames, so that scores of two recipes on one set may be
    subtracted.

    Args:
        counts: (S, n, 4, K), n at least 2, the same frames in the same order for each seed.
        policy: key in ``metrics.POLICIES``.
        how: None = the defaults.
    """
    if np.ndim(counts) != 4 or not len(counts):
        raise SegibnError(f"counts of seeds and frames are (S, n, 4, K); got {np.shape(counts)}")
    sums = resampled_sums(np.moveaxis(counts, 0, 1), how or Resampling())
    return SeedScores(miou_of(counts.sum(axis=1), policy), miou_of(sums, policy).mean(axis=1))


def mean_of_sets(scores: list[SeedScores]) -> SeedScores:
    """Average one recipe's scores over several sets, whose frames are drawn independently."""
    return SeedScores(np.mean([one.miou for one in scores], axis=0), np.mean([one.resampled for one in scores], axis=0))
