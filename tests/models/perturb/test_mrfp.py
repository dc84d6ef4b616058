import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.models.perturb.mrfp import HighResolutionPerturbation, MultiResolutionPerturbation, overcomplete
from segibn.models.perturb.np_plus import NormalizationPerturbation

# Dilation and size relative to the feature, stage by stage, as in the authors' released code.
DILATIONS = (1, 1, 2, 2, 1, 1, 2, 2)
SIZES = (1.205, 1.446, 1.7352, 2.0, 2.0, 1.676, 1.3374, 1.0)


def _feature(count: int, channels: int = 3) -> Tensor:
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.normal(size=(count, channels, 5, 6))).clamp_(min=0)


def _convolve(x: np.ndarray, kernel: np.ndarray, dilation: int) -> np.ndarray:
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (dilation, dilation), (dilation, dilation)))
    total = np.zeros((x.shape[0], kernel.shape[0], height, width))
    for row in range(3):
        for column in range(3):
            top, left = row * dilation, column * dilation
            window = padded[:, :, top : top + height, left : left + width]
            total += np.einsum("oi,nihw->nohw", kernel[:, :, row, column], window)
    return total


def _stage(x: np.ndarray, kernel: Tensor, gain: Tensor, dilation: int, size: tuple) -> np.ndarray:
    x = _convolve(x, kernel.numpy(), dilation)
    rows = np.arange(size[0]) * x.shape[2] // size[0]
    columns = np.arange(size[1]) * x.shape[3] // size[1]
    x = x[:, :, rows][:, :, :, columns]
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    x = (x - mean) / np.sqrt(variance + 1e-5) * gain.numpy()[:, None, None]
    return np.maximum(x, 0)


@pytest.mark.parametrize("channels", [None, 2])
def test_the_random_network_equals_a_numpy_one_with_the_same_weights(channels: int | None) -> None:
    torch.manual_seed(0)
    feature = _feature(2)
    weights = HighResolutionPerturbation(1.0, channels, 0.5).draw_weights(feature)
    x = feature.numpy()
    for (kernel, gain), dilation, ratio in zip(weights, DILATIONS, SIZES, strict=True):
        size = (int(feature.shape[2] * ratio), int(feature.shape[3] * ratio))
        x = _stage(x, kernel, gain, dilation, size)
    assert x.shape == feature.shape
    np.testing.assert_allclose(overcomplete(feature, weights), x, atol=1e-9)


def test_weights_have_the_released_widths_and_spreads() -> None:
    torch.manual_seed(0)
    feature = torch.zeros(1, 64, 2, 2)
    weights = HighResolutionPerturbation(1.0, None, 0.5).draw_weights(feature)
    pairs = [(kernel.shape[1], kernel.shape[0]) for kernel, _ in weights]
    released = [(64, 64), (64, 64), (64, 128), (128, 256), (256, 128), (128, 64), (64, 64)]
    assert pairs == [*released, (64, 64)]
    for (inside, _), (kernel, _) in zip(pairs, weights, strict=True):
        assert abs(float(kernel.std()) / np.sqrt(2 / (9 * inside)) - 1) < 0.02
    gains = torch.cat([gain for _, gain in weights])
    assert abs(float(gains.mean())) < 0.05
    assert abs(float(gains.std()) - 0.5) < 0.04
    narrow = HighResolutionPerturbation(1.0, 8, 0.5).draw_weights(feature)
    assert [kernel.shape[0] for kernel, _ in narrow] == [8, 8, 16, 32, 16, 8, 8, 64]


def test_weights_are_drawn_anew_each_time_and_fixed_by_the_seed() -> None:
    fine, feature = HighResolutionPerturbation(1.0, 4, 0.5), _feature(2)
    torch.manual_seed(0)
    first, second = fine.noise(feature), fine.noise(feature)
    torch.manual_seed(0)
    assert torch.equal(first, fine.noise(feature))
    assert not torch.allclose(first, second)


def test_the_network_sees_the_feature_before_the_noise_on_its_statistics() -> None:
    feature, fine = _feature(3), HighResolutionPerturbation(1.0, 4, 0.5)
    coarse = NormalizationPerturbation(1.0, 0.75, adaptive=True, adaptive_scale=1.5)
    torch.manual_seed(0)
    result = MultiResolutionPerturbation(fine, coarse)(feature)
    torch.manual_seed(0)
    style = coarse(feature)
    torch.rand(())  # whether the network acts
    torch.testing.assert_close(result, style + fine.noise(feature))


def test_either_part_may_be_absent() -> None:
    feature = _feature(2)
    assert MultiResolutionPerturbation(None, None)(feature) is feature
    added = MultiResolutionPerturbation(HighResolutionPerturbation(1.0, 4, 0.5), None)(feature)
    assert (added - feature).min() >= 0
    assert (added - feature).max() > 0
    never = HighResolutionPerturbation(0.0, 4, 0.5)
    assert MultiResolutionPerturbation(never, None)(feature) is feature


def test_gradients_flow_through_the_network_and_past_it() -> None:
    torch.manual_seed(0)
    feature = _feature(1, channels=2)[:, :, :3, :3].requires_grad_()
    weights = HighResolutionPerturbation(1.0, 1, 0.5).draw_weights(feature)

    def perturb(x: Tensor) -> Tensor:
        return x + overcomplete(x, weights)

    shifted = feature.detach() + 0.1 * torch.rand_like(feature)  # away from the kinks at 0
    assert torch.autograd.gradcheck(perturb, shifted.requires_grad_())
