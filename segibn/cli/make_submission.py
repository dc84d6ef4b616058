"""``make_submission``: a trained network and a benchmark's test frames -> the file to upload."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.inference import add_inference_arguments, device_of, inference_options
from segibn.errors import SubmissionError

if TYPE_CHECKING:
    import numpy as np

    from segibn.cli.scoring import TrainedRun

EXAMPLE = """\
example:
  python tools/make_submission.py wad runs/bdd_drivable_ibn \\
      --images bdd100k/images/100k/test --output wad.zip --expect-test-set
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="make_submission.py",
        description="Write a benchmark submission, and check it.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    wad = benchmarks.add_parser(
        "wad", help="WAD 2018 drivable area: <id>_drivable_id.png, 0 background 1 direct 2 other"
    )
    wad.add_argument("run", metavar="CHECKPOINT", help="run folder or .pt file, drivable area")
    wad.add_argument("--images", type=Path, required=True, metavar="DIR", help="frames, <id>.jpg")
    wad.add_argument("--output", type=Path, required=True, metavar="FILE.zip")
    which = wad.add_mutually_exclusive_group()
    which.add_argument("--ids", type=Path, metavar="FILE", help="only these ids, all of them")
    which.add_argument(
        "--expect-test-set", action="store_true", help="the official 20,000 test ids, all of them"
    )
    add_inference_arguments(wad, ensemble=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn.cli.scoring import load_ensemble
    from segibn.files import image_size
    from segibn.submission import wad

    frames = _choose_frames(arguments)
    run = load_ensemble(arguments)
    _require_drivable(run)
    sizes = {frame_id: image_size(path) for frame_id, path in frames.items()}
    wad.write_wad(_predictions(run, frames, arguments), sizes, arguments.output)
    print(f"{len(frames)} label maps, checked: {arguments.output}")
    return 0


def _choose_frames(arguments: argparse.Namespace) -> dict[str, Path]:
    """Id -> frame, complete and in order, before anything is computed."""
    from segibn.predict import index_images
    from segibn.submission import wad

    found: dict[str, Path] = {}
    for path in index_images(arguments.images).values():
        if path.stem in found:
            raise SubmissionError(f"two frames for id {path.stem}: {found[path.stem]} and {path}")
        found[path.stem] = path
    wanted = sorted(found)
    if arguments.ids is not None:
        wanted = wad.read_ids(arguments.ids)
        wad.require_frames(found, wanted, str(arguments.ids))
    elif arguments.expect_test_set:
        wanted = wad.official_test_ids()
        wad.require_frames(found, wanted, "the official test set")
    wad.check_ids(wanted)
    return {frame_id: found[frame_id] for frame_id in wanted}


def _require_drivable(run: "TrainedRun") -> None:
    from segibn.labels.bdd100k import DRIVABLE_2018

    if run.class_names != DRIVABLE_2018.class_names:
        raise SubmissionError(
            f"{run.checkpoint} knows {len(run.class_names)} classes "
            f"({', '.join(run.class_names[:4])} ...); a WAD submission needs a network trained on "
            "drivable area (background, direct, alternative), such as configs/bdd_drivable_ibn.yaml"
        )


def _predictions(
    run: "TrainedRun", frames: dict[str, Path], arguments: argparse.Namespace
) -> "Iterator[tuple[str, np.ndarray]]":
    """Yield (id, train ids) one frame at a time, with progress."""
    from segibn.cli.progress import FrameProgress
    from segibn.predict import Predictor, read_ahead

    options = inference_options(arguments, run.config)
    predict = Predictor(run.segmenters, device_of(arguments), options)
    with FrameProgress("submission", len(frames)) as progress:
        found = predict.over(read_ahead(frames.values()))
        for done, ((path, _), train_ids) in enumerate(found, start=1):
            yield path.stem, train_ids
            progress(done)
