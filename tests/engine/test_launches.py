"""The launches of docs/training.md, run as they stand there but for sizes, on one machine."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segibn.builders.checkpoints import read_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "docs/training.md").read_text(encoding="utf-8"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
ITERATIONS = 6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def documented(beginning: str, processes: int, config: Path, blocks: Path, run: Path) -> str:
    """Return a launch of the guide for this machine and the small data set."""
    (command,) = re.findall(rf"^{re.escape(beginning)}.*$", TEXT, re.MULTILINE)
    command = re.sub(r"--nproc_per_node=\d", f"--nproc_per_node={processes}", command)
    command = command.replace("segibn train gta5_ibn", f"segibn train {config}")
    command = re.sub(r" optim\.global_batch_size=\d+", "", command)
    return f"{command} --datasets {blocks} --output {run} data.val=null"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a command; what is left of it ends with the test."""
    started = []

    def run(command: list[str], environment: dict[str, str] = ENVIRONMENT) -> Any:
        started.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # torchrun then ends its processes
            process.communicate(timeout=100)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=500)
    assert process.returncode == code, output
    return output


def losses_of(run: Path) -> list[float]:
    records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [record["loss"] for record in records if "loss" in record]


def await_file(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_nodes_train_as_two_processes_of_one(start: Any, blocks: Path, light_config: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    single = documented("torchrun --standalone", 2, light_config, blocks, one)
    finish(start(shlex.split(single)))
    double = documented("torchrun --nnodes=2", 1, light_config, blocks, two)
    double = double.replace("node0:29500", f"localhost:{free_port()}")
    for node in [start(shlex.split(double)) for _ in range(2)]:
        finish(node)
    assert len(losses_of(two)) == ITERATIONS
    assert losses_of(two) == losses_of(one)


def test_a_node_that_joins_an_elastic_run_takes_its_share_from_the_last_checkpoint(
    start: Any, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = documented("torchrun --nnodes=1:4", 1, light_config, blocks, run)
    command = command.replace("node0:29500", f"localhost:{free_port()}")
    command = command.replace("--nnodes=1:4", "--nnodes=1:2 --rdzv-conf last_call_timeout=1")
    command += " optim.iterations=120 engine.checkpoint_every=1"
    (variable,) = re.findall(r"^export (\w+=1) .*join", TEXT, re.MULTILINE)
    command = f"env {variable} {command}"
    first = start(shlex.split(command))
    await_file(run / "checkpoints/last.pt", first)
    second = start(shlex.split(command))
    finish(second)
    assert "stopped by SIGTERM after" in finish(first)  # to start again together
    assert read_checkpoint(run / "checkpoints/last.pt")["iteration"] == 120
    assert len(losses_of(run)) == 120


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_saves_and_says_by_its_exit_code_what_stopped_it(
    number: signal.Signals, start: Any, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    last = tmp_path / "run/checkpoints/last.pt"
    more = "data.val=null optim.iterations=4000 engine.checkpoint_every=2"
    command = f"{sys.executable} tools/train.py {light_config} --datasets {blocks} {more}"
    process = start(shlex.split(f"{command} --output {tmp_path / 'run'} --resume auto"))
    await_file(last, process)
    process.send_signal(number)
    output = finish(process, code=128 + number)
    done = read_checkpoint(last)["iteration"]
    assert f"stopped by {number.name} after {done} iterations" in output
    assert 2 <= done < 4000
    (following,) = re.findall(r"^next: (.*)$", output, re.MULTILINE)
    assert following.count("--resume auto") == 1


def test_torchrun_ends_with_1_whatever_its_processes_end_with(
    start: Any, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    command = documented("torchrun --standalone", 2, light_config, blocks, tmp_path / "run")
    output = finish(start(shlex.split(f"{command} optim.learning_rate=1")), code=1)
    assert "optim.learning_rate: unknown key" in output
    assert re.search(r"exitcode\s*: 2", output)


STAND_INS = {
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; echo $$ > "$HERE/step"; exec "$@"',
    "scancel": 'test "$*" = "--signal=TERM 7.0" && kill -TERM "$(cat "$HERE/step")"',
    "scontrol": 'if [ "$1" = show ]; then echo localhost; else echo "$*" >> "$HERE/queue"; fi',
}


def test_the_slurm_job_saves_before_its_time_is_up_goes_back_into_the_queue_and_goes_on(
    start: Any, blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    here, run = tmp_path / "bin", tmp_path / "run"
    here.mkdir()
    for name, body in STAND_INS.items():
        (here / name).write_text(f"#!/bin/bash\n{body}\n")
        (here / name).chmod(0o755)
    (script,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    more = f"--datasets {blocks} --output {run} data.val=null optim.iterations=60"
    script = script.replace("--nproc_per_node=8", "--nproc_per_node=2")
    script = script.replace("train gta5_ibn", f"train {light_config} {more}")
    script = script.replace(":29500", f":{free_port()}")
    variables = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "node"}
    environment = {**ENVIRONMENT, **variables, "HERE": str(here)}
    environment["PATH"] = f"{here}:{environment['PATH']}"

    job = start(["bash", "-c", script], environment)
    await_file(run / "checkpoints/last.pt", job)
    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=300)
    assert job.returncode != 0
    assert (here / "queue").read_text() == "requeue 7\n"
    saved = read_checkpoint(run / "checkpoints/last.pt")["iteration"]
    assert saved == len(losses_of(run)) < 60
    finish(start(["bash", "-c", script], environment))
    assert read_checkpoint(run / "checkpoints/last.pt")["iteration"] == 60
    assert len(losses_of(run)) == 60
    assert (here / "queue").read_text() == "requeue 7\n"
