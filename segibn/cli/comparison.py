"""Several trained networks on several sets: the table and the picture that compare them.

In: run folders and labelled sets. Out: rows, their files, one picture. ``cross_domain``, ``study``
and ``demo`` call these functions.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.inference import add_inference_arguments, device_of, refuse_ensemble
from segibn.cli.parser import VerbParser
from segibn.cli.protocol import deviations, protocol_framing, protocol_options
from segibn.errors import ConfigError, DatasetError

if TYPE_CHECKING:  # torch takes seconds to import, and a mistyped command needs none of it
    from segibn.config.data import DatasetConfig
    from segibn.inference.options import InferenceOptions
    from segibn.runs.trained import TrainedRun

MARKDOWN_FILE = "cross_domain.md"
PICTURE_FILE = "comparison.jpg"


def cross_domain(
    runs: Sequence[str | Path],
    sets: "Mapping[str, DatasetConfig]",
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
        published_note: a sentence in place of published numbers.
        arguments: of ``add_inference_arguments`` and, if wanted, ``add_protocol_arguments``; None
            = their defaults.

    Returns:
        One row for each run and set, see ``_row``; scores are fractions.
    """
    from segibn import distributed
    from segibn.files import writable_folder

    if output is not None:
        writable_folder(output)
    rows, conditions = score_runs(
        runs, sets, datasets_root, train_label=train_label, arguments=arguments
    )
    if output is not None and distributed.is_main():
        conditions |= {"published_note": published_note, "dataset_of": dict(dataset_of or {})}
        write_comparison(output, rows, conditions)
    return rows


def score_runs(
    runs: Sequence[str | Path],
    sets: "Mapping[str, DatasetConfig]",
    datasets_root: Path,
    *,
    train_label: str | None = None,
    arguments: argparse.Namespace | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every run on every set, and say under which conditions; arguments as above.

    Returns:
        The rows, run by run and within each in the order of ``sets``; and the command, versions,
        machine and the names of all frames.

    Raises:
        ConfigError: a run is given twice, cannot be read in a set's classes, or its checkpoint was
            chosen on a test set and ``--allow-target-selection`` not given.
    """
    from segibn import distributed
    from segibn.cli.scoring import circumstances
    from segibn.cli.selection import selection_of
    from segibn.runs.loading import load_checkpoint

    arguments = arguments or _default_arguments()
    refuse_ensemble(arguments)
    device = device_of(arguments)
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frame_names = _check_all(runs, sets, datasets_root, train_label, arguments)
    with distributed.process_group(device):
        for path in runs:
            run = load_checkpoint(path)
            record = run.record() | ({"train": train_label} if train_label else {})
            record["selection"] = selection_of(run, sets)
            for label, dataset in sets.items():
                options = protocol_options(arguments, run.options, arguments.protocol, dataset)
                conditions = circumstances(device, options)
                row = _score(run, record, label, dataset, datasets_root, options, arguments)
                rows.append(row)
    return rows, conditions | {"frames": frame_names}


def _score(
    run: "TrainedRun",
    record: dict[str, Any],
    label: str,
    dataset: "DatasetConfig",
    datasets_root: Path,
    options: "InferenceOptions",
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Score one run on one set; under a protocol its row and signature say what deviates."""
    from segibn.cli.scoring import score_run
    from segibn.engine.scoring import Preparation
    from segibn.evaluation.deviations import sign

    name, selection = arguments.protocol, record["selection"]
    framing = protocol_framing(name, dataset)
    prepare = (
        None if framing is None else Preparation(framing.name, lambda _, *arrays: framing(*arrays))
    )
    device = device_of(arguments)
    scores = score_run(run, dataset, datasets_root, device=device, options=options, prepare=prepare)
    row = _row(record, label, scores.to_dict())
    if name is None:
        return row | {"signature": sign(row["signature"], selection=selection)}
    found = deviations(name, run, selection, label, dataset, scores.num_images, options)
    more = {"protocol": name, "deviations": [deviation.text for deviation in found]}
    return row | more | {"signature": sign(row["signature"], name, found, selection)}


def write_comparison(
    output: Path, rows: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]
) -> None:
    """Write ``cross_domain.json``, ``conditions.json`` and the table ``cross_domain.md``."""
    from segibn.evaluation.results import CONDITIONS_FILE, ROWS_FILE, render_folder
    from segibn.files import write_json, write_text

    write_json(output / ROWS_FILE, rows)
    write_json(output / CONDITIONS_FILE, conditions)
    write_text(output / MARKDOWN_FILE, render_folder(output))


def draw_comparison(
    runs: Sequence[str | Path],
    sets: "Mapping[str, DatasetConfig]",
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
    from segibn.files import write_image
    from segibn.inference.predictor import Predictor

    arguments = arguments or _default_arguments()
    networks = _one_of_each(runs)
    first = next(iter(networks.values()))
    rows = []
    for label, dataset in sets.items():
        frames = frames_of(first, dataset, datasets_root)
        names = [sample.name for sample in frames.samples]
        wanted = (frame_names or {}).get(label) or spread(names, frames_per_set)
        chosen = tuple(sample for sample in frames.samples if sample.name in set(wanted))
        framing = protocol_framing(arguments.protocol, dataset)
        for _, image, target in replace(frames, samples=chosen, rank=0, world_size=1):
            shown = (image, target) if framing is None else framing(image, target)
            rows.append((label, *shown, {}))
    for title, run in networks.items():
        for label, image, _, preds in rows:
            options = protocol_options(arguments, run.options, arguments.protocol, sets[label])
            preds[title] = Predictor(run.module, device_of(arguments), options)(image)
    write_image(path, comparison_sheet(rows, first.class_names, first.palette))


def _one_of_each(runs: Sequence[str | Path]) -> "dict[str, TrainedRun]":
    """Title -> the first run of each kind of network; all must know the same classes."""
    from segibn.runs.loading import load_checkpoint

    found: dict[str, TrainedRun] = {}
    loaded = [load_checkpoint(path) for path in runs]
    several = len({run.config.model.backbone.network for run in loaded}) > 1
    for run in loaded:
        if run.class_names != loaded[0].class_names:
            raise ConfigError(
                f"{run.checkpoint} and {loaded[0].checkpoint} know different classes; one picture "
                "can only compare networks of the same"
            )
        ibn = run.config.model.backbone.ibn
        title = "no IBN" if ibn == "none" else f"IBN-{ibn}"
        found.setdefault(f"{run.config.model.backbone.network} {title}" if several else title, run)
    return found


def _check_all(
    runs: Sequence[str | Path],
    sets: "Mapping[str, DatasetConfig]",
    datasets_root: Path,
    train_label: str | None,
    arguments: argparse.Namespace,
) -> dict[str, list[str] | None]:
    """Fail before hours of work: load every run, index every set, refuse what cannot be compared.

    That is a run given twice, and a checkpoint chosen on a test set.

    Returns:
        Label of each training and evaluation set -> names of its frames (None = not here).
    """
    from segibn.cli.scoring import frames_of
    from segibn.cli.selection import refuse_target_selection
    from segibn.runs.loading import load_checkpoint

    frame_names: dict[str, list[str] | None] = {}
    seen: dict[tuple[Any, ...], str | Path] = {}
    for path in runs:
        run = load_checkpoint(path)
        refuse_target_selection(run, sets, arguments.allow_target_selection)
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
    more = {"doubt": scores["doubt"]} if "doubt" in scores else {}
    return row | {key: scores[key] for key in kept} | more


def _names_of(run: "TrainedRun", datasets_root: Path) -> list[str] | None:
    """Names of the frames a run was trained on; None where they are not on this machine."""
    from segibn.builders.sets import index_dataset

    try:
        sets = [index_dataset(dataset, datasets_root) for dataset in run.config.data.sources]
    except DatasetError:
        return None
    return [sample.name for samples in sets for sample in samples]


def _default_arguments() -> argparse.Namespace:
    parser = VerbParser()
    add_inference_arguments(parser)
    parser.set_defaults(protocol=None, allow_target_selection=False)
    return parser.parse_args([])
