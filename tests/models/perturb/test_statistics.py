import numpy as np
import torch

from segibn.models.perturb.statistics import channel_mean, channel_moments, rescale


def test_moments_of_bfloat16_features_are_those_of_their_values_in_float32() -> None:
    x = np.random.default_rng(0).normal(100, 5, (2, 3, 60, 80))
    feature = torch.from_numpy(x).to(torch.bfloat16)
    mean, std = channel_moments(feature)
    assert mean.dtype == std.dtype == channel_mean(feature).dtype == torch.float32
    values = feature.double().numpy()
    # bfloat16 has steps of a half here.
    np.testing.assert_allclose(mean[..., 0, 0], values.mean((2, 3)), atol=1e-4)
    np.testing.assert_allclose(std[..., 0, 0], values.std((2, 3)), atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(channel_moments(feature), (mean, std), rtol=0, atol=0)


def test_rescaling_rounds_once_and_keeps_type_and_layout() -> None:
    rng = np.random.default_rng(0)
    feature = torch.from_numpy(rng.normal(size=(2, 3, 4, 5))).to(torch.bfloat16)
    scale, shift = (torch.from_numpy(rng.normal(size=(2, 3, 1, 1))).float() for _ in range(2))
    expected = (feature.double() * scale.double() + shift.double()).to(torch.bfloat16)
    for layout in (torch.channels_last, torch.contiguous_format):
        rescaled = rescale(feature.contiguous(memory_format=layout), scale, shift)
        torch.testing.assert_close(rescaled, expected, rtol=2**-8, atol=1e-6)
        assert rescaled.is_contiguous(memory_format=layout)
