"""``export``: a trained network -> one file for other programs, checked against the network."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import print_next, verb_parser

EXAMPLE = """\
examples:
  segibn export runs/gta5_ibn --output model.onnx          ONNX, needs the extra `export`
  segibn export runs/gta5_ibn --output model.onnx --labels uint8 frames in, label maps out
  segibn export runs/gta5_ibn --output model.pt2           torch.export, needs nothing more
  segibn export runs/gta5_ibn --output model.safetensors   weights and config, for segibn

A graph takes RGB frames (N, 3, H, W), float32 in 0..255, of any size, and returns logits
(N, K, H, W). Class names, colours and the size it was scored at are in the file's metadata.
"""
SAFETENSORS = ".safetensors"


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
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    _check(arguments)

    from segibn.export import export
    from segibn.models.described import describe_network, write_safetensors
    from segibn.models.weights import load_segmenter
    from segibn.predict import find_checkpoint

    output: Path = arguments.output
    segmenter, config, meta = load_segmenter(find_checkpoint(arguments.run))
    if output.suffix == SAFETENSORS:
        count = write_safetensors(output, segmenter, config, meta)
        print(f"{output}: {count} tensors, config and classes")
    else:
        description = describe_network(config, meta, labels=arguments.labels)
        difference = export(segmenter, output, description, labels=arguments.labels)
        if arguments.labels:
            print(f"{output}: {difference:.2%} of pixels differ from the network, all near ties")
        else:
            print(f"{output}: logits differ from the network by at most {difference:.1e}")
    if output.suffix == ".pt2":
        print_next(f"python -c \"import torch; print(torch.export.load('{output}'))\"")
    else:
        print_next(f"segibn predict {shlex.quote(str(output))} my_frames --output predictions")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Raise ConfigError before torch is imported and a network loaded."""
    from segibn.errors import ConfigError

    output: Path = arguments.output
    if output.suffix not in (".onnx", ".pt2", SAFETENSORS):
        raise ConfigError(f"--output {output}: export writes .onnx, .pt2 and .safetensors files")
    if output.is_dir():
        raise ConfigError(f"--output {output}: is a folder; name a file")
    if arguments.labels and output.suffix == SAFETENSORS:
        raise ConfigError("--labels belongs to graphs (.onnx, .pt2); .safetensors holds weights")
