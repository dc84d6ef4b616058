"""The trainings of ``fine_tune``: run them, remember what each started from, score them.

In: a plan (``fine_tune_plan.py``). Out: run folders, rows, the conditions of the rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segibn.cli.fine_tune_plan import Source, Training
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.errors import CheckpointError
from segibn.files import read_json, sha256_of, write_json
from segibn.runs.cross_domain import load_all, score_runs
from segibn.runs.study import run_folder, train_once
from segibn.text import counted

SOURCE_FILE = "init_from.json"


def check_sets(config: RunConfig, sets: Mapping[str, DatasetConfig], datasets_root: Path) -> None:
    """Index every evaluation set in the target's classes, before hours of work.

    Raises:
        ConfigError, DatasetError: a set is not there or has other classes.
    """
    from segibn.builders.loader import build_eval_frames

    for dataset in sets.values():
        build_eval_frames(dataset, datasets_root, config.data.classes)


def train_all(trainings: Sequence[Training], datasets_root: Path, output: Path) -> None:
    """Train the sources that are configs, then every training that is not finished.

    Args:
        trainings: see ``plan_trainings``.
        datasets_root: the folder above the data sets.
        output: folder for the run folders.

    Raises:
        CheckpointError: a run folder began from another checkpoint than the source has now.
        SegibnError: a training failed or was stopped.
    """
    from segibn import distributed

    sources = {id(t.source): t.source for t in trainings if t.source is not None}
    if distributed.is_main():
        for source in sources.values():
            _say_what_is_taken(source, trainings)
    for source in sources.values():
        if source.trains:
            train_once(source.config, datasets_root, output)
    hashes = {key: sha256_of(source.checkpoint) for key, source in sources.items()}
    for training in trainings:
        if training.source is not None and distributed.is_main():
            _keep_source(training, hashes[id(training.source)], run_folder(training.config, output))
        train_once(training.config, datasets_root, output)


def score_trainings(
    trainings: Sequence[Training],
    sets: Mapping[str, DatasetConfig],
    datasets_root: Path,
    output: Path,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Score every run on every set.

    Returns:
        A row for each run and set: what ``cross_domain`` writes, and how the run began; and the
        conditions of all rows.
    """
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frames: dict[str, Any] = {}
    for fine_tuned in (False, True):  # apart: at one share both are trained on the same frames
        group = [t for t in trainings if (t.source is not None) == fine_tuned]
        if not group:
            continue
        for training in group:
            run = run_folder(training.config, output)
            scored, conditions = score_runs(load_all([run]), sets, datasets_root)
            frames |= conditions["frames"]
            rows += [row | _beginning(training, run) for row in scored]
    return rows, conditions | {"frames": frames}


def _beginning(training: Training, run: Path) -> dict[str, Any]:
    return {
        "share": training.share,
        "train_images": training.train_images,
        "start": training.start,
        "fine_tuned": training.source is not None,
        "source": read_json(run / SOURCE_FILE) if training.source is not None else None,
    }


def _say_what_is_taken(source: Source, trainings: Sequence[Training]) -> None:
    report = next(t.report for t in trainings if t.source is source)
    assert report is not None
    print(
        f"{source.train}, seed {source.config.seed}, {counted(source.iteration, 'iteration')}: "
        f"{report.summary()}"
    )


def _keep_source(training: Training, sha256: str, run: Path) -> None:
    """Write down what a run starts from, before it starts; refuse another source later."""
    source, report, path = training.source, training.report, run / SOURCE_FILE
    assert source is not None
    assert report is not None
    if path.exists():
        before = read_json(path)["checkpoint_sha256"]
        if before != sha256:
            raise CheckpointError(
                f"{run} began from another {source.checkpoint} (SHA-256 {before[:12]}, now "
                f"{sha256[:12]}): remove that folder, or choose another --output"
            )
        return
    backbone = source.config.model.backbone
    write_json(
        path,
        {
            "config": source.config.name,
            "train": source.train,
            "network": backbone.network,
            "ibn": backbone.ibn,
            "seed": source.config.seed,
            "iteration": source.iteration,
            "checkpoint_sha256": sha256,
            "loaded": len(report.loaded),
            "fresh": report.fresh,
            "unused": report.unused,
        },
    )
