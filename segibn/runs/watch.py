"""Predictions as frames come: to files, to a window, to a page on this machine."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from segibn.errors import ConfigError
from segibn.labels.palettes import distinct_palette
from segibn.media.live import LivePage, frames_of
from segibn.media.outputs import Outputs
from segibn.runs.trained import TrainedRun

_WINDOW = "segibn watch (q ends it)"


@dataclass(frozen=True)
class Shown:
    """Where predictions go; None = not there."""

    output: Path | None = None
    port: int | None = None
    host: str = "127.0.0.1"
    has_window: bool = False
    save: tuple[str, ...] = ("overlay",)
    marks: tuple[str, ...] = ()
    palette: str = "own"


def watch(
    run: TrainedRun, source: str, shown: Shown, most: int | None = None, say: Callable[[str], None] = print
) -> int:
    """Predict frames until the source ends, ``most`` are done, the window is closed or Ctrl-C; -> how many."""
    if shown.has_window:
        _require_window()
    palette = distinct_palette(run.class_names) if shown.palette == "distinct" else run.palette
    drawn = np.ones(len(run.class_names), bool)
    folder = shown.output or Path()
    outputs = Outputs(folder, palette, drawn, shown.save, class_names=run.class_names, marks=shown.marks)
    done, seconds, closed = 0, 0.0, Event()
    with ExitStack() as stack:
        page = None if shown.port is None else stack.enter_context(LivePage(shown.port, shown.host))
        if page is not None:
            say(f"page: {page.address}")
        try:
            for name, image in frames_of(source, closed.is_set):
                start = time.monotonic()
                train_ids = run.predictor(image)
                if shown.output is not None:
                    outputs.write_frame(name, image, train_ids, shown.save)
                if page is not None or shown.has_window:
                    picture = outputs.draw("overlay", image, train_ids)
                    if page is not None:
                        page.show(picture)
                    if shown.has_window and _show(picture):
                        closed.set()
                done, seconds = done + 1, seconds + time.monotonic() - start
                if done == most:
                    closed.set()
        except KeyboardInterrupt:
            pass
    rate = f", {done / seconds:.1f} frames/s" if seconds else ""
    say(f"{done} frames{rate}")
    return done


def _require_window() -> None:
    try:
        cv2.namedWindow(_WINDOW, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise ConfigError(
            "--show: this OpenCV opens no windows (opencv-python-headless, or no display); use --port 8000, a page"
        ) from error


def _show(picture: np.ndarray) -> bool:
    """Show a picture in the window; whether it was closed or q pressed."""
    cv2.imshow(_WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return cv2.waitKey(1) & 0xFF == ord("q")


def checked(shown: Shown, kinds: Sequence[str]) -> Shown:
    """Return it; ConfigError: nothing would be shown or written, or of a kind that is no frame's."""
    if shown.output is None and shown.port is None and not shown.has_window:
        raise ConfigError("say where predictions go: --output DIR, --port 8000 (a page) or --show")
    if unknown := set(shown.save) - set(kinds):
        raise ConfigError(f"--save: no {', '.join(sorted(unknown))}; there are {', '.join(kinds)}")
    return shown
