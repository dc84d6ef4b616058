"""A dry run finds what a training would refuse, writes nothing, and its estimates hold."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from segibn.builders.sets import build_label_set, index_dataset
from segibn.cli import run_main
from segibn.cli.train import main
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.plan import BatchPlan
from segibn.engine.checkpoint import require_disk
from segibn.engine.run_dir import RunDir
from segibn.engine.train import build_model, train
from segibn.engine.trial import Trial, try_update
from segibn.engine.update import Updater
from segibn.runs.dry_run import dry_run

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


@pytest.fixture
def command(blocks: Path, blocks_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs ``tools/train.py --dry-run`` and returns its exit code."""

    def run(*more: str, config: Path = blocks_config, datasets: Path = blocks) -> int:
        argv = ["train.py", str(config), *more, "--datasets", str(datasets), "--dry-run"]
        monkeypatch.setattr(sys, "argv", [*argv, "--output", str(tmp_path / "run")])
        logger = logging.getLogger("segibn")
        handlers = list(logger.handlers)
        try:
            with pytest.raises(SystemExit) as ended:
                run_main(main)
        finally:
            logger.handlers[:] = handlers  # the command's own writes to a stream that is closed now
        return ended.value.code

    return run


def files_below(*folders: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for folder in folders for path in sorted(folder.rglob("*"))}


def test_report_names_data_batch_and_needs_and_ends_with_the_command(
    command: Callable[..., int], blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_below(tmp_path, blocks)
    more = ["optim.global_batch_size=6", "engine.max_micro_batch=4", "ema={decay: 0.9}"]
    assert command(*more, "data.workers=2") == 0
    assert files_below(tmp_path, blocks) == before
    text = capsys.readouterr().out
    lines = dict(line.split(maxsplit=1) for line in text.splitlines() if line[0] != " ")
    assert lines["train"] == "folder:train, 7 samples"
    assert lines["val"] == "folder:val, 3 samples"
    assert lines["classes"] == "2: dark, bright"
    assert lines["batch"] == "6 = 1 process x 2 steps of 3, crops of 48x96"
    assert lines["duration"].startswith("about ")
    assert "6 updates of" in lines["duration"]
    assert "moving average 43 MiB" in " ".join(text.split())
    assert "an estimate, scaled up by pixels from an update with 2 crops of 48x96" in " ".join(text.split())
    last = text.splitlines()[-1]
    assert last.startswith("dry run passed: python train.py ")
    assert last.endswith(f"--output {tmp_path / 'run'}")
    assert "--dry-run" not in last


def no_val(tree: dict) -> None:
    tree["data"]["val"]["split"] = "nowhere"


def other_classes(tree: dict) -> None:
    folder = tree["data"]["val"]["folder"]
    first, *rest = folder["labels"]
    tree["data"]["val"]["folder"] = {**folder, "labels": [{**first, "name": "black"}, *rest]}


def aspp_of_one(tree: dict) -> None:
    tree["model"]["head"] = {"name": "deeplabv3", "channels": 8}
    tree["optim"]["global_batch_size"] = 1


def rare_of_none(tree: dict) -> None:
    tree["data"]["sampling"] = {"name": "rare_class", "min_pixels": 99999}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (no_val, "nowhere"),
        (other_classes, "black"),
        (aspp_of_one, "max_micro_batch to two"),
        (rare_of_none, "lower data.sampling.min_pixels"),
        ("loss.class_weights=[1, 2, 3]", "loss.class_weights has 3 numbers"),
        ("init_from=nothing.pt", "nothing.pt: no such file"),
        ("init_from=pyproject.toml", "no file of weights"),
        ("model.weights=nothing.pt", "nothing.pt is no file"),
        ("data.resize=[96, 48]", "did you mean data.resize: [48, 96]?"),
        ("engine.precision=float16", "engine.precision float16"),
        ("optim.lrr=1", "did you mean 'lr'?"),
        ("--resume=nothing.pt", "no run or checkpoint nothing.pt"),
    ],
)
def test_mistake_ends_with_one_error_and_nothing_written(
    mistake: str | Callable[[dict], None],
    message: str,
    command: Callable[..., int],
    blocks_config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    more = [mistake] if isinstance(mistake, str) else []
    if callable(mistake):
        tree = yaml.safe_load(blocks_config.read_text())
        mistake(tree)
        blocks_config.write_text(yaml.safe_dump(tree))
    before = files_below(tmp_path)
    assert command(*more) == 2
    text = capsys.readouterr()
    assert [line[:7] for line in text.err.splitlines()].count("error: ") == 1
    assert message in text.err
    assert "dry run passed" not in text.out
    assert files_below(tmp_path) == before


def test_batch_that_the_processes_cannot_share_is_refused(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")
    assert command("optim.global_batch_size=4") == 2
    assert "global_batch_size 4 cannot be shared out over 3" in capsys.readouterr().err


@pytest.mark.parametrize(("part", "kept"), [("images/val", 40), ("targets/val", -30)])
def test_damaged_samples_are_named(
    part: str, kept: int, command: Callable[..., int], blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = tmp_path / "datasets"
    for path in files_below(blocks / "blocks"):
        if path.is_file():
            copy = datasets / path.relative_to(blocks)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes()[: kept if part in str(path) else None])
    assert command(datasets=datasets) == 2
    assert f"{part}/0.png" in capsys.readouterr().err


def test_folder_with_a_run_and_a_place_that_cannot_be_written_are_refused(
    command: Callable[..., int], blocks: Path, blocks_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.write_text("in the way")
    assert command() == 2
    assert "run: is a file; name a folder" in capsys.readouterr().err
    run.unlink()
    train(load_config(blocks_config, ["optim.iterations=2"]), datasets_root=blocks, output=run)
    before = files_below(run)
    assert command() == 2
    assert "already holds a run" in capsys.readouterr().err
    assert command("--resume=auto", "optim.iterations=3") == 2
    assert "optim.iterations: 2 -> 3" in capsys.readouterr().err
    assert command("--resume=auto", "optim.iterations=2") == 2
    assert "nothing is left to train" in capsys.readouterr().err
    assert files_below(run) == before


def test_disk_that_is_too_small_is_refused(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = type("Usage", (), {"free": 200 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert command("engine.keep_checkpoints=4") == 2
    assert "has 200 MiB free" in capsys.readouterr().err


def test_index_of_classes_is_built_if_that_is_short_and_else_its_cost_is_told(
    command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGIBN_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patience:
        patience.setattr("segibn.runs.dry_run._SHORT_S", 0.0)
        assert command("data.sampling=class_uniform") == 0
    assert "found at the start: folder:train about 1 s" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "cache").exists()
    assert command("data.sampling=class_uniform") == 0
    assert "\nsampling  class_uniform\n" in capsys.readouterr().out
    assert len(list((tmp_path / "cache/class_index").iterdir())) == 1


def test_checkpoints_are_as_large_as_was_said(blocks: Path, blocks_config: Path, tmp_path: Path) -> None:
    more = ["ema={decay: 0.9}", "optim.name=adamw", "engine.keep_checkpoints=2"]
    config = load_config(blocks_config, [*more, "optim.iterations=4", "engine.evaluate_every=2"])
    disk = require_disk(build_updater(config, blocks), RunDir(tmp_path / "run"))
    train(config, datasets_root=blocks, output=tmp_path / "run")
    files = list((tmp_path / "run/checkpoints").iterdir())
    assert (tmp_path / "run/checkpoints/last.pt").stat().st_size == pytest.approx(disk.checkpoint, rel=0.02)
    different = {path.stat().st_ino: path.stat().st_size for path in files}  # links count once
    assert sum(different.values()) <= 1.02 * disk.need


@pytest.mark.slow
def test_two_processes_share_one_report(
    run_two_ranks: Callable[..., str], blocks: Path, light_config: Path, tmp_path: Path
) -> None:
    command = [ROOT / "tools/train.py", light_config, "--datasets", blocks, "--dry-run"]
    command += ["--output", tmp_path / "run", "optim.global_batch_size=8"]
    said = run_two_ranks(*command, "engine.max_micro_batch=2")
    assert said.count("8 = 2 processes x 2 steps of 2") == 1
    assert said.count("dry run passed: torchrun --nproc_per_node=2 ") == 1
    assert not (tmp_path / "run").exists()


def build_updater(config: RunConfig, blocks: Path) -> Updater:
    labels = build_label_set(config.data.train, None, index_dataset(config.data.train, blocks))
    return Updater(config, build_model(config, labels, CPU))


def trial_of(config_file: Path, blocks: Path, *more: str) -> tuple[Trial, Updater]:
    updater = build_updater(load_config(config_file, more), blocks)
    return try_update(updater, random_batch(updater, 2), 0), updater


def random_batch(updater: Updater, count: int) -> dict:
    rng, size = np.random.default_rng(0), updater.config.data.crop_size
    return {
        "image": torch.from_numpy(rng.integers(0, 256, (count, 3, *size)).astype(np.uint8)),
        "target": torch.from_numpy(rng.integers(0, 2, (count, *size)).astype(np.uint8)),
        "name": [f"frame{index}" for index in range(count)],
    }


def test_weights_gradients_optimiser_and_average_are_counted(blocks: Path, blocks_config: Path) -> None:
    trial, updater = trial_of(blocks_config, blocks, "optim.name=adamw", "ema={decay: 0.9}")
    numbers = sum(parameter.numel() for parameter in updater.model.parameters())
    tensors = len(list(updater.model.parameters()))
    memory = trial.memory
    assert memory["gradients"] == 4 * numbers
    assert memory["optimiser"] == 2 * 4 * numbers + 4 * tensors  # two moments, and a count of steps
    assert memory["average"] == memory["weights"]
    assert 0 < memory["weights"] - 4 * numbers < 0.01 * memory["weights"]  # running statistics
    assert trial.crops == 2
    assert updater.plan == BatchPlan(2, 1)


def test_activations_grow_with_the_pixels_of_a_micro_batch(blocks: Path, blocks_config: Path) -> None:
    def activations(*more: str) -> int:
        crop = ["data.crop_size=[300, 400]", *more]
        trial, _ = trial_of(blocks_config, blocks, *crop)
        assert trial.crop == (256, 256)
        return trial.memory["activations"]

    two = activations()
    four = activations("optim.global_batch_size=8", "engine.max_micro_batch=4")  # in two steps
    # A pixel keeps at the very least: the image in float, and what the stem's convolution and its
    # norm return, 64 channels at half the size in two bytes each.
    assert (four - two) / (2 * 300 * 400) > 4 * 3 + 2 * 2 * 64 / 4
    assert four / two == pytest.approx(2, rel=0.01)


# A process of its own: what is measured is a fork, which torch's threads would not survive.
MEASURE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/engine"]
import torch
torch.set_num_threads(1)
from benchmarks.memory import growth_in_child
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.engine.train import build_model
from segibn.engine.update import Updater
from segibn.engine.trial import try_update
from segibn.data.datasets.catalog import scheme_label_set
from test_dry_run import CPU, random_batch

config = load_config(sys.argv[2], sys.argv[3:])
labels = scheme_label_set("cityscapes19")
batch = config.optim.global_batch_size

def updater():
    return Updater(config, build_model(config, labels, CPU))

def build():
    first = updater()
    small = {key: value[..., :64, :64] if key != "name" else value
             for key, value in random_batch(first, batch).items()}
    first.update(small, 0)  # late imports and libraries are over
    def call():
        whole = updater()
        for iteration in range(2):
            whole.update(random_batch(whole, batch), iteration).read()
    return call

measured = growth_in_child(build)
of = updater()
print(measured, sum(try_update(of, random_batch(of, 2), 0).memory.values()) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "more"),
    [
        ("sample_ibn.yaml", ()),
        ("sample_none.yaml", ("ema={decay: 0.9}", "optim.name=adamw")),
        ("cityscapes_ibn.yaml", ("data.crop_size=[384, 384]", "optim.global_batch_size=2")),
        ("bdd_drivable_ibn_b.yaml", ("data.crop_size=[256, 512]", "optim.global_batch_size=3")),
    ],
)
def test_estimate_of_memory_is_within_a_factor_of_two_of_what_a_process_grows(
    config: str, more: tuple[str, ...]
) -> None:
    arguments = [str(ROOT), str(ROOT / "configs" / config), "model.weights=none", *more]
    done = subprocess.run([sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    measured, estimated = map(float, done.stdout.split())
    print(f"{config} {' '.join(more)}: measured {measured:.0f} MiB, estimated {estimated:.0f} MiB")
    assert 0.5 < estimated / measured < 2


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data sets' root with a few synthetic frames of every appearance and layout."""
    from painted_scenes.spec import SampleSpec
    from painted_scenes.write import write_sample_data

    root = tmp_path_factory.mktemp("sample")
    write_sample_data(root, SampleSpec(frames=(6, 2), size=(128, 256)), workers=1)
    return root


SERVED = sorted(
    path
    for pattern in ("sample*", "gta5*", "cityscapes*", "bdd_drivable*")
    for path in (*(ROOT / "configs").glob(pattern), *(ROOT / "configs/base").glob(pattern))
    if "synthia" not in path.stem  # which nothing paints
)


@pytest.mark.slow
@pytest.mark.parametrize("path", SERVED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_config_for_sample_data_passes(path: Path, sample_root: Path, tmp_path: Path) -> None:
    config = load_config(path, ["model.weights=none"])
    found = dry_run(config, datasets_root=sample_root, output=tmp_path / "run")
    height, width = (min(256, side) for side in config.data.crop_size)
    assert f"of {height}x{width} on this CPU" in dict(found)["note"]
    assert found[0][0] == "train"
    assert not RunDir(tmp_path / "run").path.exists()
