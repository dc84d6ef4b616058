"""What every test may use: the folder of real frames, and one thread for torch and OpenCV."""

import os
import shutil
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
