"""Where derived files go, and when they are stale."""

import os
from pathlib import Path

import pytest

from segibn.data.cache_folder import cache_folder
from segibn.data.class_index import IndexJob
from segibn.data.samples import SamplePaths
from segibn.labels.cityscapes import CITYSCAPES


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "root/a/1.png", tmp_path / "root/a/2.png"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"abc")
        os.utime(path, ns=(10**18, 10**18))
    return paths


def _of(files: list[Path], resize: tuple[int, int] | None = None) -> str:
    samples = [SamplePaths(file.stem, file, file) for file in files]
    return IndexJob("", samples, CITYSCAPES, resize, files[0].parents[1]).mark()


def test_it_changes_with_name_size_time_order_and_settings(files: list[Path]) -> None:
    before = _of(files)
    assert _of(files) == before
    others = [_of(files[:1]), _of(files[::-1]), _of(files, (2, 4))]
    os.utime(files[1], ns=(10**18, 10**18 + 1))
    others.append(_of(files))
    files[1].write_bytes(b"abcd")
    os.utime(files[1], ns=(10**18, 10**18))
    others.append(_of(files))
    files[1] = files[1].rename(files[1].with_name("3.png"))
    others.append(_of(files))
    assert len({before, *others}) == 1 + len(others)


def test_it_does_not_change_when_the_root_moves(files: list[Path], tmp_path: Path) -> None:
    before = _of(files)
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    assert _of([tmp_path / "elsewhere/a" / file.name for file in files]) == before


def test_an_index_of_another_machine_is_found(files: list[Path], tmp_path: Path) -> None:
    samples = [SamplePaths(file.stem, file, file) for file in files]
    job = IndexJob("a:train", samples, CITYSCAPES, None, tmp_path / "root")
    assert job.file.name == "a-train-5da79f289bc1.npz"
    assert job.mark() == "c6db6a7e176c4b2c77536f350df59857345a960b1b196de8f57ba47fa990f4e6"


def test_the_variable_beats_the_root_and_the_root_beats_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEGIBN_CACHE", raising=False)
    assert cache_folder(tmp_path) == tmp_path / ".segibn"
    assert cache_folder(None) == tmp_path / "home/.cache/segibn"
    assert cache_folder(tmp_path / "absent") == tmp_path / "home/.cache/segibn"
    monkeypatch.setenv("SEGIBN_CACHE", str(tmp_path / "mine"))
    assert cache_folder(tmp_path) == tmp_path / "mine"
    assert not (tmp_path / "mine").exists()  # asking makes nothing


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_that_cannot_be_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEGIBN_CACHE", raising=False)
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(0o555)
    assert cache_folder(root) == tmp_path / "home/.cache/segibn"
