"""What every test may use: the folder of real frames, and one thread for torch and OpenCV."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real frames, or skip: they are never part of the repository."""
    folder = os.environ.get("SEGIBN_REAL_DATA")
    if not folder:
        pytest.skip("set SEGIBN_REAL_DATA to a folder with bdd100k/, camvid/ and cityscapes/")
    return Path(folder)


@pytest.fixture
def two_ranks() -> Callable[..., list[subprocess.Popen[str]]]:
    """Return what starts a Python program as both ranks of one run, as torchrun would.

    Without torchrun, which takes seconds, and would end the one when the other has died.
    """

    def start(*arguments: object) -> list[subprocess.Popen[str]]:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = str(probe.getsockname()[1])
        common = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        common |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        return [
            subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env={**os.environ, **common, "RANK": rank, "LOCAL_RANK": rank},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in "01"
        ]

    return start


@pytest.fixture
def run_two_ranks(two_ranks: Callable[..., list[subprocess.Popen[str]]]) -> Callable[..., str]:
    """Return what runs a program so to its good end; gives all that both ranks said."""

    def run(*arguments: object) -> str:
        ranks = two_ranks(*arguments)
        said = "".join(rank.communicate(timeout=300)[0] for rank in ranks)
        assert [rank.returncode for rank in ranks] == [0, 0], said
        return said

    return run


@pytest.fixture(autouse=True)
def _own_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep derived files below each test's own data sets, whatever the machine is set to."""
    monkeypatch.delenv("SEGIBN_CACHE", raising=False)


@pytest.fixture(scope="module")
def browser():
    """Return a Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def save_untrained() -> Callable[..., None]:
    """Return a function (run folder, config as a tree, scheme, iteration, seed) that writes a run.

    Its network has random weights, also in the classifier, so that classes differ.
    """
    import torch

    from segibn.builders.models import build_segmenter
    from segibn.config.load import validate
    from segibn.data.datasets.catalog import scheme_label_set
    from segibn.engine.checkpoint import ClassTable, save_checkpoint

    def save(folder: Path, tree: dict, scheme: str, iteration: int, seed: int = 0) -> None:
        config, table = validate(tree, "test"), scheme_label_set(scheme)
        torch.manual_seed(seed)
        model = build_segmenter(config.model, table.num_classes)
        torch.nn.init.normal_(model.head.classifier.weight)
        save_checkpoint(
            folder / "checkpoints" / "last.pt",
            model=model,
            config=config,
            classes=ClassTable(scheme, table.class_names, table.palette.tolist()),
            iteration=iteration,
            training=None,
        )

    return save
