"""Published files: fetched once, known by their hash; every way it can fail has its message."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from segibn.errors import CheckpointError
from segibn.models.weights.download import published_file
from segibn.models.weights.sources import PUBLISHED, WeightSource

BODY = b"weights" * 5000
GOOD = hashlib.sha256(BODY).hexdigest()[:8]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY; under /cut/ only half of it, under /gone/ nothing."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        self.send_response(404 if self.path.startswith("/gone/") else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if self.path.startswith("/cut/") else BODY)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty torch.hub folder; no proxy."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    urllib.request.install_opener(None)
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)
    urllib.request.install_opener(None)


def _source(server: http.server.HTTPServer, folder: str, digest: str = GOOD) -> WeightSource:
    port = server.server_address[1]
    return WeightSource(f"http://127.0.0.1:{port}/{folder}/net-{digest}.pth", "none")


def test_a_file_is_fetched_once_and_then_found(server, hub: Path, caplog) -> None:
    source = _source(server, "good")
    with caplog.at_level("INFO"):
        path = published_file(source)
    assert path == hub / f"net-{GOOD}.pth"
    assert path.read_bytes() == BODY
    assert f"downloading {source.url} to {path}" in caplog.text
    assert published_file(source) == path
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("folder", "digest", "reason"),
    [
        ("good", "00000000", 'by its SHA-256: invalid hash value (expected "00000000"'),
        ("cut", GOOD, "cut short or another file, by its SHA-256"),
        ("gone", GOOD, "HTTP Error 404"),
    ],
)
def test_what_is_not_the_published_file_is_not_kept(server, hub: Path, folder: str, digest: str, reason: str) -> None:
    source = _source(server, folder, digest)
    with pytest.raises(CheckpointError) as caught:
        published_file(source)
    message = str(caught.value)
    assert f"could not download {source.url}" in message
    assert reason in message
    assert f"put it at {hub / source.file_name}" in message
    assert list(hub.iterdir()) == []


def test_offline_the_error_says_what_to_get_and_where_to_put_it(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing answers
    with pytest.raises(CheckpointError) as caught:
        published_file(PUBLISHED["ibn_net", "resnet18", "a"])
    message = str(caught.value)
    url = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet18_ibn_a-2f571257.pth"
    assert url in message
    assert str(hub / "resnet18_ibn_a-2f571257.pth") in message
    assert "model.weights=none" in message


def test_a_folder_that_cannot_be_written_is_named(server, hub: Path) -> None:
    hub.write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match=f"put it at {hub}"):
        published_file(_source(server, "good"))


def test_a_damaged_file_in_the_folder_is_refused(hub: Path) -> None:
    hub.mkdir()
    (hub / "resnet18_ibn_a-2f571257.pth").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"damaged or another file.*2f571257.*Delete it"):
        published_file(PUBLISHED["ibn_net", "resnet18", "a"])


WORKER = """
import sys
from pathlib import Path

import torch
from segibn import distributed
from segibn.devices import local_rank
from segibn.models.weights.download import published_file
from segibn.models.weights.sources import WeightSource

url, hub = sys.argv[1:]
torch.hub.set_dir(hub)
with distributed.process_group(torch.device("cpu")):
    path = published_file(WeightSource(url, "none"))
    Path(hub, f"rank{local_rank()}").write_bytes(path.read_bytes())
"""


@pytest.mark.slow
def test_of_several_processes_one_downloads_and_the_others_wait(server, hub: Path, repository: Path) -> None:
    script = hub.parent / "worker.py"
    script.write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, script, _source(server, "good").url, hub.parent]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(repository)})
    assert len(server.requests) == 1
    assert all((hub.parent / f"rank{rank}").read_bytes() == BODY for rank in (0, 1))
