"""The share of a frame's own statistics at test time is chosen on the source domain alone.

Source frames are scored as they are and in other lights, as TTN does for its shares (Lim et al.,
arXiv 2302.05155, section 3.2); the share that is best in other lights is taken, unless it costs
more than a tolerance on the frames as they are. No frame of a target is read.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from segibn import distributed, provenance
from segibn.analysis.stress import CORRUPTIONS, PAPER
from segibn.config.data import DatasetConfig
from segibn.data.frames import Frames
from segibn.errors import ConfigError
from segibn.evaluation.confusion import count_classes
from segibn.evaluation.metrics import compute_miou
from segibn.evaluation.stress import ORIGINAL
from segibn.files.writing import sha256_of, write_json
from segibn.inference.options import InstanceShare
from segibn.inference.predictor import Predictor
from segibn.models.catalog import Finest, Place
from segibn.runs.evaluate import frames_of, own_set
from segibn.runs.loading import device_of, load_checkpoint
from segibn.runs.pictures import spread
from segibn.runs.stress import Change
from segibn.runs.trained import TrainedRun, share_file
from segibn.text import counted, markdown_table
from segibn.text.progress import FrameProgress

SHARES = (0.05, 0.1, 0.2, 0.3)
FINEST: tuple[Finest, ...] = (4, 8, 32)
LIGHTS = ("RGB+50", "R+50", "contrast-x1.5", "fog", "night")
EVERY_LIGHT = (ORIGINAL, *LIGHTS)


def calibrate_share(
    source: str | Path,
    on: DatasetConfig | None,
    datasets_root: Path,
    *,
    frames: int = 50,
    tolerance: float = 0.01,
    place: Place | None = None,
    device: str | None = None,
) -> tuple[InstanceShare | None, str]:
    """Choose a run's share and keep it in its folder -> the share (None: none helps), a table.

    ``on``: labelled set of the source; None = the run's held-out one. ``frames``: how many of it,
    evenly spread. ``tolerance``: mIoU, as a fraction, that it may cost on the frames as they are.
    ``place``: which norms may take a share; None = all. ConfigError: the set is not of the domain
    that the run was trained on.
    """
    run = load_checkpoint(source)
    path = share_file(run.checkpoint)
    dataset = on or own_set(run, source)
    _require_source(run, dataset)
    where = device_of(device)
    shares = [None, *(InstanceShare(share, finest, place) for share, finest in itertools.product(SHARES, FINEST))]
    with distributed.process_group(where):
        every = frames_of(run, dataset, datasets_root)
        shown = replace(every, samples=tuple(spread(every.samples, frames)))
        placed = [run.to(where, replace(run.options, instance_share=share)) for share in shares]
        with FrameProgress("lights", enabled=distributed.is_main()) as show:
            scores = _scores([one.predictor for one in placed], shown, show)
    rows = [_row(share, own) for share, own in zip(shares, scores.T, strict=True)]
    best = choose(rows, tolerance)
    if distributed.is_main():
        kept = {
            "instance_share": None if best is None else asdict(best),
            "checkpoint_sha256": sha256_of(run.checkpoint),
            "dataset": dataset.title,
            "frames": [sample.name for sample in shown.samples],
            "lights": list(LIGHTS),
            "tolerance": tolerance,
            "rows": rows,
        }
        write_json(path, kept | provenance.origin())
    return best, _table(rows, dataset.title, len(shown.samples))


def _scores(predictors: Sequence[Predictor], frames: Frames, show: Callable[[int, int], None]) -> np.ndarray:
    """Score every predictor in every light -> mIoU, (lights, predictors); each frame is read and changed once."""
    classes, total = frames.label_set.num_classes, len(EVERY_LIGHT) * len(frames)
    counts = np.zeros((len(EVERY_LIGHT), len(predictors), classes, classes + 1), np.int64)
    networks = {id(one.networks[0]): one.networks[0] for one in predictors}.values()
    for number, light in enumerate(EVERY_LIGHT):
        prepare = Change(light, 3 if light in CORRUPTIONS else None).preparation
        with ExitStack() as changed:
            for network in networks if light in PAPER else ():
                changed.enter_context(PAPER[light].on(network))
            for done, (name, image, target) in enumerate(frames, start=1):
                if prepare is not None:
                    image, target = prepare.change(name, image, target)
                for count, predictor in zip(counts[number], predictors, strict=True):
                    count += count_classes(target, predictor(image), classes)
                show(number * len(frames) + done, total)
    counts = distributed.sum_over_ranks(counts)
    return np.array([[compute_miou(one) for one in of_light] for of_light in counts])


def choose(rows: Sequence[dict[str, Any]], tolerance: float) -> InstanceShare | None:
    """Take the best in other lights of those that cost at most ``tolerance`` on the frames."""
    plain = rows[0]["as_they_are"]
    allowed = [row for row in rows if row["as_they_are"] >= plain - tolerance]
    share = max(allowed, key=lambda row: row["other_lights"])["instance_share"]
    return None if share is None else InstanceShare(**share)


def _row(share: InstanceShare | None, scores: np.ndarray) -> dict[str, Any]:
    found = dict(zip(EVERY_LIGHT, scores.tolist(), strict=True))
    return {
        "instance_share": None if share is None else asdict(share),
        "as_they_are": found[ORIGINAL],
        "other_lights": sum(found[light] for light in LIGHTS) / len(LIGHTS),
        "miou": found,
    }


def _require_source(run: TrainedRun, dataset: DatasetConfig) -> None:
    """Refuse another data set, another folder of one's own, and frames of another list."""
    data = run.training.data
    own = [*data.sources, *([data.val] if data.val else [])]
    if _domain(dataset) not in map(_domain, own):
        names = " or ".join(dict.fromkeys(part.title for part in own))
        raise ConfigError(
            f"--on {dataset.title}: a share is chosen on the source domain, {names} for this run; "
            "no target frame may be read"
        )


def _domain(dataset: DatasetConfig) -> tuple[str | None, ...]:
    files = dataset.folder and dataset.folder.images
    return dataset.name, files, Path(dataset.names_file).stem if dataset.names_file else None


def _table(rows: Sequence[dict[str, Any]], title: str, count: int) -> str:
    head = ["share", "stride up to", "norms", f"{title}, {counted(count, 'frame')}", "in other lights"]
    lines = []
    for row in rows:
        share = row["instance_share"] or {"share": 0, "finest": "-", "place": "-"}
        scores = (f"{100 * row[key]:.1f}" for key in ("as_they_are", "other_lights"))
        lines.append([f"{share['share']:g}", str(share["finest"]), share["place"] or "all", *scores])
    return "\n".join(markdown_table(head, lines, right=0))
