"""``export``: a trained network -> one file for other programs, checked against the network."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import SET, add_datasets_argument, datasets_root, print_predict
from segibn.cli.inference import add_share_argument
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import ConfigError
from segibn.runs.find import datasets_of, find_checkpoint, run_of

EXAMPLE = """\
examples:
  segibn export runs/gta5_ibn --output model.onnx            (ONNX; needs the extra `export`)
  segibn export runs/gta5_ibn --output model.onnx --labels   (uint8 frames in, label maps out)
  segibn export runs/gta5_ibn --output model.onnx --int8 --calibrate my_frames
                                                             (faster on a CPU, a little coarser)
  segibn export runs/gta5_ibn --output model.onnx --on gta5:val   (only if it scores the same)
  segibn export runs/gta5_ibn --output model.xml             (OpenVINO, with model.bin)
  segibn export runs/gta5_ibn --output model.pt2             (torch.export, needs nothing more)
  segibn export runs/gta5_ibn --output model.safetensors     (weights and config, for segibn)

A graph takes RGB frames (N, 3, H, W), float32 in 0..255, of any size, and returns logits
(N, K, H, W). Class names, colours and the size it was scored at are in the file's metadata.
"""


@verb_parser("export", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN_OR_CHECKPOINT", help="run folder, .pt or .safetensors file")
    add("--output", type=Path, required=True, metavar="FILE", help=".onnx, .xml, .pt2 or .safetensors")
    add("--labels", action="store_true", help="(N, H, W, 3) uint8 in, train ids (N, H, W) uint8 out")
    add("--int8", action="store_true", help="compute in eight bits (.onnx); needs --calibrate")
    about = "frames to take the ranges of eight bits from, like those that it will see: 32 of "
    about += "the folder and its subfolders are read"
    add("--calibrate", type=Path, metavar="DIR", help=about)
    about = "store the weights in 16 bits (.safetensors): half the size, nearly the same logits"
    add("--half", action="store_true", help=about)
    add_share_argument(add)
    add("--time", action="store_true", help="print a frame's time in PyTorch and with the file (.onnx)")
    about = "labelled set on which file and network have to score alike, within 0.1 points of mIoU, of eight bits 1"
    add("--on", metavar=SET, help=f"{about} (.onnx)")
    add_datasets_argument(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    output, labels, calibrate = arguments.output, arguments.labels, arguments.calibrate
    if output.suffix not in (".onnx", ".xml", ".pt2", ".safetensors"):
        raise ConfigError(f"--output {output}: export writes .onnx, .xml, .pt2 and .safetensors files")
    if output.suffix == ".safetensors" and arguments.instance_share is not None:
        raise ConfigError("--instance-share belongs to graphs (.onnx, .pt2); of .safetensors give it to predict")
    if labels and output.suffix == ".safetensors":
        raise ConfigError("--labels belongs to graphs (.onnx, .pt2); .safetensors holds weights")
    for name in ("int8", "time", "on"):
        if getattr(arguments, name) and output.suffix != ".onnx":
            raise ConfigError(f"--{name} belongs to .onnx files, not to --output {output}")
    if arguments.int8 != (calibrate is not None):
        raise ConfigError(
            "--int8 and --calibrate DIR belong together: eight bits need frames to take their ranges from"
        )
    if arguments.half and output.suffix != ".safetensors":
        raise ConfigError(f"--half belongs to .safetensors files, not to --output {output}")
    if arguments.datasets is not None and arguments.on is None:
        raise ConfigError("--datasets has no effect without --on SET")
    checkpoint = find_checkpoint(arguments.run)

    from segibn.runs.export import export_checkpoint
    from segibn.runs.sets import frames_folder, parse_evaluation_set

    on = None
    if arguments.on is not None:
        on = parse_evaluation_set(arguments.on), datasets_root(arguments.datasets, datasets_of(run_of(checkpoint)))
    how = {"labels": labels, "half": arguments.half, "calibrate": calibrate, "time": arguments.time}
    config = export_checkpoint(checkpoint, output, **how, share=arguments.instance_share, on=on)
    if output.suffix == ".xml":
        print_then(shlex.join(["python", "-c", f"import openvino; print(openvino.Core().read_model({str(output)!r}))"]))
    elif output.suffix == ".pt2":
        print_then(shlex.join(["python", "-c", f"import torch; print(torch.export.load({str(output)!r}))"]))
    else:
        print_predict(output, frames_folder(config, datasets_of(run_of(checkpoint))))
    return 0
