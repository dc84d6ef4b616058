#!/usr/bin/env python
"""How much memory a label map takes beside the network: whole frames, several scales, windows.

For each way to show the network a frame two things are weighed, each in a fresh child process: the
network alone, run on the same inputs with its results thrown away, and the predictor, which keeps
logits, averages them and picks the classes. The difference of the peaks is what prediction adds.
The last rows predict two frames and more, to show that memory does not grow with their number.

    python benchmarks/inference_memory.py --json results/benchmarks/inference_memory.json
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.inference import network
from benchmarks.memory import Call, growth_in_child
from benchmarks.timing import describe_device
from segibn import provenance
from segibn.files.writing import write_json
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.inference.windows import window_slices
from segibn.models.kernels.resize import resize_image
from segibn.models.segmenter import Segmenter

CLASSES = 19
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
Size = tuple[int, int]


@dataclass(frozen=True)
class MemoryRow:
    """One line of the table, in MiB; None where the system does not tell.

    Attributes:
        way: how frames meet the network, as in a signature.
        views: how often the network sees a frame.
        frames: how many frames were predicted, one after the other.
        network_mib: peak of the network alone.
        peak_mib: peak of the whole prediction.
        added_mib: the difference, not below 0.
    """

    way: str
    views: int
    frames: int
    network_mib: float | None
    peak_mib: float | None
    added_mib: float | None


class Thin(torch.nn.Module):
    """A backbone that is next to nothing, so that what prediction adds stands out."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, 3, H / 8, W / 8)."""
        return torch.nn.functional.avg_pool2d(image, 8, ceil_mode=True)


class ThinHead(torch.nn.Module):
    """Three colours to K classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classifier = torch.nn.Conv2d(3, classes, 1)
        self.logits_spec = type("Spec", (), {"channels": classes, "stride": 8})

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, K, h, w)."""
        return self.classifier(features)


def build(name: str) -> Segmenter:
    """Return the network that is weighed: ``thin``, or a backbone with a narrow DeepLabV3+."""
    if name != "thin":
        return network(name, 16, "cpu")
    torch.manual_seed(0)
    return Segmenter(Thin(), ThinHead(CLASSES)).eval()


def ways(frame: Size, scales: tuple[float, ...]) -> list[InferenceOptions]:
    """Return the ways that are compared, for frames of a size."""
    window = (frame[0] * 3 // 4, frame[0] * 3 // 4)
    return [
        InferenceOptions(),
        InferenceOptions(scales=scales, flip=True),
        InferenceOptions(window=window),
        InferenceOptions(window=window, blending="gaussian"),
    ]


def frames_of(size: Size, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, image) of frames that are made when they are asked for."""
    for number in range(count):
        image = np.empty((*size, 3), np.uint8)
        image[:] = np.arange(size[1])[:, None] // 8 + 40 * number
        yield str(number), image


def prediction(name: str, size: Size, options: InferenceOptions, count: int) -> Call:
    """Build what is weighed: a predictor over some frames, whose maps are let go."""
    predict = Predictor(build(name), options=options)

    def call() -> None:
        for _ in predict.over(frames_of(size, count)):
            pass

    return call


def network_alone(name: str, size: Size, options: InferenceOptions) -> Call:
    """Build the same without anything but the network's own passes."""
    model = build(name)

    @torch.inference_mode()
    def call() -> None:
        for _, image in frames_of(size, 1):
            pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
            for scale in sorted(options.scales, reverse=True):
                seen = (round(size[0] * scale), round(size[1] * scale))
                scaled = resize_image(model.normalize(pixels), seen)
                for part in _parts(scaled, options):
                    model.coarse_logits(part)
                del scaled, part

    return call


def _parts(image: torch.Tensor, options: InferenceOptions) -> Iterator[torch.Tensor]:
    if options.window is None:
        yield image
        return
    size = (image.shape[-2], image.shape[-1])
    for rows, columns in window_slices(size, options.window, options.steps):
        yield image[..., rows, columns]


def weigh(name: str, size: Size, options: InferenceOptions, count: int = 1) -> MemoryRow:
    """Measure one row."""
    alone = _growth_alone(name, size, options)
    whole = growth_in_child(partial(prediction, name, size, options, count))
    added = None if alone is None or whole is None else max(0.0, whole - alone)
    words = f"{options.describe()}|scales:{','.join(map(str, options.scales))}"
    words += f"|flip:{'yes' if options.flip else 'no'}"
    windows = 1
    if options.window is not None:
        windows = len(list(window_slices(size, options.window, options.steps)))
    return MemoryRow(words, options.num_views * windows, count, alone, whole, added)


@cache
def _growth_alone(name: str, size: Size, options: InferenceOptions) -> float | None:
    return growth_in_child(partial(network_alone, name, size, options))


def measure(given: argparse.Namespace, show: Callable[[MemoryRow], None]) -> list[dict]:
    """Measure all rows; the last two compare two frames with several."""
    rows = []
    size, flip = tuple(given.size), InferenceOptions(flip=True)
    chosen = [(options, 1) for options in ways(size, tuple(given.scales))]
    for options, count in [*chosen, (flip, 2), (flip, given.frames)]:
        rows.append(weigh(given.network, size, options, count))
        show(rows[-1])
    return [asdict(row) for row in rows]


def _show(row: MemoryRow) -> None:
    numbers = (row.network_mib, row.peak_mib, row.added_mib)
    shown = "".join("       ?" if number is None else f"{number:8.1f}" for number in numbers)
    print(f"{row.way:<78} {row.views:>3} views {row.frames:>3} frames{shown}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Weigh the prediction of a frame.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument(
        "--network",
        default="resnet18",
        help="backbone of a narrow DeepLabV3+ at output stride 16, or `thin`, which is next to "
        "nothing (default resnet18)",
    )
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048), metavar=("H", "W"))
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES, metavar="S")
    parser.add_argument("--frames", type=int, default=5, help="of the last row (default 5)")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    print("MiB beyond what the process held before: network alone, with prediction, added")
    rows = measure(options, _show)
    if options.json is not None:
        content = {"kind": "memory", "size": list(options.size), "classes": CLASSES, "rows": rows}
        content |= {"network": options.network, "device": describe_device("cpu")}
        content |= {"command": provenance.command_line(), "versions": provenance.versions()}
        write_json(options.json, content | {"revision": provenance.git_revision()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
