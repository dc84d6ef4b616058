"""Trained networks on one labelled set that looks otherwise each time (IBN-Net, table 1)."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from segibn import distributed
from segibn.analysis.appearance import DRIVING, PAPER, TRANSFORMS, corrupt
from segibn.charts.bars import bar_chart
from segibn.charts.style import pixels
from segibn.config.data import DatasetConfig
from segibn.engine.scoring import Preparation
from segibn.errors import ConfigError
from segibn.evaluation.appearance import ORIGINAL, format_appearance, group_appearance
from segibn.evaluation.results import CONDITIONS_FILE
from segibn.evaluation.rows import network_titles
from segibn.files.encode import write_image
from segibn.files.pictures import read_image
from segibn.files.writing import write_json, write_text
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.runs.cross_domain import headline, refuse_equal
from segibn.runs.evaluate import circumstances, frames_of, own_set, score_run
from segibn.runs.loading import device_of, load_checkpoint
from segibn.runs.pictures import grid_sheet
from segibn.runs.trained import CPU
from segibn.text import did_you_mean, printable

PLOT_FILE = "appearance.png"


def score_appearance(
    sources: Sequence[str | Path],
    on: tuple[str, DatasetConfig] | None,
    datasets_root: Path,
    output: Path | None = None,
    *,
    transforms: Sequence[str] = (),
    level: int | None = None,
    seed: int | None = None,
    inference: InferenceConfig = AS_SCORED,
    device: str | None = None,
) -> str:
    """Score runs under changes of appearance; on every rank, the first writes -> the table.

    ``on``: label and labelled set; None = the first run's own held-out one. ``output``: folder for
    rows, table, chart and picture; None writes none. ``level``: strength of corruptions, 1 to 5;
    None = 3. ConfigError: a change is unknown, or level or seed would have no effect.
    """
    changes = _changes(transforms, level, seed)
    level, seed = 3 if level is None else level, seed or 0
    place, runs = device_of(device), [load_checkpoint(source) for source in sources]
    if on is None:
        own = own_set(runs[0], sources[0])
        on = own.title, own
    label, dataset = on
    refuse_equal(runs, [run.record() for run in runs])
    frames, *_ = [frames_of(run, dataset, datasets_root) for run in runs]
    rows: list[dict[str, Any]] = []
    with distributed.process_group(place):
        for run in runs:
            placed = run.asked(inference, place)
            for change in changes:
                prepare = preparation(change, level, seed)
                with PAPER[change].on(placed.module) if change in PAPER else nullcontext():
                    found = score_run(placed, dataset, datasets_root, prepare=prepare).to_dict()
                row = {"transform": change, "level": level if change in DRIVING else None}
                rows.append(row | headline(run.record(), label, found))
            conditions = circumstances(place, placed.options) | {"seed": seed}
            run.to(CPU)
    table = format_appearance(rows)
    if output is not None and distributed.is_main():
        conditions["frames"] = {label: [sample.name for sample in frames.samples]}
        write_json(output / "appearance.json", rows)
        write_json(output / CONDITIONS_FILE, conditions)
        write_text(output / "appearance.md", table)
        write_image(output / PLOT_FILE, _plot(rows, label))
        sample = frames.samples[len(frames.samples) // 2]
        shown = dict.fromkeys(changes, read_image(sample.image))
        mean = runs[-1].module.pixel_mean.flatten().cpu().numpy()
        for change, image in shown.items():
            if change in PAPER:
                shown[change] = PAPER[change].picture(image, mean)
            elif change in DRIVING:
                shown[change] = corrupt(change, sample.name, image, level=level, seed=seed)
        write_image(output / "appearance.jpg", grid_sheet(shown))
    return table


def _changes(given: Sequence[str], level: int | None, seed: int | None) -> list[str]:
    for name in given:
        if name not in TRANSFORMS:
            hint = did_you_mean(name, TRANSFORMS) or f": there are {', '.join(TRANSFORMS[1:])}"
            raise ConfigError(f"--transforms {printable(name)}{hint}")
    for option, value in (("level", level), ("seed", seed)):
        if value is not None and given and not set(DRIVING).intersection(given):
            raise ConfigError(f"--{option} has no effect on {', '.join(given)}")
    return [name for name in TRANSFORMS if name == ORIGINAL or not given or name in given]


def preparation(change: str, level: int, seed: int) -> Preparation | None:
    """Say what happens to frames before they are scored, and what the signature says of it."""
    if change in PAPER:  # the network's input is changed, not the frame
        return Preparation(change, lambda _, image, target: (image, target))
    if change not in DRIVING:
        return None
    return Preparation(
        f"{change}{level}",
        lambda name, image, target: (corrupt(change, name, image, level=level, seed=seed), target),
    )


def _plot(rows: Sequence[Mapping[str, Any]], label: str) -> np.ndarray:
    cells = group_appearance(rows)
    titles = network_titles(cells)
    names = [name for name in dict.fromkeys(row["transform"] for row in rows) if name != ORIGINAL]
    bars = {
        titles[network]: [
            (100 * found[name].drop.mean, 100 * found[name].drop.deviation) for name in names
        ]
        for network, found in cells.items()
    }
    return pixels(bar_chart(bars, names, f"points of mIoU lost on {label}"))
