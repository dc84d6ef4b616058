"""Writes a report: runs, scores and studies in, one HTML file out. No torch without frames."""

import colorsys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import segibn
from segibn import provenance
from segibn.config.schema import RunConfig
from segibn.config.set_names import train_name
from segibn.data.datasets.catalog import scheme_class_names, scheme_label_set
from segibn.errors import SegibnError
from segibn.evaluation.rows import IBN_NAMES
from segibn.files import write_text
from segibn.labels import CLASS_SCHEMES
from segibn.report.content import Color, CrossDomain, Report
from segibn.report.page import build_page
from segibn.runs.find import datasets_of
from segibn.runs.report_inputs import Inputs, Source
from segibn.text import counted

Palette = NDArray[np.uint8]
Pairs = list[tuple[str, str]]


def write_report(
    inputs: Inputs,
    output: Path,
    title: str,
    *,
    frames: int,
    find_datasets: Callable[[Path | None], Path],
    device: str | None = None,
) -> list[str]:
    """Write the page -> what is missing on it, as sentences.

    Args:
        inputs: see ``read_inputs``.
        output: HTML file.
        title: of the page.
        frames: how many of the worst and of the best a run shows; 0 = none, no network is loaded.
        find_datasets: folder that a run was trained with -> folder above the data sets.
        device: see ``segibn.devices.device_named``; None = the GPU if there is one.
    """
    for source in inputs.runs:
        _complete(source, frames, find_datasets, device)
    report = Report(
        title=title,
        command=provenance.command_line(),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=segibn.__version__,
        runs=inputs.runs,
        tables=inputs.tables,
        comparisons=inputs.comparisons,
        colors=table_colors(inputs.tables),
    )
    write_text(output, build_page(report))
    notes = [note for source in inputs.runs for note in (*source.notes, source.no_frames)]
    return [note for note in notes if note]


def _complete(
    source: Source, frames: int, find_datasets: Callable[[Path | None], Path], device: str | None
) -> None:
    """Add frames where they are wanted and possible, or why not; then what the page says."""
    iteration = source.record.get("iteration")
    if frames and source.checkpoint is None:
        source.no_frames = (
            f"{source.title}: no frames, since there is no checkpoint beside the scores. Give the "
            "run that they are of too: segibn report RUN SCORES.json --datasets DIR"
        )
    elif frames:
        from segibn.runs.report_frames import add_frames  # torch, only where frames are predicted

        try:
            root = find_datasets(datasets_of(source.folder))
            iteration = add_frames(source, root, frames, device)
        except SegibnError as error:
            source.no_frames = f"{source.title}: no frames. {error}"
    if source.palette is None and source.class_names:
        source.palette = _palette_of(source.class_names, source.config)
    source.facts = _facts(source, iteration)
    source.provenance = _provenance(source)


def table_colors(tables: Sequence[CrossDomain]) -> dict[str, Color]:
    """Return the colours of the classes that the rows of tables name."""
    found: dict[str, Color] = {}
    for names in [row.get("class_names") for table in tables for row in table.rows]:
        if isinstance(names, list):
            palette = _palette_of(tuple(map(str, names)), None)
            for name, (red, green, blue) in zip(names, palette.tolist(), strict=True):
                found.setdefault(str(name), (red, green, blue))
    return found


def _facts(source: Source, done: object) -> Pairs:
    """Network, data and iteration, from whichever file says so."""
    record, config, scores = source.record, source.config, source.scores
    network, trained = "", ""
    if config is not None:
        model = config.model
        network = _network(model.backbone.network, model.backbone.ibn, model.head.name)
        trained = train_name(config.data)
    elif "network" in record:
        given = (record["network"], record.get("ibn", "none"), record.get("head", ""))
        network = _network(*map(str, given))
        trained = str(record.get("train", ""))
    facts = [("network", network), ("trained on", trained)]
    if scores is not None:
        frames = counted(scores.num_images, "frame")
        facts.append(("scored on", f"{scores.conditions.evaluation_set}, {frames}"))
    if done is None and source.curve is not None and source.curve.iterations.size:
        done = int(source.curve.iterations[-1])
    if done is not None:
        facts.append(("iteration", f"{done:,}" if isinstance(done, int) else str(done)))
    seed = config.seed if config is not None else record.get("seed")
    facts.append(("seed", "" if seed is None else str(seed)))
    return [(what, value) for what, value in facts if value]


def _network(backbone: str, ibn: str, head: str) -> str:
    kind = IBN_NAMES.get(ibn, f"IBN-{ibn}")
    return ", ".join(part for part in (backbone, kind, head) if part)


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
            "with": ", ".join(f"{k} {v}" for k, v in versions.items())
            if isinstance(versions, dict)
            else None,
        }
        pairs += [(f"{what} {key}", str(value)) for key, value in known.items() if value]
    if source.scores_file is not None:
        pairs.append(("scores", str(source.scores_file)))
    digest = source.record.get("checkpoint_sha256")
    return [*pairs, ("checkpoint sha256", str(digest))] if digest else pairs


def _palette_of(names: tuple[str, ...], config: RunConfig | None) -> Palette:
    """Colours of the scheme with these classes, of the config's own table, or spread hues."""
    scheme = next((s for s in CLASS_SCHEMES if scheme_class_names(s) == names), None)
    if scheme is not None:
        return scheme_label_set(scheme).palette
    folder = None if config is None else config.data.train.folder
    if folder is not None:
        colors = {row.train_id: row.color for row in reversed(folder.labels)}
        if all(index in colors for index in range(len(names))):
            return np.array([colors[index] for index in range(len(names))], np.uint8)
    hues = (colorsys.hsv_to_rgb(0.618 * index % 1, 0.6, 0.85) for index in range(len(names)))
    return np.array([[round(255 * part) for part in color] for color in hues], np.uint8)
