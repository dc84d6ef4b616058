"""Trained networks are fine-tuned on shares of a target, beside networks trained without them.

IBN-Net's section 4.2 (arXiv 1807.09441). In: a plan (``fine_tune_plan.py``). Out: run folders, and
a table with its rows, conditions and chart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segibn import distributed
from segibn.builders.loader import build_eval_frames
from segibn.charts.lines import Line, line_chart
from segibn.charts.style import pixels
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.errors import CheckpointError, ConfigError
from segibn.evaluation.fine_tune import group_rows, share_titles
from segibn.evaluation.results import CONDITIONS_FILE, FINE_TUNE_FILE, render_folder
from segibn.files.encode import write_image
from segibn.files.writing import read_json, sha256_of, write_json, write_text
from segibn.models.weights.pretrained import WeightsReport
from segibn.runs.cross_domain import score_runs
from segibn.runs.fine_tune_plan import Source, Training
from segibn.runs.loading import load_checkpoint
from segibn.runs.scoring import Scoring
from segibn.runs.study import run_folder, train_once
from segibn.text import counted

MARKDOWN_FILE, PICTURE_FILE = "fine_tune.md", "fine_tune.png"
SOURCE_FILE = "init_from.json"  # in a run folder: what it started from


def target_sets(config: RunConfig, sets: Mapping[str, DatasetConfig], datasets_root: Path) -> dict[str, DatasetConfig]:
    """Return the target's validation frames and other sets, all indexed in the target's classes.

    ConfigError, DatasetError: a set is not there or has other classes, or there is none.
    """
    target = config.data.val
    if target is None and not sets:
        raise ConfigError(f"{config.name} has no data.val to score on; name a set with --on")
    found = ({target.title: target} if target else {}) | dict(sets)
    for dataset in found.values():
        build_eval_frames(dataset, datasets_root, config.data.classes)
    return found


def train_all(trainings: Sequence[Training], datasets_root: Path, output: Path) -> None:
    """Train the sources that are configs, then every training that is not finished.

    CheckpointError: a run folder began from another checkpoint than the source has now.
    """
    sources = {t.source: t.report for t in trainings if t.source and t.report}
    for source, report in sources.items():
        if distributed.is_main():
            count = counted(source.iteration, "iteration")
            print(f"{source.train}, seed {source.config.seed}, {count}: {report.summary()}")
    for source in sources:
        if source.trains:
            train_once(source.config, datasets_root, output)
    hashes = {source: sha256_of(source.checkpoint) for source in sources}
    for training in trainings:
        if (source := training.source) is not None and distributed.is_main():
            run = run_folder(training.config, output)
            _keep_source(source, sources[source], hashes[source], run)
        train_once(training.config, datasets_root, output)


def _keep_source(source: Source, report: WeightsReport, sha256: str, run: Path) -> None:
    """Write down what a run starts from, before it starts; refuse another source later."""
    path, backbone = run / SOURCE_FILE, source.config.model.backbone
    if path.exists():
        before = read_json(path)["checkpoint_sha256"]
        if before != sha256:
            raise CheckpointError(
                f"{run} began from another {source.checkpoint} (SHA-256 {before[:12]}, now "
                f"{sha256[:12]}): remove that folder, or choose another --output"
            )
        return
    content = {
        "config": source.config.name,
        "train": source.train,
        "network": backbone.network,
        "ibn": backbone.ibn_title,
        "seed": source.config.seed,
        "iteration": source.iteration,
        "checkpoint_sha256": sha256,
        "loaded": len(report.loaded),
        "fresh": report.fresh,
        "unused": report.unused,
    }
    write_json(path, content)


def score_trainings(trainings: Sequence[Training], scoring: Scoring, output: Path, results: Path) -> None:
    """Score every run of ``output`` on every set; the first rank writes the files to ``results``.

    A row is what ``cross-domain`` writes, and how the run began.
    """
    rows: list[dict[str, Any]] = []
    conditions: dict[str, Any] = {}
    frames: dict[str, Any] = {}
    # Apart, those without a source first: at one share both are trained on the same frames.
    for training in sorted(trainings, key=lambda one: one.source is not None):
        run = run_folder(training.config, output)
        beginning = {
            "share": training.share,
            "train_images": training.train_images,
            "start": training.start,
            "fine_tuned": training.source is not None,
            "source": read_json(run / SOURCE_FILE) if training.source is not None else None,
        }
        scored, conditions = score_runs([load_checkpoint(run)], scoring)
        frames |= conditions["frames"]
        rows += [row | beginning for row in scored]
    if distributed.is_main():
        write_json(results / FINE_TUNE_FILE, rows)
        write_json(results / CONDITIONS_FILE, conditions | {"frames": frames})
        write_text(results / MARKDOWN_FILE, render_folder(results))
        _draw(rows, results / PICTURE_FILE)


def _draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw mIoU by share: a colour a network, broken lines without a source, bars of seeds."""
    test = rows[0]["test"]
    found = group_rows(rows, test)
    networks = list(dict.fromkeys(line.network for line in found))
    lines = [
        Line(
            line.title,
            [100 * point.miou.mean for point in points.values()],
            list(points),
            [100 * point.miou.deviation for point in points.values()],
            series=networks.index(line.network),
            dashed=not line.fine_tuned,
        )
        for line, points in found.items()
    ]
    title = f"mIoU in % on {test} by share of the target's training frames"
    write_image(path, pixels(line_chart(lines, title, share_titles(rows), is_log=True)))
