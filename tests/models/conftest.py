import functools
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[1] / "golden" / "models"


@functools.cache
def _filled_value(key: str, shape: torch.Size) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    z = np.random.RandomState(zlib.crc32(key.encode())).randn(*shape)
    if key.endswith("running_mean"):
        value = 0.1 * z
    elif key.endswith("running_var"):
        value = 1 + 0.1 * np.abs(z)
    elif len(shape) >= 2:
        value = z / math.sqrt(math.prod(shape[1:]))
    else:
        value = 1 + 0.1 * z if key.endswith("weight") else 0.1 * z
    return torch.from_numpy(np.asarray(value, dtype=np.float32))


@pytest.fixture(scope="session")
def filled_value() -> Callable[[str, torch.Size], Tensor]:
    """The fill rule for one tensor: key and shape to values."""
    return _filled_value


@pytest.fixture(scope="session")
def filled() -> Callable[..., nn.Module]:
    """Builds a module in evaluation mode, filled by the rule of tests/golden/models/README.md."""

    def build_filled(build: Callable[..., nn.Module], *args: object, **options: object) -> nn.Module:
        with torch.device("meta"):  # no time is spent on random values that are overwritten
            module = build(*args, **options)
        module.to_empty(device="cpu")
        state = {k: _filled_value(k, v.shape) for k, v in module.state_dict().items()}
        module.load_state_dict(state)
        return module.eval()

    return build_filled


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict]:
    return lambda name: json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def assert_golden() -> Callable[[dict, str, Tensor], None]:
    """Compares a tensor with its golden samples and statistics."""

    def check(golden: dict, name: str, actual: Tensor) -> None:
        expected = golden["tensors"][name]
        assert list(actual.shape) == expected["shape"]
        flat = actual.detach().double().flatten()
        samples = torch.tensor(expected["values"], dtype=torch.float64)
        torch.testing.assert_close(flat[:: expected["stride"]], samples, atol=1e-4, rtol=1e-4)
        stats = torch.stack([flat.mean(), flat.std(correction=0), flat.min(), flat.max()])
        expected_stats = torch.tensor(expected["mean_std_min_max"], dtype=torch.float64)
        torch.testing.assert_close(stats, expected_stats, atol=1e-4, rtol=1e-4)

    return check
