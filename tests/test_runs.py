from pathlib import Path

import pytest

from segibn.errors import CheckpointError
from segibn.runs.find import datasets_of, find_checkpoint


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/study/city_seed0")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints/last.pt").touch()
    return folder


def test_files_folders_and_names_mean_the_same_checkpoint(run: Path) -> None:
    last = run / "checkpoints/last.pt"
    for given in (last, run, "study/city_seed0", "city_seed0", run.absolute()):
        assert find_checkpoint(given).absolute() == last.absolute()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("runs/study/city_sed0", "did you mean 'runs/study/city_seed0'"),
        ("city_seed1", "did you mean 'study/city_seed0'"),
        ("runs/study", "a folder of runs, not one: give runs/study/city_seed0"),
        ("runs/study/city_seed0/checkpoints", "give the run, runs/study/city_seed0"),
        ("runs/study/city_seed0/checkpoints/lats.pt", "did you mean 'last.pt'"),
        ("other/model.onnx", "there is no folder other"),
        ("no\x1b[31mrun", "no\\x1b[31mrun"),
    ],
)
def test_what_is_not_there_is_answered_by_what_is(run: Path, given: str, says: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(given)
    assert says in str(caught.value)


def test_a_run_without_its_last_checkpoint_names_those_it_has(run: Path) -> None:
    (run / "checkpoints/last.pt").rename(run / "checkpoints/best.pt")
    with pytest.raises(CheckpointError, match=r"has no checkpoints/last\.pt; it has .*best\.pt"):
        find_checkpoint(run)


def test_a_run_knows_the_data_sets_that_it_was_trained_on(run: Path) -> None:
    assert datasets_of(run) is None
    (run / "environment.json").write_text('{"datasets": "data"}')
    assert datasets_of(run) is None
    Path("data").mkdir()
    assert datasets_of(run) == Path("data")
