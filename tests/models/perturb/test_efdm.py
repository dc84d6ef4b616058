import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.models.perturb.efdm import EFDMix, mix_sorted_values


def _features(count: int, seed: int = 1) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.gamma(rng.uniform(0.5, 3, (count, 4, 1, 1)), size=(count, 4, 5, 6)))


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().flatten(2).numpy()


PARTNER = torch.tensor([2, 0, 1])
SHARE = torch.tensor([0.25, 0.0, 0.6], dtype=torch.float64).view(3, 1, 1, 1)


def test_sorted_values_are_the_mix_of_sorted_values_and_ranks_stay() -> None:
    feature = _features(3)
    mixed = mix_sorted_values(feature, PARTNER, SHARE)
    own, values = SHARE.flatten(2).numpy(), np.sort(_flat(feature))
    expected = own * values + (1 - own) * values[PARTNER]
    np.testing.assert_allclose(np.sort(_flat(mixed)), expected, rtol=1e-12)
    np.testing.assert_array_equal(_flat(mixed).argsort(-1), _flat(feature).argsort(-1))


def test_equal_values_are_ranked_in_raster_order() -> None:
    feature = torch.tensor([[0.0, 0.0, 5.0, 0.0], [4.0, 3.0, 2.0, 1.0]]).view(2, 1, 2, 2)
    mixed = mix_sorted_values(feature, torch.tensor([1, 0]), torch.zeros(2, 1, 1, 1))
    assert mixed.flatten(1).tolist() == [[1.0, 2.0, 4.0, 3.0], [5.0, 0.0, 0.0, 0.0]]


def test_gradients_go_straight_through_and_to_the_partner_by_rank() -> None:
    feature = _features(3).requires_grad_()
    upstream = _features(3, seed=2) - 1
    mix_sorted_values(feature, PARTNER, SHARE).backward(upstream)
    x, g, own = _flat(feature), _flat(upstream), SHARE.flatten().numpy()
    expected = g.copy()
    for sample, partner in enumerate(PARTNER.tolist()):
        for channel in range(4):
            rank = x[sample, channel].argsort().argsort()
            source = x[partner, channel].argsort()[rank]
            np.add.at(expected[partner, channel], source, (1 - own[sample]) * g[sample, channel])
    np.testing.assert_allclose(_flat(feature.grad), expected, rtol=1e-12)


def test_layout_does_not_matter_and_is_kept() -> None:
    feature = _features(3).float()
    last = feature.contiguous(memory_format=torch.channels_last)
    mixed = mix_sorted_values(last, PARTNER, SHARE.float())
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(mixed, mix_sorted_values(feature, PARTNER, SHARE.float()))


def test_a_batch_is_mixed_within_itself() -> None:
    feature = _features(6)
    torch.manual_seed(0)
    mixed = EFDMix(probability=1.0, alpha=5.0)(feature)
    assert not torch.allclose(mixed, feature)
    # Each value is a mean of one of its own channel and one of another sample's same channel.
    assert (mixed.amax((0, 2, 3)) <= feature.amax((0, 2, 3))).all()
    assert (mixed.amin((0, 2, 3)) >= feature.amin((0, 2, 3))).all()
    np.testing.assert_array_equal(_flat(mixed).argsort(-1), _flat(feature).argsort(-1))


@pytest.mark.parametrize(("probability", "count"), [(0.0, 4), (1.0, 1)])
def test_without_chance_or_partner_nothing_happens(probability: float, count: int) -> None:
    feature = _features(count)
    assert EFDMix(probability, alpha=0.1)(feature) is feature
