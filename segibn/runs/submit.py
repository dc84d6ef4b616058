"""A trained run and a benchmark's test frames -> the file to upload, checked."""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segibn.errors import SubmissionError
from segibn.files.pictures import image_size, read_image
from segibn.files.pool import map_in_threads
from segibn.files.writing import sha256_of
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.runs.loading import device_of, load_averaged
from segibn.runs.trained import TrainedRun
from segibn.submission.formats import Format
from segibn.submission.report import Report
from segibn.submission.write import write_submission
from segibn.text import counted
from segibn.text.progress import FrameProgress

_TRAINED_ON = {
    3: "drivable area (background, direct, alternative), such as by bdd_drivable_ibn",
    19: "the 19 classes of Cityscapes, such as by cityscapes_ibn",
}


def submit(
    source: str | Path,
    form: Format,
    frames: Mapping[str, Path],
    output: Path,
    *,
    inference: InferenceConfig = AS_SCORED,
    device: str | None = None,
) -> Report:
    """Predict frames into a submission (.zip, or .json for run lengths); resumes what is there.

    ``frames``: key of the benchmark -> frame, complete and in order. SubmissionError: the network
    tells other classes, or the file failed its check.
    """
    run = load_averaged(source, inference)
    if run.class_names != form.labels.class_names:
        raise SubmissionError(
            f"{run.checkpoint} knows {len(run.class_names)} classes "
            f"({', '.join(run.class_names[:4])} ...); a submission for {form.title} needs a "
            f"network trained on {_TRAINED_ON[form.labels.num_classes]}"
        )
    sizes = {key: image_size(path) for key, path in frames.items()}
    run = run.asked(inference, device_of(device))
    run.options.require_upright(list(sizes.values()), next(iter(frames.values())).parent)

    def maps_of(keys: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        if there := len(frames) - len(keys):
            print(f"resuming: {counted(there, 'map')} there already", file=sys.stderr)
        images = map_in_threads(read_image, (frames[key] for key in keys), 4, 4)
        for key, (_, train_ids) in zip(keys, run.predictor.over(images), strict=True):
            yield key, train_ids

    how = {"work": _work(run, frames), "batch_size": run.options.batch_size}
    with FrameProgress() as progress:
        how |= {"progress": progress.phase("submission"), "check_progress": progress.phase("checking")}
        return write_submission(output, form, sizes, maps_of, **how)


def _work(run: TrainedRun, frames: Mapping[str, Path]) -> dict[str, Any]:
    """Return what the maps depend on, so that a file begun otherwise is not taken up."""
    stats = [(key, path.stat()) for key, path in frames.items()]
    listing = "\n".join(f"{key} {stat.st_size} {stat.st_mtime_ns}" for key, stat in stats)
    return {
        "checkpoints": [sha256_of(one.checkpoint) for one in (run, *run.others)],
        "options": repr(run.options),
        "device": run.device.type,
        "frames": hashlib.sha256(listing.encode(errors="backslashreplace")).hexdigest(),
    }
