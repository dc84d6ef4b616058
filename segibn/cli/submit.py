"""``submit``: a trained network and a benchmark's test frames -> the file to upload."""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import require_runs
from segibn.cli.inference import (
    add_inference_arguments,
    device_of,
    ensemble_runs,
    inference_options,
)
from segibn.cli.parser import print_next, verb_parser
from segibn.errors import SubmissionError
from segibn.text import counted

if TYPE_CHECKING:
    import numpy as np

    from segibn.runs.trained import TrainedRun
    from segibn.submission.formats import Format

EXAMPLE = """\
examples:
  segibn submit wad runs/bdd_drivable_ibn \\
      --images bdd100k/images/100k/test --output wad.zip --expect-test-set
  segibn submit bdd100k_drivable runs/bdd_drivable_ibn \\
      --images bdd100k/images/100k/test --output drivable.json
  segibn submit cityscapes runs/cityscapes_ibn \\
      --images cityscapes/leftImg8bit/test --output cityscapes.zip --expect-test-set

The file appears when it is whole and checked. After a kill the same command goes on with the
frames that were not finished.
"""
_TRAINED_ON = {
    3: "drivable area (background, direct, alternative), such as by bdd_drivable_ibn",
    19: "the 19 classes of Cityscapes, such as by cityscapes_ibn",
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    from segibn.submission.formats import FORMATS

    parser = verb_parser("submit", "Write a benchmark submission, and check it.", EXAMPLE)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    for name, form in FORMATS.items():
        values = ", ".join(_values(form))
        described = f"{form.title}: {form.member.format(key='<id>')}, {values}"
        one = benchmarks.add_parser(name, help=described, description=described)
        one.add_argument("run", metavar="CHECKPOINT", help="run folder or .pt file")
        one.add_argument("--images", type=Path, required=True, metavar="DIR", help="test frames")
        kinds = "FILE.zip, or FILE.json for run lengths" if form.has_rle else "FILE.zip"
        one.add_argument("--output", type=Path, required=True, metavar="FILE", help=kinds)
        which = one.add_mutually_exclusive_group()
        which.add_argument("--ids", type=Path, metavar="LIST", help="only these, all of them")
        which.add_argument(
            "--expect-test-set",
            action="store_true",
            help=f"the {form.num_frames} official test frames, all of them",
        )
        add_inference_arguments(one, ensemble=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    require_runs([arguments.run])
    require_runs(ensemble_runs(arguments))

    from segibn.submission.formats import FORMATS

    form = FORMATS[arguments.benchmark]
    frames = _choose_frames(form, arguments)

    from segibn.cli.scoring import load_ensemble
    from segibn.files import image_size
    from segibn.submission.write import write_submission
    from segibn.text.progress import FrameProgress

    run = load_ensemble(arguments)
    _require_classes(run, form)
    sizes = {key: image_size(path) for key, path in frames.items()}
    options = inference_options(arguments, run.options)
    options.require_upright(list(sizes.values()), arguments.images)

    def maps_of(keys: Sequence[str]) -> "Iterable[tuple[str, np.ndarray]]":
        if there := len(frames) - len(keys):
            print(f"going on: {counted(there, 'map')} there already", file=sys.stderr)
        return _predictions(run, {key: frames[key] for key in keys}, arguments)

    with FrameProgress() as progress:
        report = write_submission(
            arguments.output,
            form,
            sizes,
            maps_of,
            work=_work(run, frames, arguments),
            batch_size=options.batch_size,
            progress=progress.phase("submission"),
            check_progress=progress.phase("checking"),
        )
    print(f"{counted(len(frames), 'label map')}, checked: {arguments.output}")
    if len(frames) != form.num_frames:
        print(f"note: the official test set has {form.num_frames} frames")
    for note in report.notes:
        print(f"note: {note}")
    which = ["--ids", arguments.ids] if arguments.ids else ["--images", arguments.images]
    if arguments.expect_test_set:
        which = []
    print_next("validate-submission", arguments.output, "--format", arguments.benchmark, *which)
    return 0


def _choose_frames(form: "Format", arguments: argparse.Namespace) -> dict[str, Path]:
    """Key -> frame, complete and in order, before anything is computed."""
    from segibn.submission.expected import (
        expect_list,
        expect_test_set,
        index_frames,
        require_frames,
    )

    found = index_frames(form, arguments.images)
    if arguments.ids is None and not arguments.expect_test_set:
        return found
    expected = expect_test_set(form) if arguments.ids is None else expect_list(form, arguments.ids)
    require_frames(found, expected)
    if expected.sizes is None:
        return found
    return {key: found[key] for key in sorted(expected.sizes)}


def _require_classes(run: "TrainedRun", form: "Format") -> None:
    if run.class_names != form.labels.class_names:
        raise SubmissionError(
            f"{run.checkpoint} knows {len(run.class_names)} classes "
            f"({', '.join(run.class_names[:4])} ...); a submission for {form.title} needs a "
            f"network trained on {_TRAINED_ON[form.labels.num_classes]}"
        )


def _work(
    run: "TrainedRun", frames: Mapping[str, Path], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return what the maps depend on, so that a file begun otherwise is not taken up."""
    from segibn.files import sha256_of

    stats = [(key, path.stat()) for key, path in frames.items()]
    listing = "\n".join(f"{key} {stat.st_size} {stat.st_mtime_ns}" for key, stat in stats)
    return {
        "checkpoints": [sha256_of(one.checkpoint) for one in (run, *run.others)],
        "options": repr(inference_options(arguments, run.options)),
        "device": device_of(arguments).type,
        "frames": hashlib.sha256(listing.encode(errors="backslashreplace")).hexdigest(),
    }


def _predictions(
    run: "TrainedRun", frames: Mapping[str, Path], arguments: argparse.Namespace
) -> "Iterator[tuple[str, np.ndarray]]":
    """Yield (key, train ids) one frame at a time."""
    from segibn.files import read_image
    from segibn.files.pool import map_in_threads
    from segibn.inference.predictor import Predictor

    options = inference_options(arguments, run.options)
    predict = Predictor(run.networks, device_of(arguments), options)
    found = predict.over(map_in_threads(read_image, frames.values(), 4, 4))
    for key, (_, train_ids) in zip(frames, found, strict=True):
        yield key, train_ids


def _values(form: "Format") -> list[str]:
    """Say what the values in the files mean, briefly."""
    if form.is_drivable:
        inverse = form.labels.inverse
        return [
            f"{value} {form.labels.class_names[train_id]}"
            for value, train_id in sorted((int(inverse[t]), t) for t in range(3))
        ]
    return ["label ids"] if form.targets == "label_ids" else ["train ids"]
