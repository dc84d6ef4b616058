"""Writes a report: runs, scores and studies in, one HTML file out. No torch without frames."""

from collections.abc import Callable
from pathlib import Path

from segibn.errors import SegibnError
from segibn.evaluation.rows import Network
from segibn.files.writing import write_text
from segibn.report.classes import palette_of
from segibn.report.content import Report, Source
from segibn.report.page import build_page
from segibn.runs.find import datasets_of
from segibn.text import counted

Pairs = list[tuple[str, str]]


def write_report(
    report: Report, output: Path, title: str, frames: int, find: Callable[[Path | None], Path], device: str | None
) -> list[str]:
    """Complete a report of ``read_inputs``, write its page -> what is missing on it, as sentences.

    ``frames``: how many of the worst and of the best a run shows; 0 = no network is loaded. ``find``:
    folder that a run was trained with -> folder above the data sets.
    """
    for source in report.runs:
        iteration = source.record.get("iteration")
        if frames and source.checkpoint is None:
            source.no_frames = (
                f"{source.title}: no frames, since there is no checkpoint beside the scores. Give the "
                "run that they are of too: segibn report RUN SCORES.json --datasets DIR"
            )
        elif frames:
            from segibn.runs.report_frames import add_frames  # torch, only where frames are predicted

            try:
                iteration = add_frames(source, find(datasets_of(source.folder)), frames, device)
            except SegibnError as error:
                source.no_frames = f"{source.title}: no frames. {error}"
        if source.palette is None and source.class_names:
            folder = None if source.config is None else source.config.data.train.folder
            own = {row.train_id: row.color for row in reversed(folder.labels if folder else ()) if row.color}
            source.palette = palette_of(source.class_names, own)
        source.facts, source.provenance = _facts(source, iteration), _provenance(source)
    write_text(output, build_page(report, title))
    notes = [note for source in report.runs for note in (*source.notes, source.no_frames)]
    return [note for note in notes if note]


def _facts(source: Source, done: object) -> Pairs:
    """Network, data and iteration, from whichever file says so."""
    record, config, scores = source.record, source.config, source.scores
    network, head, trained = None, record.get("head"), record.get("train")
    if config is not None:
        backbone = config.model.backbone
        network = Network("", backbone.network, backbone.ibn_title)
        head, trained = config.model.head.name, config.data.title
    elif "network" in record:
        network = Network("", str(record["network"]), str(record.get("ibn", "none")))
    parts = [network.title, *([str(head)] if head else [])] if network else []
    facts = [("network", ", ".join(parts)), ("trained on", str(trained or ""))]
    if scores is not None:
        facts.append(("scored on", f"{scores.conditions.evaluation_set}, {counted(scores.num_images, 'frame')}"))
        if "-share" in (shown := scores.conditions.inference):
            facts.append(("of each frame's statistics", shown.partition("-share")[2]))
    if done is None and source.curve is not None and source.curve.iterations.size:
        done = int(source.curve.iterations[-1])
    if done is not None:
        facts.append(("iteration", f"{done:,}" if isinstance(done, int) else str(done)))
    seed = config.seed if config is not None else record.get("seed")
    facts.append(("seed", "" if seed is None else str(seed)))
    return [(what, value) for what, value in facts if value]


def _provenance(source: Source) -> Pairs:
    """Of the evaluation where its file says it, and of the training."""
    pairs: Pairs = []
    for record, what in ((source.record, "scored"), (source.environment, "trained")):
        versions = record.get("versions")
        known = {
            "on": record.get("started"),
            "by": record.get("command"),
            "from revision": record.get("git_revision"),
            "in": record.get("precision"),
        }
        if isinstance(versions, dict):
            known["with"] = ", ".join(f"{name} {number}" for name, number in versions.items())
        pairs += [(f"{what} {key}", str(value)) for key, value in known.items() if value]
    if source.scores_file is not None:
        pairs.append(("scores", str(source.scores_file)))
    digest = source.record.get("checkpoint_sha256")
    return [*pairs, ("checkpoint sha256", str(digest))] if digest else pairs
