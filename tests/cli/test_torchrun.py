"""Verbs under torchrun, by module and by the installed script."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from painted_scenes.spec import SampleSpec
from painted_scenes.write import write_sample_data

SCRIPT = "from segibn.cli.main import console_script\nconsole_script()\n"
"""What pip writes for the entry point of pyproject.toml."""


@pytest.mark.slow
@pytest.mark.parametrize("by_module", [True, False])
def test_two_ranks_train_one_run_and_say_once_what_is_next(by_module: bool, tmp_path: Path, repository: Path) -> None:
    write_sample_data(tmp_path / "data", SampleSpec(frames=(8, 4), sets=("gta5",)))
    script = tmp_path / "bin" / "segibn"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    program = ["-m", "segibn"] if by_module else [str(script)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node=2", *program, "train", "sample_ibn", "--datasets", "data"]
    command += ["optim.iterations=2", "optim.warmup_iterations=0"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (after,) = re.findall(r"^next: (.*)$", done.stdout, re.MULTILINE)
    assert after.endswith("segibn evaluate runs/sample_ibn --datasets data")
    assert done.stdout.count("trained: ") == 1
    assert (tmp_path / "runs/sample_ibn/checkpoints/last.pt").is_file()
