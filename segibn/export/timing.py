"""The time of one frame in PyTorch and in an exported graph, side by side."""

import statistics
import timeit
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

    The network is laid out channels-last, in place; the file says how large frames are.
    """
    graph = load_onnx(path)
    size = InferenceOptions.as_scored(graph.description).size_for(_FRAME)
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    times: dict[Predictor, list[float]] = {Predictor(n, "cpu"): [] for n in (segmenter, graph)}
    for predict in (pairs + 1) * list(times):
        times[predict].append(timeit.timeit(lambda predict=predict: predict(frame), number=1))
    medians = [statistics.median(seconds[1:]) for seconds in times.values()]  # the first warms up
    return FrameTimes(size, torch.get_num_threads(), *medians)
