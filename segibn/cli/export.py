"""``export``: a trained network -> one graph file for other runtimes, checked."""

import argparse
from collections.abc import Sequence
from pathlib import Path

EXAMPLE = """\
examples:
  python tools/export.py runs/gta5_ibn --output model.pt2     (torch.export, needs nothing more)
  python tools/export.py runs/gta5_ibn --output model.onnx    (needs the extra `export`)

The graph takes RGB frames (N, 3, H, W), float32 in 0..255, and returns logits (N, K, H, W).
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="export.py",
        description="Write a trained network as a graph that runs without segibn.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", help="run folder or .pt file")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="ends in .pt2 or .onnx"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn.export import export
    from segibn.files import write_json
    from segibn.models.weights import load_segmenter
    from segibn.predict import find_checkpoint

    segmenter, config, meta = load_segmenter(find_checkpoint(arguments.run))
    difference = export(segmenter, arguments.output)
    classes = {
        "config": config.name,
        "iteration": meta["iteration"],
        "class_names": meta["class_names"],
        "palette": meta["palette"],
        "input_size": config.evaluation.input_size,
        "input_height": config.evaluation.input_height,
        "input": "image: float32 (N, 3, H, W), RGB, 0..255",
        "output": "logits: float32 (N, K, H, W)",
    }
    write_json(arguments.output.with_suffix(".json"), classes)
    print(f"{arguments.output}: logits differ from the network by at most {difference:.1e}")
    return 0
