import torch

from segibn.models.perturb.statistics import happens, mixing_shares


def test_shares_have_the_moments_of_a_symmetric_beta_distribution() -> None:
    torch.manual_seed(0)
    for alpha in (0.1, 2.0):
        shares = mixing_shares(20_000, alpha, torch.device("cpu"))
        assert shares.shape == (20_000, 1, 1, 1)
        assert shares.min() >= 0
        assert shares.max() <= 1
        assert abs(shares.mean() - 0.5) < 0.015
        assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.005


def test_it_happens_as_often_as_said_and_never_and_always_are_exact() -> None:
    torch.manual_seed(0)
    assert abs(sum(happens(0.3) for _ in range(4000)) / 4000 - 0.3) < 0.03
    assert not any(happens(0.0) for _ in range(200))
    assert all(happens(1.0) for _ in range(200))
