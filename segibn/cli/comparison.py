"""Several trained networks on several sets: the table and the picture that compare them.

In: run folders and labelled sets. Out: rows, their files, one picture. ``cross_domain``, ``study``
and ``demo`` call these functions.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.inference import (
    add_inference_arguments,
    device_of,
    inference_options,
    refuse_ensemble,
)
from segibn.config.schema import DatasetConfig
from segibn.errors import ConfigError, DatasetError
from segibn.files import write_image, write_json, write_text
from segibn.report.tables import CONDITIONS_FILE, ROWS_FILE, render_cross_domain

if TYPE_CHECKING:  # torch takes seconds to import, and a mistyped command needs none of it
    from segibn.cli.scoring import TrainedRun

MARKDOWN_FILE = "cross_domain.md"
PICTURE_FILE = "comparison.jpg"


def cross_domain(
    runs: Sequence[str | Path],
    sets: Mapping[str, DatasetConfig],
    datasets_root: Path,
    output: Path | None = None,
    *,
    train_label: str | None = None,
    dataset_of: Mapping[str, str] | None = None,
    published_note: str = "",
    arguments: argparse.Namespace | None = None,
) -> list[dict[str, Any]]:
    """Score every run on every set; under torchrun on every rank, the first one writes.

    Args:
        runs: run folders or checkpoint files.
        sets: label (the ``test`` of a row) -> data set.
        datasets_root: folder above the data sets.
        output: folder for the files; None writes none.
        train_label: the ``train`` of all rows; None = the run's own, such as ``gta5:train``.
        dataset_of: label -> data set, to find published numbers for labels that are not names of
            data sets.
        published_note: a sentence above published numbers.
        arguments: of ``add_inference_arguments``; None = their defaults.

    Returns:
        One row for each run and set, see ``_row``; scores are fractions.
    """
    from segibn import distributed

    rows, conditions = score_runs(
        runs, sets, datasets_root, train_label=train_label, arguments=arguments
    )
    if output is not None and distributed.is_main():
        conditions |= {"published_note": published_note, "dataset_of": dict(dataset_of or {})}
        write_comparison(output, rows, conditions)
    return rows


def score_runs(
    runs: Sequence[str | Path],
    sets: Mapping[str, DatasetConfig],
    datasets_root: Path,
    *,
    train_label: str | None = None,
    arguments: argparse.Namespace | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every run on every set, and say under which conditions; arguments as above.

    Returns:
        The rows, run by run and within each in the order of ``sets``; and the command, versions,
        machine and the names of all frames.
    """
    from segibn import distributed
    from segibn.cli.scoring import circumstances, load_run, score_run

    arguments = arguments or _default_arguments()
    refuse_ensemble(arguments)
    device = device_of(arguments)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frame_names = _check_all(runs, sets, datasets_root, train_label)
    with distributed.process_group(device):
        for path in runs:
            run = load_run(path)
            options = inference_options(arguments, run.config)
            record = run.record() | ({"train": train_label} if train_label else {})
            conditions = circumstances(device, options)
            for label, dataset in sets.items():
                scores = score_run(run, dataset, datasets_root, device=device, options=options)
                rows.append(_row(record, label, scores.to_dict()))
    return rows, conditions | {"frames": frame_names}


def write_comparison(
    output: Path, rows: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]
) -> None:
    """Write ``cross_domain.json``, ``conditions.json`` and the table ``cross_domain.md``."""
    write_json(output / ROWS_FILE, rows)
    write_json(output / CONDITIONS_FILE, conditions)
    write_text(output / MARKDOWN_FILE, render_cross_domain(output))


def draw_comparison(
    runs: Sequence[str | Path],
    sets: Mapping[str, DatasetConfig],
    datasets_root: Path,
    path: Path,
    *,
    frames_per_set: int = 2,
    frame_names: Mapping[str, Sequence[str]] | None = None,
    arguments: argparse.Namespace | None = None,
) -> None:
    """Draw frame, truth and the prediction of each network side by side; one process.

    Args:
        runs: run folders or checkpoint files; of several seeds of one network the first counts.
        sets: label -> data set.
        datasets_root: folder above the data sets.
        path: picture to write.
        frames_per_set: how many frames of each set, evenly spread.
        frame_names: label -> the frames to draw instead.
        arguments: of ``add_inference_arguments``; None = their defaults.
    """
    from dataclasses import replace

    from segibn.cli.pictures import comparison_sheet, spread
    from segibn.cli.scoring import frames_of
    from segibn.predict import Predictor

    arguments = arguments or _default_arguments()
    networks = _one_of_each(runs)
    first = next(iter(networks.values()))
    rows = []
    for label, dataset in sets.items():
        frames = frames_of(first, dataset, datasets_root)
        names = [sample.name for sample in frames.samples]
        wanted = (frame_names or {}).get(label) or spread(names, frames_per_set)
        chosen = tuple(sample for sample in frames.samples if sample.name in set(wanted))
        for _, image, target in replace(frames, samples=chosen, rank=0, world_size=1):
            rows.append((label, image, target, {}))
    for title, run in networks.items():
        options = inference_options(arguments, run.config)
        predict = Predictor(run.segmenter, device_of(arguments), options)
        for _, image, _, preds in rows:
            preds[title] = predict(image)
    write_image(path, comparison_sheet(rows, first.class_names, first.palette))


def _one_of_each(runs: Sequence[str | Path]) -> "dict[str, TrainedRun]":
    """Title -> the first run of each kind of network; all must know the same classes."""
    from segibn.cli.scoring import load_run

    found: dict[str, TrainedRun] = {}
    loaded = [load_run(path) for path in runs]
    several = len({run.config.model.backbone.name for run in loaded}) > 1
    for run in loaded:
        if run.class_names != loaded[0].class_names:
            raise ConfigError(
                f"{run.checkpoint} and {loaded[0].checkpoint} know different classes; one picture "
                "can only compare networks of the same"
            )
        ibn = run.config.model.backbone.ibn
        title = "no IBN" if ibn == "none" else f"IBN-{ibn}"
        found.setdefault(f"{run.config.model.backbone.name} {title}" if several else title, run)
    return found


def _check_all(
    runs: Sequence[str | Path],
    sets: Mapping[str, DatasetConfig],
    datasets_root: Path,
    train_label: str | None,
) -> dict[str, list[str] | None]:
    """Fail before hours of work: load every run, index every set, refuse a run given twice.

    Returns:
        Label of each training and evaluation set -> names of its frames (None = not here).
    """
    from segibn.cli.scoring import frames_of, load_run

    frame_names: dict[str, list[str] | None] = {}
    seen: dict[tuple[Any, ...], str | Path] = {}
    for path in runs:
        run = load_run(path)
        record = run.record() | ({"train": train_label} if train_label else {})
        identity = tuple(record[key] for key in ("train", "network", "ibn", "seed"))
        if identity in seen:
            raise ConfigError(
                f"{seen[identity]} and {path} are the same kind of run (trained on "
                f"{record['train']}, {record['network']}, ibn {record['ibn']}, seed "
                f"{record['seed']}); give one"
            )
        seen[identity] = path
        if record["train"] not in frame_names:
            frame_names[record["train"]] = _names_of(run, datasets_root)
        for label, dataset in sets.items():
            samples = frames_of(run, dataset, datasets_root).samples
            frame_names[label] = [sample.name for sample in samples]
    return frame_names


def _row(record: dict[str, Any], label: str, scores: dict[str, Any]) -> dict[str, Any]:
    """The headline numbers first, then what they rest on."""
    row = {"train": record["train"], "test": label, "ibn": record["ibn"], "seed": record["seed"]}
    row |= {key: scores[key] for key in ("miou", "pixel_accuracy")} | record
    kept = ("signature", "num_images", "version", "iou", "class_names", "confusion")
    return row | {key: scores[key] for key in kept}


def _names_of(run: "TrainedRun", datasets_root: Path) -> list[str] | None:
    """Names of the frames a run was trained on; None where they are not on this machine."""
    from segibn.data.build import index_dataset

    try:
        sets = [index_dataset(dataset, datasets_root) for dataset in run.config.data.sources]
    except DatasetError:
        return None
    return [sample.name for samples in sets for sample in samples]


def _default_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_inference_arguments(parser)
    return parser.parse_args([])
