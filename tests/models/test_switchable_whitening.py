"""Switchable whitening against eigendecompositions and plain norms, in NumPy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segibn.models.backbones import build_backbone
from segibn.models.switchable_whitening import STATISTICS, SwitchableWhitening2d, inverse_square_root


def _features(images: int = 3, channels: int = 32, size: tuple[int, int] = (9, 11)) -> np.ndarray:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(channels, channels)) / channels**0.5 + np.eye(channels)
    noise = rng.normal(size=(images, channels, *size)) + rng.normal(size=(images, channels, 1, 1))
    return np.einsum("cd,ndhw->nchw", mixing, noise)


def _numpy_power(covariance: np.ndarray) -> np.ndarray:
    """``covariance ** -0.5`` by its eigendecomposition (ZCA)."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def _whitened(x: np.ndarray, group: int, *, each_image: bool) -> np.ndarray:
    out = np.empty_like(x)
    images = [slice(n, n + 1) for n in range(len(x))] if each_image else [slice(None)]
    for rows in images:
        for first in range(0, x.shape[1], group):
            part = x[rows, first : first + group]
            flat = part.transpose(1, 0, 2, 3).reshape(group, -1)
            mean = flat.mean(1, keepdims=True)
            covariance = (flat - mean) @ (flat - mean).T / flat.shape[1]
            white = _numpy_power(covariance + 1e-5 * np.eye(group)) @ (flat - mean)
            shape = (group, len(part), *x.shape[2:])
            out[rows, first : first + group] = white.reshape(shape).transpose(1, 0, 2, 3)
    return out


@pytest.mark.parametrize(("name", "each_image"), [("bw", False), ("iw", True)])
def test_one_whitening_alone_equals_zca_by_eigendecomposition(name: str, each_image: bool) -> None:
    x = _features()
    norm = SwitchableWhitening2d(32, 16, (name,), iterations=30).double()
    expected = _whitened(x, 16, each_image=each_image)
    torch.testing.assert_close(norm(torch.from_numpy(x)), torch.from_numpy(expected))


def test_robustnets_type_is_built_from_the_config() -> None:
    """Type 2: half batch and half instance covariance, of which 0.99 of the old is kept."""
    settings = {"statistics": ("bw", "iw"), "iterations": 30, "momentum": 0.01}
    backbone = build_backbone("resnet18", "b", whitening="switchable", switchable=settings).double()
    norm, x = backbone.layer1[1].IN, _features(channels=64)
    out = norm(torch.from_numpy(x)).detach().numpy()
    for first in range(0, 64, 16):
        part = x[:, first : first + 16].reshape(len(x), 16, -1)
        together = part.transpose(1, 0, 2).reshape(16, -1)
        kept = norm.running_covariance[first // 16].numpy()
        batch = np.cov(together, bias=True)
        np.testing.assert_allclose(kept, 0.99 * np.eye(16) + 0.01 * batch, rtol=1e-6, atol=1e-9)
        for n, image in enumerate(part):
            mean = (together.mean(1) + image.mean(1))[:, None] / 2
            covariance = (batch + np.cov(image, bias=True)) / 2 + 1e-5 * np.eye(16)
            expected = _numpy_power(covariance) @ (image - mean)
            np.testing.assert_allclose(out[n, first : first + 16].reshape(16, -1), expected, atol=1e-6)


@pytest.mark.parametrize(("name", "axes"), [("bn", (0, 2, 3)), ("in", (2, 3)), ("ln", (1, 2, 3))])
def test_one_standardisation_alone_equals_its_norm(name: str, axes: tuple[int, ...]) -> None:
    x = _features()
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    norm = SwitchableWhitening2d(32, 16, (name,), iterations=30).double()
    torch.testing.assert_close(norm(torch.from_numpy(x)), torch.from_numpy(expected))


def test_the_mix_weighs_means_and_covariances_by_their_own_softmax() -> None:
    x = _features(channels=16)
    norm = SwitchableWhitening2d(16, 16, ("bw", "in"), iterations=30).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    with torch.no_grad():
        norm.mean_logits.copy_(torch.tensor([0.0, np.log(3.0)]))  # shares 1/4 and 3/4
        norm.covariance_logits.copy_(torch.tensor([np.log(4.0), 0.0]))  # 4/5 and 1/5
    flat = x.transpose(1, 0, 2, 3).reshape(16, -1)
    batch_mean = flat.mean(1)
    batch_covariance = np.cov(flat, bias=True)
    expected = np.empty_like(x)
    for n, image in enumerate(x.reshape(len(x), 16, -1)):
        mean = 0.25 * batch_mean + 0.75 * image.mean(1)
        covariance = 0.8 * batch_covariance + 0.2 * np.diag(image.var(1)) + 1e-5 * np.eye(16)
        white = _numpy_power(covariance) @ (image - mean[:, None])
        weight, bias = (p.detach().numpy()[:, None] for p in (norm.weight, norm.bias))
        expected[n] = (weight * white + bias).reshape(x.shape[1:])
    torch.testing.assert_close(norm(torch.from_numpy(x)), torch.from_numpy(expected))


def test_newtons_steps_approach_the_inverse_square_root() -> None:
    covariance = np.cov(_features(channels=16).transpose(1, 0, 2, 3).reshape(16, -1))
    exact = torch.from_numpy(_numpy_power(covariance))
    roots = [inverse_square_root(torch.from_numpy(covariance), steps) for steps in (1, 3, 5, 9, 30)]
    errors = [(root - exact).norm().item() for root in roots]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9


def test_evaluation_uses_running_statistics_that_training_moved() -> None:
    x = torch.from_numpy(_features())
    norm = SwitchableWhitening2d(32, 16, ("bw",), iterations=30, momentum=1.0).double()
    trained = norm(x)
    norm.eval()
    torch.testing.assert_close(norm(x), trained)
    # An image is whitened by the batch's statistics, whatever else is in the batch.
    torch.testing.assert_close(norm(x[:1]), trained[:1])
    flat = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, flat.mean(1))
    torch.testing.assert_close(norm.running_covariance[1], torch.cov(flat[16:], correction=0))


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    norm = SwitchableWhitening2d(4, 2, iterations=4).double()
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in norm.named_parameters()]

    def function(x, *parameters):
        values = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(norm, values, (x,))

    assert torch.autograd.gradcheck(function, (x, *norm.parameters()))


def test_layout_and_half_precision_stay_and_a_single_pixel_is_finite() -> None:
    x = torch.randn(2, 32, 5, 6).contiguous(memory_format=torch.channels_last)
    norm = SwitchableWhitening2d(32)
    assert norm(x).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert norm(x.bfloat16()).dtype == torch.bfloat16
    assert norm.eval()(torch.randn(1, 32, 1, 1)).isfinite().all()


def test_a_switchable_backbone_has_the_norm_where_ibn_b_has_instance_norms() -> None:
    switchable = build_backbone("resnet18", "b", whitening="switchable")
    instance = build_backbone("resnet18", "b")
    places = [n for n, m in switchable.named_modules() if isinstance(m, SwitchableWhitening2d)]
    assert places == ["bn1", "layer1.1.IN", "layer2.1.IN"]
    # Everything else has the same names and, from one seed, could have the same values.
    own = {f"{place}.{part}" for place in places for part in SwitchableWhitening2d(16).state_dict()}
    assert own > {f"{place}.weight" for place in places}
    assert switchable.state_dict().keys() - own == instance.state_dict().keys() - own
    assert switchable(torch.randn(2, 3, 64, 64))["layer4"].isfinite().all()


@pytest.mark.parametrize("statistics", [(), ("bw", "xx")])
def test_unknown_statistics_and_odd_widths_are_refused(statistics: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="statistics are among bw, iw, bn, in, ln"):
        SwitchableWhitening2d(16, statistics=statistics)
    with pytest.raises(ValueError, match="24 channels are no multiple of 16"):
        SwitchableWhitening2d(24, statistics=STATISTICS)


WORKER = """
import sys
import torch
import torch.distributed as dist
from segibn.models.switchable_whitening import SwitchableWhitening2d

dist.init_process_group("gloo")
rank = dist.get_rank()
x, upstream = torch.load(sys.argv[1], weights_only=True)
part = slice(0, 2) if rank == 0 else slice(2, 3)
norm = SwitchableWhitening2d(32).double()
x = x[part].requires_grad_()
out = norm(x)
out.backward(upstream[part])
result = {"out": out.detach(), "grad": x.grad, "state": norm.state_dict()}
torch.save(result, f"{sys.argv[2]}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ranks_of_unequal_size_equal_one_batch(run_two_ranks: Callable[..., str], tmp_path: Path) -> None:
    x, upstream = torch.from_numpy(_features()), torch.from_numpy(_features()[::-1].copy())
    torch.save((x, upstream), tmp_path / "case.pt")
    (tmp_path / "worker.py").write_text(WORKER)
    run_two_ranks(tmp_path / "worker.py", tmp_path / "case.pt", tmp_path)
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    norm = SwitchableWhitening2d(32).double()
    x.requires_grad_()
    out = norm(x)
    out.backward(upstream)
    torch.testing.assert_close(torch.cat([rank["out"] for rank in ranks]), out)
    torch.testing.assert_close(torch.cat([rank["grad"] for rank in ranks]), x.grad)
    for rank in ranks:
        for key, value in norm.state_dict().items():
            torch.testing.assert_close(rank["state"][key], value)
