"""A trained network as one file for other programs, checked against the network."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segibn.builders.checkpoints import load_segmenter
from segibn.builders.described import describe_network, write_safetensors
from segibn.config.schema import RunConfig
from segibn.errors import DatasetError, ImageFileError
from segibn.export import CALIBRATION_FRAMES, export, export_int8, time_frames
from segibn.files import list_files, read_image
from segibn.models.segmenter import Segmenter

_IMAGES = (".jpg", ".jpeg", ".png")


def export_checkpoint(
    checkpoint: Path,
    output: Path,
    *,
    labels: bool = False,
    calibrate: Path | None = None,
    time: bool = False,
) -> RunConfig:
    """Write a network as the suffix of ``output`` says, and print how it compares.

    Args:
        checkpoint: of this package.
        output: .onnx, .pt2 or .safetensors.
        labels: the graph takes (N, H, W, 3) uint8 and returns train ids (N, H, W) uint8.
        calibrate: folder of frames to take the ranges of eight bits from; None = float32.
        time: whether to print the time of a frame too (.onnx).

    Returns:
        The config of the network.
    """
    segmenter, config, meta = load_segmenter(checkpoint)
    if output.suffix == ".safetensors":
        count = write_safetensors(output, segmenter, config, meta)
        print(f"{output}: {count} tensors, config and classes")
        return config
    description = describe_network(config, meta, labels=labels)
    if calibrate is not None:
        frames = calibration_frames(calibrate)
        share = export_int8(segmenter, output, description, frames, labels=labels)
        report = f"int8; {share:.2%} of the pixels of frames have the class of float32"
    else:
        difference = export(segmenter, output, description, labels=labels)
        report = f"logits differ from the network by at most {difference:.1e}"
        if labels:
            report = f"{difference:.2%} of pixels differ from the network, all near ties"
    print(f"{output}: {report}")
    if time:
        _print_times(segmenter, output)
    return config


def calibration_frames(folder: Path) -> Iterator[np.ndarray]:
    """Yield 32 frames of a folder and its subfolders, spread evenly over their sorted names.

    One that cannot be read is skipped and said; the next one stands for it.

    Raises:
        DatasetError: no such folder, or no JPEG or PNG in it.
    """
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


def _print_times(segmenter: Segmenter, output: Path) -> None:
    times = time_frames(segmenter, output)
    size, plural = "{}x{}".format(*times.size), "s" if times.threads > 1 else ""
    print(
        f"a frame of {size} on {times.threads} thread{plural}: PyTorch {1000 * times.torch_s:.0f} "
        f"ms, ONNX Runtime {1000 * times.onnx_s:.0f} ms "
        f"({times.onnx_s / times.torch_s:.2f} of the time)"
    )
