"""A run that was cut anywhere, by anything, ends as the run that was not."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from segibn.builders.checkpoints import read_checkpoint
from segibn.config.load import dump_config, load_config
from segibn.engine.train import train
from segibn.errors import CheckpointError, ConfigError, SegibnError

ROOT = Path(__file__).resolve().parents[2]
TRAIN = str(ROOT / "tools/train.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def losses_of(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines) if "loss" in record]


def assert_equal_trees(first, second, path: str = "") -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key, value in first.items():
            assert_equal_trees(value, second[key], f"{path}.{key}")
    elif isinstance(first, list | tuple):
        for index, (one, two) in enumerate(zip(first, second, strict=True)):
            assert_equal_trees(one, two, f"{path}[{index}]")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path


def launch(processes: int, config: Path, blocks: Path, run: Path, *more: str) -> list[str]:
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    options = [option for option in more if option.startswith("--")]
    overrides = [option for option in more if not option.startswith("--")]
    command = [sys.executable, *torchrun, *options, TRAIN, str(config), "--datasets", str(blocks)]
    return [*command, "--output", str(run), *overrides]


def test_a_run_cut_at_several_points_ends_with_the_same_bits(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    common = ["engine.checkpoint_every=1", "engine.keep_checkpoints=9", "data.val=null"]
    common.append("ema={decay: 0.9}")
    config = load_config(light_config, common)
    whole = train(config, datasets_root=blocks, output=tmp_path / "whole").checkpoint
    expected = read_checkpoint(whole)
    for cut, workers in ((1, 0), (4, 2), (5, 1)):
        config = load_config(light_config, [*common, f"data.workers={workers}"])
        run, part = tmp_path / f"cut{cut}", whole.with_name(f"iteration_{cut:08d}.pt")
        train(config, datasets_root=blocks, output=run, resume=str(part))
        found = read_checkpoint(run / "checkpoints/last.pt")
        for key in ("iteration", "model", "training"):
            assert_equal_trees(expected[key], found[key], key)
        assert losses_of(run) == losses_of(tmp_path / "whole")[cut:]


def test_two_processes_give_the_losses_of_one_and_score_every_frame_once(
    run_two_ranks: Callable[..., str], blocks: Path, blocks_config: Path, tmp_path: Path
) -> None:
    more = ["model.head.dropout=0", "model.aux_head.dropout=0", "engine.precision=float32"]
    # Small steps: with large ones, a rounding at a ReLU grows twentyfold from one to the next.
    more += ["optim.global_batch_size=4", "optim.iterations=4", "optim.lr=0.002"]
    train(load_config(blocks_config, more), datasets_root=blocks, output=tmp_path / "one")
    data = ["--datasets", blocks, "--output", tmp_path / "two"]
    run_two_ranks(TRAIN, blocks_config, *data, *more)
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), rel=1e-4)
    scores = json.loads(next((tmp_path / "two/scores").iterdir()).read_text())
    assert scores["num_images"] == 3
    valid_pixels = 3 * 62 * 128  # two of 64 rows are void
    assert sum(map(sum, scores["confusion"])) == valid_pixels


@pytest.mark.slow
def test_a_killed_rank_is_restarted_and_the_run_ends_as_if_nothing_had_happened(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    more = ["engine.checkpoint_every=1", "optim.iterations=12"]
    whole = launch(2, light_config, blocks, tmp_path / "whole", *more)
    done = subprocess.run(whole, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    cut = launch(2, light_config, blocks, tmp_path / "cut", "--max-restarts=1", *more)
    process = subprocess.Popen(cut, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    kill_one_rank(process, tmp_path / "cut/checkpoints/last.pt")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    first, second = (read_checkpoint(tmp_path / run / "checkpoints/last.pt") for run in ("whole", "cut"))
    assert second["iteration"] == 12
    for part in ("model", "training"):
        assert_equal_trees(first[part], second[part], part)


@pytest.mark.slow
def test_three_processes_that_resume_sum_their_gradients_as_those_that_never_stopped(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    more = ["engine.checkpoint_every=1", "engine.keep_checkpoints=9", "optim.global_batch_size=3"]
    part = tmp_path / "whole/checkpoints/iteration_00000003.pt"
    for run, resume in (("whole", []), ("cut", ["--resume", str(part)])):
        command = [*launch(3, light_config, blocks, tmp_path / run, *more), *resume]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    first, second = (read_checkpoint(tmp_path / run / "checkpoints/last.pt") for run in ("whole", "cut"))
    for part in ("model", "training"):
        assert_equal_trees(first[part], second[part], part)


def test_a_run_killed_before_its_first_checkpoint_or_while_it_saved_goes_on(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    config, run = load_config(light_config, ["data.val=null"]), tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(dump_config(config))  # all that an early kill leaves
    with pytest.raises(ConfigError, match="already holds a run; resume it with --resume auto"):
        train(config, datasets_root=blocks, output=run)
    kill_while_writing(run / "checkpoints" / "last.pt")
    assert len(list((run / "checkpoints").iterdir())) == 1
    assert train(config, datasets_root=blocks, output=run, resume="auto").iteration == 6
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.pt"]


def kill_while_writing(path: Path) -> None:
    """Let a process of its own be killed while it writes a file, as a checkpoint is written."""
    path.parent.mkdir(parents=True)
    writer = (
        "import os, pathlib, signal, sys; from segibn.files.writing import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", writer, str(path)], cwd=ROOT, timeout=60)
    assert done.returncode == -signal.SIGKILL


def kill_one_rank(launcher: subprocess.Popen, checkpoint: Path) -> None:
    """Kill the launcher's last child without warning once there is something to resume."""
    deadline = time.monotonic() + 200
    while not checkpoint.exists():
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)


def test_a_full_disk_is_named_and_the_last_checkpoint_stays_whole(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    more = ["optim.iterations=60", "engine.checkpoint_every=2"]
    base = [TRAIN, str(light_config), "--datasets", str(blocks), "--output", str(run), *more]
    # A limit on the size of files stands for a full disk: the same refusal in the middle of one.
    limit = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "sys.argv = sys.argv[1:]; from pathlib import Path; import threading, time\n"
        "def watch():\n"
        f"    while not Path({str(run / 'checkpoints/last.pt')!r}).exists(): time.sleep(0.01)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", limit, *base], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2, done.stderr
    assert "last.pt: cannot be written (File too large)" in done.stderr
    assert read_checkpoint(run / "checkpoints/last.pt")["iteration"] >= 2
    assert not list((run / "checkpoints").glob("*.part*"))


def test_latest_and_best_checkpoints_are_kept(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    more = ["optim.iterations=8", "engine.checkpoint_every=2", "engine.keep_checkpoints=2"]
    config = load_config(light_config, [*more, "engine.evaluate_every=4", "optim.lr=0.05"])
    train(config, datasets_root=blocks, output=tmp_path / "run")
    names = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert names == ["best.pt", "iteration_00000006.pt", "iteration_00000008.pt", "last.pt"]
    records = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    mious = {r["iteration"]: r["val_miou"] for r in records if "val_miou" in r}
    best = read_checkpoint(tmp_path / "run/checkpoints/best.pt")
    assert best["iteration"] == max(mious, key=mious.get)
    assert len(list((tmp_path / "run/pictures").iterdir())) == 2


def test_a_non_finite_loss_is_named_and_keeps_the_batch(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    config = load_config(light_config, ["optim.lr=1e30"])
    says = r"loss is (nan|inf) at iteration \d.*rate \d.*samples are \d, \d.*rank0\.pt"
    with pytest.raises(SegibnError, match=says):
        train(config, datasets_root=blocks, output=tmp_path / "run")
    kept = torch.load(tmp_path / "run/non_finite_batch_rank0.pt", weights_only=True)
    assert kept["image"].shape == (2, 3, 48, 96)
    assert len(kept["name"]) == 2


def test_a_diverged_state_replaces_no_checkpoint_and_remedies_work_with_that(
    blocks: Path, light_config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"

    def go(*more: str, output: Path = run) -> int:
        changes = ["data.val=null", "engine.checkpoint_every=3", "engine.precision=float32", *more]
        config = load_config(light_config, changes)
        return train(config, datasets_root=blocks, output=output, resume="auto").iteration

    with pytest.raises(SegibnError, match=r"after 1 updates the largest weight.*checkpoint yet"):
        go("optim.lr=1e30", "optim.iterations=1")  # whose loss is that of the initial weights
    assert not (run / "checkpoints/last.pt").exists()
    assert go() == 6

    last = run / "checkpoints/last.pt"
    content = torch.load(last, weights_only=True)
    halfway = {**content, "iteration": 4}
    torch.save(halfway, last)
    kept = last.read_bytes()
    with pytest.raises(SegibnError, match=f"(?s)Set a lower optim.lr.*init_from={last}") as caught:
        go("optim.lr=1e30")
    assert last.read_bytes() == kept
    assert "engine.precision" not in str(caught.value)  # it is float32
    with pytest.raises(CheckpointError, match=f"(?s)init_from={last}.*crop_size: "):
        go("data.crop_size=[32, 64]")

    momentum = content["training"]["optimizer"]["state"][0]["momentum_buffer"]
    for value, message in (
        (momentum * torch.nan, r"training\.optimizer\.state\.0\.momentum_buffer holds NaN"),
        (momentum[:1], "momentum_buffer of parameter 0 has shape"),
    ):
        state = {**content["training"]["optimizer"]["state"], 0: {"momentum_buffer": value}}
        optimizer = {**content["training"]["optimizer"], "state": state}
        training = {**content["training"], "optimizer": optimizer}
        torch.save({**halfway, "training": training}, last)
        with pytest.raises(CheckpointError, match=message):
            go()

    last.write_bytes(kept)
    with caplog.at_level(logging.WARNING, logger="segibn"):
        assert go("optim.lr=0.01", "optim.clip_grad_norm=1") == 6
    assert "resumed with optim.clip_grad_norm: None -> 1.0, optim.lr: 0.02 -> 0.01" in caplog.text
    assert go(f"init_from={last}", output=tmp_path / "new") == 6


def test_init_from_another_label_set_takes_all_but_the_classifiers(
    blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    result = train(load_config(light_config), datasets_root=blocks, output=tmp_path / "first")
    tree = yaml.safe_load(light_config.read_text())
    for part in ("train", "val"):
        tree["data"][part]["folder"]["labels"][0]["name"] = "renamed"
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(tree))
    more = [f"init_from={result.checkpoint}", "optim.iterations=1", "optim.lr=1e-12", "seed=5"]
    train(load_config(other, more), datasets_root=blocks, output=tmp_path / "second")
    old, new = (read_checkpoint(tmp_path / run / "checkpoints/last.pt")["model"] for run in ("first", "second"))
    for key, value in old.items():
        if "running" in key or "num_batches" in key:
            continue
        same = torch.allclose(value, new[key], atol=1e-7)
        assert same != (".classifier." in key), key


@pytest.mark.slow
def test_processes_that_see_different_run_folders_are_stopped(blocks: Path, light_config: Path, tmp_path: Path) -> None:
    more = ["engine.checkpoint_every=2", "optim.iterations=4", "data.val=null"]
    train(load_config(light_config, more), datasets_root=blocks, output=tmp_path / "0")
    # Two nodes without a shared file system: only the first has what the run has left so far.
    own_folder = tmp_path / "own_folder.py"
    own_folder.write_text(
        "import os, runpy, sys\n"
        "sys.argv = [*sys.argv[1:], '--output', "
        f"{str(tmp_path)!r} + '/' + os.environ['RANK']]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = launch(2, light_config, blocks, tmp_path / "0", *more, "optim.iterations=8")
    command = command[: command.index("--output")]
    command.insert(command.index(TRAIN), str(own_folder))
    command += [*more, "--resume", "auto"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "begin at different iterations ([0, 4])" in done.stderr
