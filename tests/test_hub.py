"""Runs on the Hugging Face hub, by a stand-in for its transport, and in folders like its repositories."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import EntryNotFoundError

import segibn
from segibn.cli.main import main
from segibn.errors import ConfigError, SegibnError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the hub: repositories below it."""
    store = tmp_path / "hub"

    class Api:
        def __init__(self, library_name: str) -> None:
            assert library_name == "segibn"

        def create_repo(self, repository: str, private: bool, exist_ok: bool) -> SimpleNamespace:
            if "/" not in repository:
                raise OSError("401 Unauthorized")
            (store / repository).mkdir(parents=True, exist_ok=exist_ok)
            return SimpleNamespace(repo_id=repository, private=private)

        def upload_folder(self, repo_id: str, folder_path: Path, commit_message: str) -> None:
            assert commit_message
            shutil.copytree(folder_path, store / repo_id, dirs_exist_ok=True)

    def download(repository: str, file: str, library_name: str) -> str:
        path = store / repository / file
        if not path.is_file():
            raise EntryNotFoundError("404")
        return str(path)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return store


def test_what_was_pushed_is_loaded_and_predicts_the_same(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "drivable-lite", "me/drivable"]) == 0
    assert "segibn predict --model hf:me/drivable FRAMES" in capsys.readouterr().out
    assert sorted(path.name for path in (hub / "me/drivable").iterdir()) == [
        "README.md",
        "config.yaml",
        "segibn.safetensors",
    ]
    card = (hub / "me/drivable/README.md").read_text()
    assert card.startswith("---\n")
    assert "research" in card  # the licence note of the data travels along
    frame = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    mine, theirs = segibn.load("hf:me/drivable", "cpu"), segibn.load("drivable-lite", "cpu")
    assert mine.class_names == theirs.class_names
    assert np.array_equal(mine.predict(frame).train_ids, theirs.predict(frame).train_ids)


def test_a_folder_loads_as_a_repository_does(tmp_path: Path) -> None:
    assert main(["push", "drivable-lite", "--to-folder", str(tmp_path / "net"), "--licence", "MIT", "--full"]) == 0
    assert segibn.load(f"hf:{tmp_path / 'net'}", "cpu").class_names == ("background", "direct", "alternative")
    assert "MIT" in (tmp_path / "net/README.md").read_text()


def test_mistakes_say_the_fix(hub: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="say where to"):
        main(["push", "drivable-lite"])
    with pytest.raises(
        SegibnError, match=r"nameless: the hub took nothing \(401 Unauthorized\); is the name USER/NAME"
    ):
        main(["push", "drivable-lite", "nameless"])
