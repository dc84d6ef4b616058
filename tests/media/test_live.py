"""Frames as they come, and the page that shows them."""

import http.client
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from segibn.errors import ConfigError
from segibn.files.encode import write_image
from segibn.media.live import LivePage, frames_of

GREEN = np.full((24, 32, 3), (10, 200, 30), np.uint8)


def _ask(page: LivePage, path: str, host: str | None = None) -> tuple[int, http.client.HTTPResponse]:
    port = int(page.address.rstrip("/").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    return response.status, response


def test_a_folder_gives_each_picture_once_as_it_is_whole(tmp_path: Path) -> None:
    write_image(tmp_path / "sub/a.png", GREEN)
    stop = threading.Event()

    def fill() -> None:
        time.sleep(0.5)
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        write_image(tmp_path / "b.png", GREEN)

    threading.Thread(target=fill).start()
    found = []
    for name, image in frames_of(str(tmp_path), stop.is_set):
        assert np.array_equal(image, GREEN)
        found.append(name)
        if len(found) == 2:
            stop.set()
    assert found == ["sub/a", "b"]


def test_the_page_streams_the_latest_picture_and_has_no_other_route() -> None:
    with LivePage(0) as page:
        status, response = _ask(page, "/")
        assert status == 200
        assert b'src="/stream"' in response.read()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert _ask(page, "/etc/passwd")[0] == 404
        assert _ask(page, "/", host="evil.example")[0] == 403  # a name of another site that leads here
        page.show(GREEN)
        status, response = _ask(page, "/stream")
        assert status == 200
        head = response.fp.readline() + response.fp.readline() + response.fp.readline()
        length = int(head.partition(b"Content-Length: ")[2])
        response.fp.readline()
        import cv2

        picture = cv2.imdecode(np.frombuffer(response.fp.read(length), np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(picture[..., ::-1].astype(int) - GREEN).max() < 12
    with pytest.raises(ConnectionError):
        _ask(page, "/")


def test_a_port_that_is_taken_is_an_error() -> None:
    with LivePage(0) as page:
        port = int(page.address.rstrip("/").rpartition(":")[2])
        with pytest.raises(ConfigError, match=rf"--port {port}: cannot listen"):
            LivePage(port)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no folder, camera number or address"),
        ("file:///etc/passwd", "no folder"),
        ("97", "cannot be opened"),
    ],
)
def test_what_is_no_source_is_refused(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        next(iter(frames_of(source, lambda: False)))


def test_a_stream_gives_frames_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a camera: three frames, then nothing."""
    import cv2

    class Camera:
        def __init__(self, _: object) -> None:
            self.left = 3

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def read(self) -> tuple[bool, np.ndarray | None]:
            time.sleep(0.2)
            self.left -= 1
            return self.left >= 0, GREEN[..., ::-1].copy()

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    found = list(frames_of("0", lambda: False))
    assert [name for name, _ in found] == [f"camera_0/{n:06d}" for n in range(len(found))]
    assert 1 <= len(found) <= 3
    assert all(np.array_equal(image, GREEN) for _, image in found)
