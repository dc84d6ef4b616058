"""The CUDA kernels without a GPU: their results in Triton's interpreter, and that they compile."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch came without Triton on this platform"
)
HERE = Path(__file__).parent


def _run(script: str, *arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "triton" / script), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parents[1]),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_triton
def test_interpreted_kernels_equal_the_published_form() -> None:
    _run("interpret.py", TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.parametrize("which", ["few", pytest.param("all", marks=pytest.mark.slow)])
def test_every_kernel_compiles_for_ampere_and_hopper(which: str) -> None:
    _run("compile_kernels.py", which)
