"""Several trained networks on several labelled sets: rows, their tables, one picture."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segibn import distributed
from segibn.builders.sets import index_dataset
from segibn.errors import ConfigError, DatasetError
from segibn.evaluation.deviations import sign
from segibn.evaluation.inference_table import format_inference
from segibn.evaluation.results import CONDITIONS_FILE, ROWS_FILE, render_folder
from segibn.evaluation.rows import Network
from segibn.files.encode import write_image
from segibn.files.writing import writable_folder, write_json, write_text
from segibn.inference.config import InferenceConfig
from segibn.runs.evaluate import circumstances, frames_of, score_run
from segibn.runs.loading import device_of
from segibn.runs.pictures import SheetRow, comparison_sheet, spread
from segibn.runs.scoring import Scoring
from segibn.runs.trained import CPU, TrainedRun

MARKDOWN_FILE, PICTURE_FILE = "cross_domain.md", "comparison.jpg"


def cross_domain(
    runs: Sequence[TrainedRun],
    scoring: Scoring,
    output: Path | None = None,
    *,
    train_label: str | None = None,
    published_note: str = "",
) -> list[dict[str, Any]]:
    """Score every run on every set -> rows, see ``headline``; under torchrun on every rank.

    ``output``: folder for the files, which the first rank writes; None writes none.
    ``train_label``: the ``train`` of all rows; None = the run's own, such as ``gta5:train``.
    ConfigError: the scores could not be compared, or say nothing of generalisation.
    """
    if output is not None:
        writable_folder(output)
    records = [run.record() | ({"train": train_label} if train_label else {}) for run in runs]
    refuse_equal(runs, records)
    root = scoring.datasets_root
    frame_names: dict[str, list[str] | None] = {}  # of each set; None = it is not here
    for run, record in zip(runs, records, strict=True):
        record["selection"] = scoring.selection(run)
        if record["train"] not in frame_names:
            frame_names[record["train"]] = _training_frames(run, root)
        for label, dataset in scoring.sets.items():
            frame_names[label] = [sample.name for sample in frames_of(run, dataset, root, merging=True).samples]
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    device = device_of(scoring.device)
    with distributed.process_group(device):
        for run, record in zip(runs, records, strict=True):
            for label in scoring.sets:
                placed = scoring.placed(run, label)
                conditions = circumstances(device, placed.options)
                rows.append(_row(placed, scoring, label, record))
            run.to(CPU)  # a GPU holds one network at a time
    if output is not None and distributed.is_main():
        write_json(output / ROWS_FILE, rows)
        conditions |= {"frames": frame_names, "published_note": published_note}
        write_json(output / CONDITIONS_FILE, conditions)
        write_text(output / MARKDOWN_FILE, render_folder(output))
    return rows


def _row(run: TrainedRun, scoring: Scoring, label: str, record: dict[str, Any]) -> dict[str, Any]:
    prepare, protocol = scoring.preparation(label), scoring.protocol
    scores = score_run(run, scoring.sets[label], scoring.datasets_root, prepare=prepare)
    row, selection = headline(record, label, scores.to_dict()), record["selection"]
    if protocol is None:
        return row | {"signature": sign(row["signature"], selection=selection)}
    found = scoring.deviations(run, label, selection, scores.num_images)
    more = {"protocol": protocol, "deviations": list(found.values())}
    return row | more | {"signature": sign(row["signature"], protocol, found, selection)}


def compare_inference(
    runs: Iterable[TrainedRun], scoring: Scoring, ways: Mapping[str, InferenceConfig], output: Path | None = None
) -> tuple[str, str]:
    """Score every run on every set in every way -> the table, and the way of the highest score.

    On every rank; the first writes rows, table and conditions to ``output``, if there is one.
    ``ways``: name -> how frames reach the networks, in place of what ``scoring`` says.
    """
    device = device_of(scoring.device)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frames: dict[str, list[str]] = {}
    seen: dict[str, dict[str, Any]] = {}
    with distributed.process_group(device):
        for run in runs:
            record = run.record()
            for label, (name, way) in itertools.product(scoring.sets, ways.items()):
                placed = run.asked(way, device)
                scores = score_run(placed, scoring.sets[label], scoring.datasets_root)
                found = scores.to_dict()
                rows.append(headline(record, label, found, way=name, inference=found["conditions"]["inference"]))
                conditions = circumstances(device, placed.options)
                seen[name] = placed.options.to_dict()
                frames[label] = list(scores.frames)
    table = format_inference(rows)
    if output is not None and distributed.is_main():
        conditions.pop("inference")
        write_json(output / "inference.json", rows)
        write_json(output / CONDITIONS_FILE, conditions | {"frames": frames, "ways": seen})
        write_text(output / "inference.md", table)
    return table, max(rows, key=lambda row: row["miou"])["way"]


def headline(record: dict[str, Any], label: str, scores: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make a row: the headline numbers first, then what they rest on."""
    row = {"train": record["train"], "test": label, "ibn": record["ibn"], "seed": record["seed"]}
    row |= more | {key: scores[key] for key in ("miou", "pixel_accuracy")} | record
    kept = ("signature", "num_images", "version", "iou", "class_names", "confusion", "doubt")
    return row | {key: scores[key] for key in kept if key in scores}


def refuse_equal(runs: Sequence[TrainedRun], records: Sequence[Mapping[str, Any]]) -> None:
    """Raise ConfigError where a run is given twice."""
    seen: dict[tuple[Any, ...], Path] = {}
    for run, record in zip(runs, records, strict=True):
        kind = tuple(record.get(key) for key in ("train", "network", "ibn", "seed", "start"))
        if kind in seen:
            train, network, ibn, seed, _ = kind
            raise ConfigError(
                f"{seen[kind]} and {run.checkpoint} are the same kind of run (trained on {train}, "
                f"{network}, ibn {ibn}, seed {seed}); give one"
            )
        seen[kind] = run.checkpoint


def _training_frames(run: TrainedRun, datasets_root: Path) -> list[str] | None:
    """Names of the frames a run was trained on; None where they are not on this machine."""
    if run.config is None:
        return None
    try:
        sets = [index_dataset(dataset, datasets_root) for dataset in run.config.data.sources]
    except DatasetError:
        return None
    return [sample.name for samples in sets for sample in samples]


def draw_comparison(
    runs: Sequence[TrainedRun], scoring: Scoring, path: Path, others: Mapping[str, TrainedRun] | None = None
) -> None:
    """Draw frame, truth and the prediction of each network side by side; one process.

    Of several seeds of one network the first counts; frames are spread evenly over a set.
    ``others``: title -> a network of the same classes, drawn after them.
    """
    networks, first = _one_of_each(runs) | dict(others or {}), runs[0]
    rows: list[SheetRow] = []
    for label, dataset in scoring.sets.items():
        frames = frames_of(first, dataset, scoring.datasets_root)
        frames = replace(frames, samples=tuple(spread(frames.samples, 2)), rank=0, world_size=1)
        prepare = scoring.preparation(label)
        shown = prepare.over(frames) if prepare else frames
        rows += [(label, image, target, {}) for _, image, target in shown]
    for title, run in networks.items():
        for label, image, _, preds in rows:
            preds[title] = scoring.placed(run, label).predictor(image)
        run.to(CPU)
    write_image(path, comparison_sheet(rows, first.class_names, first.palette))


def _one_of_each(runs: Sequence[TrainedRun]) -> dict[str, TrainedRun]:
    """Title -> the first run of each kind of network; all must know the same classes."""
    found: dict[str, TrainedRun] = {}
    records = [run.record() for run in runs]
    several = len({record["network"] for record in records}) > 1
    for run, record in zip(runs, records, strict=True):
        if run.class_names != runs[0].class_names:
            raise ConfigError(
                f"{run.checkpoint} and {runs[0].checkpoint} know different classes; one picture "
                "can only compare networks of the same"
            )
        found.setdefault(Network("", record["network"] if several else "", record["ibn"]).title, run)
    return found
