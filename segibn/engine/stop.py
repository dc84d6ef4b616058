"""Ctrl-C, SIGTERM and SIGHUP during training: finish the iteration, save, then leave."""

import signal
from types import FrameType
from typing import Any

_HANGUP = getattr(signal, "SIGHUP", None)  # of a closed terminal; Windows has none
_STOPPING = [number for number in (signal.SIGINT, signal.SIGTERM, _HANGUP) if number is not None]


class StopSignals:
    """Context in which the first SIGINT, SIGTERM or SIGHUP only sets ``received``.

    A second SIGINT interrupts at once. Outside the main thread it does nothing.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in _STOPPING:
            if number == _HANGUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # of nohup
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:  # not the main thread: Python allows no handlers
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
