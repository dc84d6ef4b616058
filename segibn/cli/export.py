"""``export``: a trained network -> one file for other programs, checked against the network."""

import argparse
import itertools
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import frames_words, require_runs
from segibn.cli.parser import print_predict, print_then, verb_parser

if TYPE_CHECKING:  # torch takes seconds to import, and --help needs none of it
    import numpy as np

    from segibn.description import Description
    from segibn.models.segmenter import Segmenter

EXAMPLE = """\
examples:
  segibn export runs/gta5_ibn --output model.onnx            (ONNX; needs the extra `export`)
  segibn export runs/gta5_ibn --output model.onnx --labels   (uint8 frames in, label maps out)
  segibn export runs/gta5_ibn --output model.onnx --int8 --calibrate my_frames
                                                             (faster on a CPU, a little coarser)
  segibn export runs/gta5_ibn --output model.pt2             (torch.export, needs nothing more)
  segibn export runs/gta5_ibn --output model.safetensors     (weights and config, for segibn)

A graph takes RGB frames (N, 3, H, W), float32 in 0..255, of any size, and returns logits
(N, K, H, W). Class names, colours and the size it was scored at are in the file's metadata.
"""
SAFETENSORS = ".safetensors"
_IMAGES = (".jpg", ".jpeg", ".png")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "export", "Write a trained network as one file that runs elsewhere.", EXAMPLE
    )
    parser.add_argument(
        "run", metavar="RUN_OR_CHECKPOINT", help="run folder, .pt or .safetensors file"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="ends in .onnx, .pt2 or .safetensors",
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="the graph takes (N, H, W, 3) uint8 and returns train ids (N, H, W) uint8",
    )
    parser.add_argument(
        "--int8", action="store_true", help="compute in eight bits (.onnx); needs --calibrate"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="frames to take the ranges of eight bits from, like those that it will see: 32 of "
        "the folder and its subfolders are read",
    )
    parser.add_argument(
        "--time",
        action="store_true",
        help="also print the time of a frame in PyTorch and with the file (.onnx)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    _check(arguments)
    require_runs([arguments.run])

    from segibn.builders.checkpoints import load_segmenter
    from segibn.builders.described import write_safetensors
    from segibn.runs.find import datasets_of, find_checkpoint, run_of

    output: Path = arguments.output
    checkpoint = find_checkpoint(arguments.run)
    segmenter, config, meta = load_segmenter(checkpoint)
    if output.suffix == SAFETENSORS:
        count = write_safetensors(output, segmenter, config, meta)
        print(f"{output}: {count} tensors, config and classes")
    else:
        from segibn.builders.described import describe_network

        description = describe_network(config, meta, labels=arguments.labels)
        print(f"{output}: {_write(arguments, segmenter, description)}")
        if arguments.time:
            _print_times(segmenter, output)
    if output.suffix == ".pt2":
        code = f"import torch; print(torch.export.load({str(output)!r}))"
        print_then(shlex.join(["python", "-c", code]))
    else:
        print_predict(output, frames_words(config, datasets_of(run_of(checkpoint))))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raise ConfigError before torch is imported and a network loaded."""
    from segibn.errors import ConfigError

    output: Path = arguments.output
    if output.suffix not in (".onnx", ".pt2", SAFETENSORS):
        raise ConfigError(f"--output {output}: export writes .onnx, .pt2 and .safetensors files")
    if arguments.labels and output.suffix == SAFETENSORS:
        raise ConfigError("--labels belongs to graphs (.onnx, .pt2); .safetensors holds weights")
    for name in ("int8", "time"):
        if getattr(arguments, name) and output.suffix != ".onnx":
            raise ConfigError(f"--{name} belongs to .onnx files, not to --output {output}")
    if arguments.int8 != (arguments.calibrate is not None):
        raise ConfigError(
            "--int8 and --calibrate DIR belong together: eight bits need frames to take their "
            "ranges from"
        )


def _write(
    arguments: argparse.Namespace, segmenter: "Segmenter", description: "Description"
) -> str:
    """Write a graph; returns how it compares with the network, in words."""
    from segibn.export import export, export_int8

    output, labels = arguments.output, arguments.labels
    if arguments.int8:
        frames = calibration_frames(arguments.calibrate)
        share = export_int8(segmenter, output, description, frames, labels=labels)
        return f"int8; {share:.2%} of the pixels of frames have the class of float32"
    difference = export(segmenter, output, description, labels=labels)
    if labels:
        return f"{difference:.2%} of pixels differ from the network, all near ties"
    return f"logits differ from the network by at most {difference:.1e}"


def calibration_frames(folder: Path) -> "Iterator[np.ndarray]":
    """Yield 32 frames of a folder and its subfolders, spread evenly over their sorted names.

    One that cannot be read is skipped and said; the next one stands for it.

    Raises:
        DatasetError: no such folder, or no JPEG or PNG in it.
    """
    from segibn.errors import DatasetError, ImageFileError
    from segibn.export import CALIBRATION_FRAMES
    from segibn.files import list_files, read_image

    paths = list_files(folder, _IMAGES, recursive=True)
    if not paths:
        raise DatasetError(f"--calibrate {folder}: holds no images ({', '.join(_IMAGES)})")
    count = min(len(paths), CALIBRATION_FRAMES)
    bounds = [index * len(paths) // count for index in range(count + 1)]
    for first, end in itertools.pairwise(bounds):
        for path in paths[first:end]:  # the first that can be read
            try:
                yield read_image(path)
            except ImageFileError as error:
                print(f"skipped: {error}", file=sys.stderr)
            else:
                break


def _print_times(segmenter: "Segmenter", output: Path) -> None:
    from segibn.export import time_frames

    times = time_frames(segmenter, output)
    size, plural = "{}x{}".format(*times.size), "s" if times.threads > 1 else ""
    print(
        f"a frame of {size} on {times.threads} thread{plural}: PyTorch {1000 * times.torch_s:.0f} "
        f"ms, ONNX Runtime {1000 * times.onnx_s:.0f} ms "
        f"({times.onnx_s / times.torch_s:.2f} of the time)"
    )
