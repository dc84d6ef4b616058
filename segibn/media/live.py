"""Frames as they come: a folder being filled, a camera, a stream; and a small page that shows them."""

import contextlib
import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from segibn.errors import ConfigError, DatasetError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import list_files
from segibn.files.pictures import read_image
from segibn.media.codecs import quiet
from segibn.text import printable

_POLL_S = 0.3  # between two looks at a folder
_WAIT_S = 30.0  # for a page's next frame, after which the connection is dropped
_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
_BOUNDARY = "segibn-frame"
_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>segibn watch</title><style>body{margin:0;background:#111;display:grid;place-items:center;min-height:100vh}
img{max-width:100vw;max-height:100vh}</style><img src="/stream" alt="the latest frame, with its classes"></html>"""

Named = tuple[str, np.ndarray]  # and (H, W, 3) uint8 RGB


def frames_of(source: str, stop: Callable[[], bool]) -> Iterator[Named]:
    """Yield frames until ``stop`` says so or a stream ends.

    ``source``: a folder, whose pictures come once each and are waited for; a camera's number; an address
    (rtsp:, http: ...), of which the latest frame is taken and those missed are dropped.
    ConfigError: neither of these, or it cannot be opened.
    """
    if Path(source).is_dir():
        return _of_folder(Path(source), stop)
    scheme = urlsplit(source).scheme.lower()
    if source.isdigit():
        return _of_capture(int(source), f"camera_{source}", stop)
    if scheme in _SCHEMES:
        return _of_capture(source, "stream", stop)
    raise ConfigError(
        f"{printable(source)}: no folder, camera number or address ({', '.join(_SCHEMES)}); of files segibn predict "
        "makes label maps"
    )


def _of_folder(folder: Path, stop: Callable[[], bool]) -> Iterator[Named]:
    seen: set[Path] = set()
    sizes: dict[Path, int] = {}
    while not stop():
        fresh = [path for path in list_files(folder, IMAGE_SUFFIXES, recursive=True) if path not in seen]
        for path in fresh:
            with contextlib.suppress(OSError):
                size = path.stat().st_size
                if sizes.get(path) != size or size == 0:  # still being written, as far as is known
                    sizes[path] = size
                    continue
                seen.add(path)
                try:
                    image = read_image(path)
                except DatasetError as error:
                    print(f"passed over: {error}")
                    continue
                yield path.relative_to(folder).with_suffix("").as_posix(), image
                if stop():
                    return
        time.sleep(_POLL_S)


def _of_capture(source: int | str, name: str, stop: Callable[[], bool]) -> Iterator[Named]:
    quiet()
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        capture.release()
        raise ConfigError(f"{printable(source)}: cannot be opened; is it there, and free?")
    latest: list[np.ndarray | None] = [None]
    is_over, news = threading.Event(), threading.Condition()

    def read() -> None:
        while not is_over.is_set():
            is_there, frame = capture.read()
            with news:
                if not is_there:
                    is_over.set()
                latest[0] = frame if is_there else latest[0]
                news.notify()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        count = 0
        while not stop():
            with news:
                news.wait_for(lambda: latest[0] is not None or is_over.is_set(), timeout=1.0)
                frame, latest[0] = latest[0], None
            if frame is None:
                if is_over.is_set():
                    return
                continue
            yield f"{name}/{count:06d}", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            count += 1
    finally:
        is_over.set()
        reader.join(timeout=5.0)
        capture.release()


class LivePage:
    """A page with the latest picture as motion JPEG; a context manager. No other route, no input.

    By default it is bound to the loopback; then it answers requests for the loopback alone, so that no
    page of another site can read it by a name that leads here.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._picture, self._count = b"", 0  # the latest, and how many there were
        self._news, self._is_over = threading.Condition(), False
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler(host))
        except OSError as error:
            raise ConfigError(f"--port {port}: cannot listen on {host} ({error.strerror}); choose another") from error
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}/"

    def __enter__(self) -> "LivePage":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._is_over = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, picture: np.ndarray) -> None:
        """Show a picture (H, W, 3) uint8 RGB to all who look."""
        coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        with self._news:
            self._picture, self._count = coded.tobytes(), self._count + 1
            self._news.notify_all()

    def _pictures(self) -> Iterator[bytes]:
        shown = -1
        while True:
            with self._news:
                deadline = time.monotonic() + _WAIT_S
                while self._count in (shown, 0) and not self._is_over and time.monotonic() < deadline:
                    self._news.wait(1.0)
                if self._is_over or self._count in (shown, 0):
                    return
                shown, picture = self._count, self._picture
            yield picture

    def _handler(self, host: str) -> type[BaseHTTPRequestHandler]:
        page, is_private = self, ipaddress.ip_address(host).is_loopback

        class Handler(BaseHTTPRequestHandler):
            server_version = "segibn"
            sys_version = ""

            def do_GET(self) -> None:
                asked = (self.headers.get("Host") or "").rsplit(":", 1)[0].strip("[]")
                if is_private and asked not in ("127.0.0.1", "localhost", "::1"):
                    self.send_error(403)
                elif self.path == "/":
                    self._begin("text/html; charset=utf-8", len(_PAGE))
                    self.wfile.write(_PAGE)
                elif self.path == "/stream":
                    self._begin(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                    with contextlib.suppress(OSError):  # who looked is gone
                        for picture in page._pictures():
                            head = (
                                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                            )
                            self.wfile.write(head.encode() + picture + b"\r\n")
                else:
                    self.send_error(404)

            def _begin(self, kind: str, length: int | None = None) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Cache-Control", "no-store")
                self.send_header("X-Content-Type-Options", "nosniff")
                policy = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
                self.send_header("Content-Security-Policy", policy)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing; progress is on the terminal."""

        return Handler
