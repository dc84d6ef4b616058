"""Devices by name: what is there is taken, what is not is answered by what is."""

import argparse

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from segibn import devices
from segibn.devices import default_device, device_named, image_layout
from segibn.engine.precision import choose_dtype
from segibn.errors import ConfigError
from segibn.inference.views import upsampled_rows
from segibn.losses.criterion import SegmentationLoss
from segibn.losses.regions import dice_loss
from segibn.models.kernels.resize import resize_image
from segibn.runs.loading import device_of

MPS = torch.device("mps")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Return what makes this machine one with so many GPUs of each kind."""
    monkeypatch.delenv("SEGIBN_DEVICE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)

    def have(cuda: int = 0, mps: bool = False, xpu: int = 0) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: cuda > 0)
        monkeypatch.setattr("torch.cuda.device_count", lambda: cuda)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
        monkeypatch.setattr("torch.xpu.is_available", lambda: xpu > 0)
        monkeypatch.setattr("torch.xpu.device_count", lambda: xpu)

    return have


@pytest.mark.parametrize(
    ("name", "device"),
    [("cpu", "cpu"), ("gpu", "cuda:0"), ("CUDA", "cuda:0"), ("cuda:1", "cuda:1"),
     ("gpu:1", "cuda:1"), ("mps", "mps:0"), ("xpu", "xpu:0")],
)  # fmt: skip
def test_a_device_that_is_there_is_taken(machine, name: str, device: str) -> None:
    machine(cuda=2, mps=True, xpu=1)
    assert device_of(name) == torch.device(device)


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "mps", "xpu", "nonsense", "meta", "cuda:-1", "cpu:x", "", "cud\x1b"])
def test_another_is_answered_by_those_that_are_there(machine, name: str) -> None:
    machine()
    with pytest.raises(ConfigError) as caught:
        device_of(name)
    assert "this machine has cpu" in str(caught.value)
    assert str(caught.value).isprintable()
    machine(cuda=4, mps=True)
    with pytest.raises(ConfigError, match="this machine has cpu, cuda:0 to cuda:3, mps"):
        device_named("xpu")


def test_a_rank_takes_its_own_gpu_and_the_variable_goes_before(machine, monkeypatch) -> None:
    machine(cuda=2, mps=True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert default_device() == device_named("gpu") == torch.device("cuda", 1)
    monkeypatch.setenv("SEGIBN_DEVICE", "mps")
    assert default_device().type == "mps"
    monkeypatch.setenv("SEGIBN_DEVICE", "tpu")
    with pytest.raises(ConfigError, match="SEGIBN_DEVICE=tpu: this machine has"):
        default_device()
    monkeypatch.delenv("SEGIBN_DEVICE")
    machine(mps=True)
    assert default_device().type == "cpu"  # other GPUs are taken by name alone


def test_apples_gpu_computes_in_float32_and_plain_layout() -> None:
    assert choose_dtype("auto", MPS) == choose_dtype("float32", MPS) == torch.float32
    for precision in ("bfloat16", "float16", "tf32"):
        with pytest.raises(ConfigError, match="float32"):
            choose_dtype(precision, MPS)
    assert image_layout(MPS) == torch.contiguous_format
    assert image_layout(torch.device("cpu")) == torch.channels_last


class NoFloat64(TorchFunctionMode):
    """Refuses what a device without float64 cannot do."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            assert not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float64, func
        return out


def test_losses_and_resizing_need_no_float64_where_there_is_none(monkeypatch) -> None:
    """The same numbers, up to rounding, as on a device that has it."""
    random = np.random.default_rng(0)
    logits = torch.tensor(random.normal(size=(2, 3, 8, 8)), dtype=torch.float32)
    target = torch.tensor(random.integers(0, 4, (2, 8, 8)), dtype=torch.uint8)
    target[target == 3] = 255
    output = argparse.Namespace(logits=logits, aux_logits=None)
    weights = torch.tensor([1.0, 2.0, 0.5])
    criterion = SegmentationLoss(regions={"dice": (1.0, dice_loss)}, class_weights=weights)

    def compute() -> list[torch.Tensor]:
        loss, _ = criterion(output, target, normalizer=criterion.normalizer(target))
        small = resize_image(logits, (3, 2))
        return [loss, small, upsampled_rows(logits, slice(2, 9), (19, 23), align_corners=False)]

    expected = compute()
    for module in ("losses.cross_entropy", "losses.regions", "models.kernels.resize", "inference.views"):
        monkeypatch.setattr(f"segibn.{module}.accurate_dtype", lambda _: torch.float32)
    with NoFloat64():
        found = compute()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert devices.accurate_dtype(MPS) == torch.float32
