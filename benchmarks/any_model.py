#!/usr/bin/env python
"""A network of transformers scored here, beside the plain loop that one would write; and what stress adds.

SegFormer-B0 with random weights on one frame: pixels normalised, the network, logits to the frame's size, best class,
counts. The plain loop keeps all logits at full size, as transformers' own post-processing does; ours goes by bands of
rows. Of `segibn stress` a corrupted frame with its evaluation stands beside the evaluation and the corruption alone.
"""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.timing import Benchmark, Call, make_parser, run
from painted_scenes.render import render_frame
from segibn.adapters.hugging_face import load_hugging_face
from segibn.analysis.stress import CORRUPTIONS, corrupt
from segibn.evaluation.confusion import count_classes
from segibn.inference.predictor import Predictor

CLASSES = 19
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Size = tuple[int, int]


def write_network(folder: Path) -> Path:
    """Write SegFormer-B0 with random weights as `save_pretrained` does, with its processor's numbers."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    labels = {number: f"class {number}" for number in range(CLASSES)}
    config = SegformerConfig(id2label=labels, label2id={name: number for number, name in labels.items()})
    torch.manual_seed(0)
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor().save_pretrained(folder)
    return folder


def frame_of(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 and (H, W) uint8 train ids of a synthetic frame."""
    target = np.random.default_rng(0).integers(0, CLASSES, size, dtype=np.uint8)
    return render_frame(0, "camera", "val", 0, size).image, target


def ours(folder: Path, size: Size, corruption: str | None = None) -> Call:
    """A frame, maybe corrupted first, through the predictor and into counts."""
    predictor, (image, target) = Predictor(load_hugging_face(str(folder)).network, "cpu"), frame_of(size)

    def work() -> None:
        shown = image if corruption is None else corrupt(corruption, "frame", image)
        count_classes(target, predictor(shown), CLASSES)

    return work


def plain_loop(folder: Path, size: Size) -> Call:
    """The same by transformers and PyTorch alone."""
    from transformers import SegformerForSemanticSegmentation

    network: nn.Module = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    image, target = frame_of(size)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))

    @torch.inference_mode()
    def work() -> None:
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        logits = network(pixel_values=(pixels - mean) / std).logits
        pred = F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)[0].numpy()
        np.bincount(CLASSES * target.ravel().astype(int) + pred.ravel(), minlength=CLASSES**2)

    return work


def corruption_alone(name: str, size: Size) -> Call:
    image, _ = frame_of(size)
    return partial(corrupt, name, "frame", image)


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time scoring a network of transformers against a plain loop.", pairs=9)
    parser.add_argument("--input", type=int, nargs=2, default=(1024, 2048), metavar=("H", "W"))
    parser.add_argument("--corruptions", nargs="+", default=["fog", "c-motion-blur"], choices=sorted(CORRUPTIONS))
    options = parser.parse_args(argv)
    size: Size = (64, 128) if options.quick else tuple(options.input)
    with tempfile.TemporaryDirectory() as text:
        folder, scored = write_network(Path(text)), "segibn, hf:SegFormer-B0"
        builders = {scored: partial(ours, folder, size), "plain loop": partial(plain_loop, folder, size)}
        comparisons = [(scored, "plain loop")]
        for name in options.corruptions:
            builders[f"stress, {name}"] = partial(ours, folder, size, name)
            builders[f"{name} alone"] = partial(corruption_alone, name, size)
            comparisons += [(f"stress, {name}", scored), (f"{name} alone", scored)]
        benchmark = Benchmark(
            title="A frame of a network of transformers, scored",
            builders=builders,
            comparisons=comparisons,
            conditions="one frame of {}x{}, {} classes".format(*size, CLASSES),
            packages=("transformers",),
        )
        run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
