"""torchrun launches of one training, killed at planned moments. Linux only: it reads ``/proc``.

Comes in: what to launch and where to cut it. Goes out: the run folder as the launches leave it, and
a record of each kill. ``soak`` is what calls this.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segibn.builders.checkpoints import read_checkpoint
from segibn.config.load import load_config
from segibn.engine.run_dir import RunDir
from segibn.errors import SegibnError

KINDS = ("SIGKILL one rank", "SIGKILL all processes", "SIGTERM torchrun")
"""A process that crashes or is taken for its memory; a machine that goes down; a scheduler whose
time is up."""

_POLL_S = 0.02
_LEAVE_S = 300.0  # torchrun itself waits 30 s for processes that it has asked to end


@dataclass(frozen=True)
class Cut:
    """One planned kill.

    Attributes:
        iteration: it comes once so many updates are written down,
        wait: and this part of the time of an update later, 0..1.
        how: one of ``KINDS``.
        rank: for "SIGKILL one rank": which.
    """

    iteration: int
    wait: float
    how: str
    rank: int


@dataclass(frozen=True)
class Launch:
    """What to start: ``torchrun ... -m segibn train CONFIG overrides --output run``.

    Attributes:
        config: the config file.
        overrides: config values to replace.
        datasets: folder above the data sets.
        run: the run folder.
        processes: of the training.
        batch: samples of an update.
        log: what they print goes here.
    """

    config: Path
    overrides: Sequence[str]
    datasets: Path
    run: RunDir
    processes: int
    batch: int
    log: Path

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start it, with more arguments to ``train``; the processes keep to one thread each."""
        torchrun = ["-m", "torch.distributed.run", "--standalone"]
        command = [sys.executable, *torchrun, f"--nproc_per_node={self.processes}"]
        command += ["-m", "segibn", "train", str(self.config), *self.overrides]
        command += ["--datasets", str(self.datasets), "--output", str(self.run.path), *more]
        here = str(Path(__file__).resolve().parents[1])  # this very segibn, installed or not
        path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def prepare_launch(config: Path, overrides: Sequence[str], datasets: Path, run: Path, processes: int) -> Launch:
    """Return the launch of a training; what it prints goes into ``<run>.log``.

    Raises:
        ConfigError: the config is wrong.
    """
    batch = load_config(config, overrides).optim.global_batch_size
    log = run.with_suffix(".log")
    return Launch(config, overrides, datasets, RunDir(run), processes, batch, log)


def plan_cuts(kills: int, iterations: int, processes: int, seed: int) -> list[Cut]:
    """Draw the moments of the kills, in order; the kinds take turns.

    Args:
        kills: how many.
        iterations: of the run; no kill is planned for the last two, which may not be waited for.
        processes: of the run.
        seed: of the draw.

    Raises:
        SegibnError: more kills than iterations to kill at.
    """
    if kills > iterations - 3:
        raise SegibnError(f"{iterations} iterations are too few for {kills} kills; give more")
    random = np.random.default_rng(seed)
    moments = np.sort(random.choice(np.arange(1, iterations - 2), kills, replace=False))
    return [
        Cut(int(moment), float(random.random()), KINDS[i % 3], int(random.integers(processes)))
        for i, moment in enumerate(moments)
    ]


def run_whole(launch: Launch) -> float:
    """Run a launch to its end; return its wall time in seconds.

    Raises:
        SegibnError: it ended with another exit code than 0.
    """
    start = time.monotonic()
    _finish(launch, launch.start("--resume", "auto"))
    return time.monotonic() - start


def run_with_cuts(launch: Launch, cuts: Sequence[Cut]) -> list[dict[str, Any]]:
    """Launch, kill, resume by ``--resume auto``, as often as there are cuts; then to the end.

    Returns:
        For each kill: "how", "rank" (or None), the iteration it was "planned" for, the one that was
        "logged" last when it came, torchrun's "exit_code", the iteration of the checkpoint that the
        next launch "resumed_from" (None = there was none yet), and the launch's wall time
        "duration_s"; last the launch that ran to the end, with its "duration_s" alone.

    Raises:
        SegibnError: a launch ended before it could be killed, or the last one failed.
    """
    records = []
    for cut in cuts:
        start = time.monotonic()
        launcher = launch.start("--resume", "auto")
        try:
            _await(launch, launcher, cut)
            logged = last_iteration(launch.run)
            _kill(launcher, cut)
            code = launcher.wait(timeout=_LEAVE_S)
        finally:
            _leave_nothing(launcher)
        records.append(
            {
                "how": cut.how,
                "rank": cut.rank if cut.how == KINDS[0] else None,
                "planned": cut.iteration,
                "logged": logged,
                "exit_code": code,
                "resumed_from": _saved_iteration(launch.run),
                "duration_s": round(time.monotonic() - start, 1),
            }
        )
    return [*records, {"duration_s": round(run_whole(launch), 1)}]


def last_iteration(run: RunDir) -> int:
    """Return the last iteration that a run has written down, 0 without any."""
    return max((record["iteration"] for record in _records(run)), default=0)


def seconds_per_iteration(launch: Launch) -> float:
    """Return the median time of an update from a run's records, their first half left out.

    Raises:
        SegibnError: there are no records yet.
    """
    speeds = [r["images_per_s"] for r in _records(launch.run) if "images_per_s" in r]
    if not speeds:
        raise SegibnError(f"{launch.run.metrics_file} holds no speeds")
    return launch.batch / float(np.median(speeds[len(speeds) // 2 :]))


def _records(run: RunDir) -> list[dict[str, Any]]:
    records = []
    with suppress(FileNotFoundError):
        for line in run.metrics_file.read_text(encoding="utf-8").splitlines():
            with suppress(json.JSONDecodeError):  # the last line may be in the making
                records.append(json.loads(line))
    return records


def _await(launch: Launch, launcher: subprocess.Popen[bytes], cut: Cut) -> None:
    """Wait until it is time for a cut, at the earliest when this launch has done something."""
    before = seen = last_iteration(launch.run)
    is_going = False
    while not is_going or seen < cut.iteration:
        if launcher.poll() is not None:
            raise SegibnError(
                f"the training ended (exit code {launcher.returncode}) before its kill at "
                f"iteration {cut.iteration}; see {launch.log}"
            )
        time.sleep(_POLL_S)
        seen = last_iteration(launch.run)
        is_going = is_going or seen != before
    time.sleep(cut.wait * seconds_per_iteration(launch))


def _kill(launcher: subprocess.Popen[bytes], cut: Cut) -> None:
    if cut.how == KINDS[0]:
        ranks = {_rank_of(pid): pid for pid in _children(launcher.pid)}
        os.kill(ranks[cut.rank], signal.SIGKILL)
    elif cut.how == KINDS[1]:
        _kill_tree(launcher.pid)
    else:
        launcher.send_signal(signal.SIGTERM)


def _leave_nothing(launcher: subprocess.Popen[bytes]) -> None:
    """End a launch that is still there, because something here went wrong."""
    if launcher.poll() is None:
        _kill_tree(launcher.pid)
        launcher.wait()


def _kill_tree(pid: int) -> None:
    """Kill a process and all below it, the uppermost first, so that none can start another."""
    below = _children(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in below:
        _kill_tree(child)


def _children(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _rank_of(pid: int) -> int | None:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((int(v[5:]) for v in variables if v.startswith(b"RANK=")), None)


def _saved_iteration(run: RunDir) -> int | None:
    if not run.last_checkpoint.exists():
        return None
    return int(read_checkpoint(run.last_checkpoint)["iteration"])


def _finish(launch: Launch, launcher: subprocess.Popen[bytes]) -> None:
    try:
        code = launcher.wait()
    finally:
        _leave_nothing(launcher)
    if code != 0:
        raise SegibnError(f"the training ended with exit code {code}; see {launch.log}")
