"""The time of one frame in PyTorch and in an exported graph, side by side."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from segibn.export.exported import load_onnx
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.models.segmenter import Segmenter

_FRAME = (512, 1024)


@dataclass(frozen=True)
class FrameTimes:
    """Medians for one frame, uint8 to label map, of calls made in turn."""

    size: tuple[int, int]
    """(H, W) of the frame."""
    threads: int
    """Of both."""
    torch_s: float
    """PyTorch, float32, channels-last."""
    onnx_s: float
    """ONNX Runtime, with the file."""


def time_frames(segmenter: Segmenter, path: Path, pairs: int = 5) -> FrameTimes:
    """Predict one random frame by turns in PyTorch and with an ONNX file, on the CPU.

    Args:
        segmenter: what the file was made of; laid out channels-last, in place.
        path: of the .onnx file; its description says how large frames are.
        pairs: how often each.
    """
    graph = load_onnx(path)
    size = InferenceOptions.as_scored(graph.description).size_for(_FRAME)
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    ours, theirs = Predictor(segmenter, "cpu"), Predictor(graph, "cpu")
    times: dict[Predictor, list[float]] = {ours: [], theirs: []}
    for turn in range(pairs + 1):  # the first is not counted
        for predict in times:
            seconds = _seconds(lambda predict=predict: predict(frame))
            times[predict] += [seconds] if turn else []
    medians = [statistics.median(seconds) for seconds in times.values()]
    return FrameTimes(size, torch.get_num_threads(), *medians)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
