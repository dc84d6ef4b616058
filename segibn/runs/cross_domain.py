"""Several trained networks on several labelled sets: rows, their table, one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segibn import distributed
from segibn.builders.sets import index_dataset
from segibn.config.data import DatasetConfig
from segibn.engine.scoring import Preparation
from segibn.errors import ConfigError, DatasetError
from segibn.evaluation.deviations import sign
from segibn.evaluation.results import CONDITIONS_FILE, ROWS_FILE, render_folder
from segibn.files.encode import write_image
from segibn.files.writing import writable_folder, write_json, write_text
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.runs.evaluate import circumstances, frames_of, score_run
from segibn.runs.loading import device_of
from segibn.runs.pictures import comparison_sheet, spread
from segibn.runs.protocol import (
    deviations,
    protocol_framing,
    refuse_target_selection,
    selection_of,
    under_protocol,
)
from segibn.runs.trained import CPU, TrainedRun

Sets = Mapping[str, DatasetConfig]
"""Label (the ``test`` of a row) -> data set."""
MARKDOWN_FILE = "cross_domain.md"
PICTURE_FILE = "comparison.jpg"
_DRAWN = 2  # frames of each set


@dataclass(frozen=True)
class Scoring:
    """How runs are scored."""

    inference: InferenceConfig = AS_SCORED
    """How frames reach the networks, each of which is scored by itself."""
    device: str | None = None
    """Name of the device; None = a GPU if there is one."""
    protocol: str | None = None
    """Name in ``PROTOCOLS``; None = each run as it was scored in training."""
    allow_target_selection: bool = False
    """Whether a checkpoint that was chosen on a test set is scored too."""

    def placed(self, run: TrainedRun, dataset: DatasetConfig) -> TrainedRun:
        """Return a run on the device, with its options for a set."""
        device = device_of(self.device)
        return under_protocol(self.protocol, run, dataset, self.inference, device)


AS_TRAINED = Scoring()


def cross_domain(
    runs: Sequence[TrainedRun],
    sets: Sets,
    datasets_root: Path,
    output: Path | None = None,
    *,
    scoring: Scoring = AS_TRAINED,
    train_label: str | None = None,
    published_note: str = "",
) -> list[dict[str, Any]]:
    """Score every run on every set -> rows, see ``headline``; under torchrun on every rank.

    Args:
        output: folder for the files, which the first rank writes; None writes none.
        train_label: the ``train`` of all rows; None = the run's own, such as ``gta5:train``.
        published_note: a sentence in place of published numbers.
    """
    if output is not None:
        writable_folder(output)
    rows, conditions = score_runs(
        runs, sets, datasets_root, scoring=scoring, train_label=train_label
    )
    if output is not None and distributed.is_main():
        write_json(output / ROWS_FILE, rows)
        conditions |= {"published_note": published_note}
        write_json(output / CONDITIONS_FILE, conditions)
        write_text(output / MARKDOWN_FILE, render_folder(output))
    return rows


def score_runs(
    runs: Sequence[TrainedRun],
    sets: Sets,
    datasets_root: Path,
    *,
    scoring: Scoring = AS_TRAINED,
    train_label: str | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every run on every set -> rows, run by run, and their conditions with all frames.

    ConfigError: the scores could not be compared, or say nothing of generalisation.
    """
    device = device_of(scoring.device)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    records = [run.record() | ({"train": train_label} if train_label else {}) for run in runs]
    frame_names = _check_all(runs, records, sets, datasets_root, scoring)
    with distributed.process_group(device):
        for run, record in zip(runs, records, strict=True):
            record["selection"] = selection_of(run, sets)
            for label, dataset in sets.items():
                placed = scoring.placed(run, dataset)
                conditions = circumstances(device, placed.options)
                rows.append(_score(placed, record, label, dataset, datasets_root, scoring.protocol))
            run.to(CPU)  # a GPU holds one network at a time
    return rows, conditions | {"frames": frame_names}


def _score(
    run: TrainedRun,
    record: dict[str, Any],
    label: str,
    dataset: DatasetConfig,
    datasets_root: Path,
    protocol: str | None,
) -> dict[str, Any]:
    """Score one run on one set; under a protocol its row and signature say what deviates."""
    framing, selection = protocol_framing(protocol, dataset), record["selection"]
    prepare = None
    if framing is not None:
        prepare = Preparation(framing.name, lambda _, *arrays: framing(*arrays))
    scores = score_run(run, dataset, datasets_root, prepare=prepare)
    row = headline(record, label, scores.to_dict())
    if protocol is None:
        return row | {"signature": sign(row["signature"], selection=selection)}
    found = deviations(protocol, run, selection, label, dataset, scores.num_images)
    more = {"protocol": protocol, "deviations": list(found.values())}
    return row | more | {"signature": sign(row["signature"], protocol, found, selection)}


def headline(
    record: dict[str, Any], label: str, scores: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """Make a row: the headline numbers first, then what they rest on."""
    row = {"train": record["train"], "test": label, "ibn": record["ibn"], "seed": record["seed"]}
    row |= more | {key: scores[key] for key in ("miou", "pixel_accuracy")} | record
    kept = ("signature", "num_images", "version", "iou", "class_names", "confusion", "doubt")
    return row | {key: scores[key] for key in kept if key in scores}


def _check_all(
    runs: Sequence[TrainedRun],
    records: Sequence[dict[str, Any]],
    sets: Sets,
    datasets_root: Path,
    scoring: Scoring,
) -> dict[str, list[str] | None]:
    """Refuse what cannot be compared -> label of each set -> names of its frames, None = absent."""
    refuse_equal(runs, records)
    frame_names: dict[str, list[str] | None] = {}
    for run, record in zip(runs, records, strict=True):
        if not scoring.allow_target_selection:
            refuse_target_selection(run, sets)
        if record["train"] not in frame_names:
            frame_names[record["train"]] = _names_of(run, datasets_root)
        for label, dataset in sets.items():
            samples = frames_of(run, dataset, datasets_root).samples
            frame_names[label] = [sample.name for sample in samples]
    return frame_names


def refuse_equal(runs: Sequence[TrainedRun], records: Sequence[Mapping[str, Any]]) -> None:
    """Raise ConfigError where a run is given twice."""
    seen: dict[tuple[Any, ...], Path] = {}
    for run, record in zip(runs, records, strict=True):
        identity = tuple(record[key] for key in ("train", "network", "ibn", "seed"))
        if identity in seen:
            raise ConfigError(
                f"{seen[identity]} and {run.checkpoint} are the same kind of run (trained on "
                f"{record['train']}, {record['network']}, ibn {record['ibn']}, seed "
                f"{record['seed']}); give one"
            )
        seen[identity] = run.checkpoint


def _names_of(run: TrainedRun, datasets_root: Path) -> list[str] | None:
    """Names of the frames a run was trained on; None where they are not on this machine."""
    try:
        sets = [index_dataset(dataset, datasets_root) for dataset in run.training.data.sources]
    except DatasetError:
        return None
    return [sample.name for samples in sets for sample in samples]


def draw_comparison(
    runs: Sequence[TrainedRun],
    sets: Sets,
    datasets_root: Path,
    path: Path,
    *,
    scoring: Scoring = AS_TRAINED,
) -> None:
    """Draw frame, truth and the prediction of each network side by side; one process.

    Of several seeds of one network the first counts; frames are spread evenly over a set.
    """
    networks = _one_of_each(runs)
    first = next(iter(networks.values()))
    rows: list[tuple[str, np.ndarray, np.ndarray, dict[str, np.ndarray]]] = []
    for label, dataset in sets.items():
        frames = frames_of(first, dataset, datasets_root)
        chosen = tuple(spread(frames.samples, _DRAWN))
        framing = protocol_framing(scoring.protocol, dataset)
        for _, image, target in replace(frames, samples=chosen, rank=0, world_size=1):
            shown = (image, target) if framing is None else framing(image, target)
            rows.append((label, *shown, {}))
    for title, run in networks.items():
        for label, image, _, preds in rows:
            preds[title] = scoring.placed(run, sets[label]).predictor(image)
        run.to(CPU)
    write_image(path, comparison_sheet(rows, first.class_names, first.palette))


def _one_of_each(runs: Sequence[TrainedRun]) -> dict[str, TrainedRun]:
    """Title -> the first run of each kind of network; all must know the same classes."""
    found: dict[str, TrainedRun] = {}
    several = len({run.training.model.backbone.network for run in runs}) > 1
    for run in runs:
        if run.class_names != runs[0].class_names:
            raise ConfigError(
                f"{run.checkpoint} and {runs[0].checkpoint} know different classes; one picture "
                "can only compare networks of the same"
            )
        backbone = run.training.model.backbone
        title = "no IBN" if backbone.ibn == "none" else f"IBN-{backbone.ibn}"
        found.setdefault(f"{backbone.network} {title}" if several else title, run)
    return found
