"""``predict``: a trained network and a folder of frames -> label maps and overlays."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.inference import add_inference_arguments, device_of, inference_options

EXAMPLE = """\
example:
  python tools/predict.py runs/gta5_ibn --images my_frames --output predictions

writes predictions/labels/<name>.png (class indices, with a palette to look at) and
predictions/overlays/<name>.jpg
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Predict label maps for a folder of frames.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", help="run folder or .pt file")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG or PNG")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--no-overlays", action="store_true", help="label maps only")
    add_inference_arguments(parser, ensemble=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn.cli.progress import FrameProgress
    from segibn.cli.scoring import load_ensemble
    from segibn.files import write_image
    from segibn.predict import Predictor, predict_folder
    from segibn.visualize import legend

    run = load_ensemble(arguments)
    options = inference_options(arguments, run.config)
    predict = Predictor(run.segmenters, device_of(arguments), options)
    with FrameProgress("predict", 0) as progress:
        count = predict_folder(
            predict,
            arguments.images,
            arguments.output,
            run.palette,
            overlays=not arguments.no_overlays,
            predict_batch=predict.predict_batch,
            batch_size=options.batch_size,
            progress=progress,
        )
    if not arguments.no_overlays:
        write_image(arguments.output / "legend.png", legend(run.class_names, run.palette))
    print(f"{count} frames: {arguments.output}")
    return 0
