"""A config, its files and its run folder move together; what the files hold decides, not where."""

from pathlib import Path

import pytest
from torch import nn

from segibn.builders.checkpoints import read_checkpoint
from segibn.config.load import load_config
from segibn.config.referred import with_copies
from segibn.config.schema import RunConfig
from segibn.engine.checkpoint import ClassTable, _check_same_run, save_checkpoint
from segibn.engine.run_dir import RunDir
from segibn.errors import CheckpointError

LISTS = ("data.train.names_file", "data.mix.0.dataset.names_file", "data.augmentation_file")


def start(folder: Path) -> Path:
    """Write what a training leaves at its first checkpoint."""
    (folder / "lists").mkdir(parents=True)
    (folder / "lists/few.txt").write_text("a\nb\n")
    (folder / "lists/more.txt").write_text("c\n")
    (folder / "flip.yaml").write_text("{p: 0.5}\n")
    (folder / "mine.yaml").write_text(
        "data:\n  train: {name: gta5, names_file: lists/few.txt}\n"
        "  mix: [{dataset: {name: camvid, names_file: lists/more.txt}, share: 0.5}]\n"
        "  augmentation_file: flip.yaml\n"
    )
    config, run = load_config(folder / "mine.yaml"), RunDir(folder / "run")
    run.prepare(config, {})
    save_checkpoint(
        run.last_checkpoint,
        model=nn.Linear(1, 1),
        config=with_copies(config)[0],
        classes=ClassTable("x", ("a", "b"), [[0, 0, 0], [1, 1, 1]]),
        iteration=1,
        training=None,
    )
    return folder


def paths_in(config: RunConfig) -> list[Path]:
    data = config.data
    named = (data.train.names_file, data.mix[0].dataset.names_file, data.augmentation_file)
    return [Path(str(name)) for name in named]


def check_resume(folder: Path, config: RunConfig) -> None:
    checkpoint = folder / "run/checkpoints/last.pt"
    old = read_checkpoint(checkpoint)["config"]
    _check_same_run(checkpoint, old, config.model_dump(mode="json"))


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """Return a folder with config, lists and run that was elsewhere when the run began."""
    return start(tmp_path / "there").rename(tmp_path / "elsewhere")


@pytest.mark.parametrize("config", ["mine.yaml", "run/config.yaml"])
def test_a_moved_run_goes_on_by_either_config(moved: Path, config: str) -> None:
    loaded = load_config(moved / config)
    check_resume(moved, loaded)
    assert [path.read_text() for path in paths_in(loaded)] == ["a\nb\n", "c\n", "{p: 0.5}\n"]
    assert loaded.data.title == "gta5:train@few+camvid:train@more"


def test_a_run_folder_alone_is_whole(moved: Path, tmp_path: Path) -> None:
    (moved / "run").rename(tmp_path / "alone")
    trained = RunConfig.model_validate(read_checkpoint(tmp_path / "alone/checkpoints/last.pt")["config"])
    assert paths_in(trained) == paths_in(load_config(tmp_path / "alone/config.yaml"))
    assert all(path.is_relative_to(tmp_path / "alone") for path in paths_in(trained))
    assert paths_in(trained)[0].read_text() == "a\nb\n"


@pytest.mark.parametrize(("number", "file"), [(0, "lists/few.txt"), (1, "lists/more.txt")])
def test_a_list_that_was_changed_is_another_run(moved: Path, number: int, file: str) -> None:
    (moved / file).write_text("a\nz\n")
    with pytest.raises(CheckpointError, match=f"\n  {LISTS[number]}: .*holds something else"):
        check_resume(moved, load_config(moved / "mine.yaml"))


def test_a_start_that_moved_is_told_by_its_name(tmp_path: Path) -> None:
    old = {"init_from": "/gone/a.pt", "model": {"weights": "/gone/r50.pth"}}
    new = {"init_from": "/here/a.pt", "model": {"weights": "/here/r50.pth"}}
    _check_same_run(tmp_path, old, new)
    with pytest.raises(CheckpointError, match="init_from"):
        _check_same_run(tmp_path, old, {**new, "init_from": "/here/b.pt"})
