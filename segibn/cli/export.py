"""``export``: a trained network -> one file for other programs, checked against the network."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import SET, add_datasets_argument, datasets_root, print_predict
from segibn.cli.inference import add_share_argument, parse_size
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import ConfigError
from segibn.runs.find import datasets_of, find_checkpoint, run_of

SUFFIXES = (".onnx", ".xml", ".tflite", ".mlpackage", ".pt2", ".safetensors")

EXAMPLE = """\
examples:
  segibn export runs/gta5_ibn --output model.onnx            (ONNX; needs the extra `export`)
  segibn export runs/gta5_ibn --output model.onnx --labels   (uint8 frames in, label maps out)
  segibn export runs/gta5_ibn --output model.onnx --int8 --calibrate my_frames
                                                             (faster on a CPU, a little coarser)
  segibn export runs/gta5_ibn --output model.onnx --on gta5:val   (only if it scores the same)
  segibn export runs/gta5_ibn --output model.xml             (OpenVINO, with model.bin)
  segibn export runs/gta5_ibn --output model.tflite --input-size 512x1024   (Android: LiteRT)
  segibn export runs/gta5_ibn --output model.mlpackage --labels --half      (iOS: Core ML)
  segibn export runs/gta5_ibn --output model.pt2             (torch.export, needs nothing more)
  segibn export runs/gta5_ibn --output model.safetensors     (weights and config, for segibn)
  segibn export runs/fine_tuned --output model.safetensors --average runs/start=0.4   (mean of weights)

A graph takes RGB frames (N, 3, H, W), float32 in 0..255, of any size, and returns logits
(N, K, H, W); files for phones take one frame of one size. Class names, colours and the size it
was scored at are in the file's metadata.
"""


_LOOK = {
    ".xml": "import openvino; print(openvino.Core().read_model({}))",
    ".tflite": "from ai_edge_litert.interpreter import Interpreter as I; print(I({}).get_signature_list())",
    ".mlpackage": "import coremltools; print(coremltools.models.MLModel({}).get_spec().description)",
    ".pt2": "import torch; print(torch.export.load({}))",
}
"""What to look at a file with that `segibn predict` does not take."""


@verb_parser("export", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN_OR_CHECKPOINT", help="run folder, .pt or .safetensors file")
    add("--output", type=Path, required=True, metavar="FILE", help=" ".join(SUFFIXES))
    add("--labels", action="store_true", help="(N, H, W, 3) uint8 in, train ids (N, H, W) uint8 out")
    add("--int8", action="store_true", help="compute in eight bits (.onnx); needs --calibrate")
    about = "frames to take the ranges of eight bits from, like those that it will see: 32 of "
    about += "the folder and its subfolders are read"
    add("--calibrate", type=Path, metavar="DIR", help=about)
    about = "16 bits: weights of .safetensors, half the size; arithmetic of .mlpackage, as the Neural Engine's"
    add("--half", action="store_true", help=about)
    about = "mean with the weights of others of the same network, each with its share"
    add("--average", type=_shared_file, nargs="+", metavar="FILE=SHARE", help=about)
    about = "of the frames of .tflite and .mlpackage; default: as it was scored, a width of twice the height"
    add("--input-size", type=parse_size, metavar="HxW", help=about)
    add_share_argument(add)
    add("--time", action="store_true", help="print a frame's time in PyTorch and with the file")
    about = "labelled set on which file and network have to score alike, within 0.1 points of mIoU, of 8 or 16 bits 1"
    add("--on", metavar=SET, help=about)
    add_datasets_argument(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    output, labels, calibrate = arguments.output, arguments.labels, arguments.calibrate
    if output.suffix not in SUFFIXES:
        raise ConfigError(f"--output {output}: export writes {_joined(SUFFIXES)} files")
    fits = {
        "int8": (".onnx",),
        "half": (".safetensors", ".mlpackage"),
        "input_size": (".tflite", ".mlpackage"),
        **dict.fromkeys(("labels", "time", "on", "instance_share"), SUFFIXES[:-1]),
    }
    for name, suffixes in fits.items():
        if getattr(arguments, name) not in (None, False) and output.suffix not in suffixes:
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} belongs to {_joined(suffixes)} files, not to --output {output}")
    if output.suffix == ".mlpackage" and sys.platform != "darwin":
        for name in ("time", "on"):
            if getattr(arguments, name):
                raise ConfigError(f"--{name}: Core ML runs on macOS alone; export an .mlpackage there, or without it")
    if arguments.int8 != (calibrate is not None):
        raise ConfigError(
            "--int8 and --calibrate DIR belong together: eight bits need frames to take their ranges from"
        )
    if arguments.datasets is not None and arguments.on is None:
        raise ConfigError("--datasets has no effect without --on SET")
    average = dict(arguments.average or ())
    if sum(average.values()) >= 1:
        raise ConfigError(
            "--average: the shares of the others have to be less than 1 in all; the rest is the run's own"
        )
    checkpoint = find_checkpoint(arguments.run)

    from segibn.runs.export import export_checkpoint
    from segibn.runs.sets import frames_folder, parse_labelled_set

    on = None
    if arguments.on is not None:
        on = parse_labelled_set(arguments.on)[1], datasets_root(arguments.datasets, datasets_of(run_of(checkpoint)))
    how = {"labels": labels, "half": arguments.half, "calibrate": calibrate, "time": arguments.time}
    how |= {"share": arguments.instance_share, "on": on, "input_size": arguments.input_size, "average": average}
    config = export_checkpoint(checkpoint, output, **how)
    if output.suffix in _LOOK:
        code = _LOOK[output.suffix].format(json.dumps(str(output)))
        print_then(shlex.join(["python", "-c", code]))
    else:
        print_predict(output, frames_folder(config, datasets_of(run_of(checkpoint))))
    return 0


def _shared_file(text: str) -> tuple[Path, float]:
    """Read ``FILE=0.4``."""
    name, _, share = text.rpartition("=")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    if not (name and 0 < value < 1):
        raise argparse.ArgumentTypeError(
            f"'{text}': write FILE=SHARE with a share above 0 and below 1, such as a.pt=0.4"
        )
    return Path(name), value


def _joined(suffixes: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
