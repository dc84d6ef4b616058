"""Networks on one labelled set that looks otherwise each time (IBN-Net, table 1; ImageNet-C)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segibn import distributed
from segibn.analysis.stress import CORRUPTIONS, GROUPS, LEVELS, PAPER, corrupt
from segibn.charts.bars import bar_chart
from segibn.charts.style import pixels
from segibn.config.data import DatasetConfig
from segibn.engine.scoring import Preparation
from segibn.errors import ConfigError
from segibn.evaluation.errors import bravo_index
from segibn.evaluation.measures import measured
from segibn.evaluation.ood import find_ood
from segibn.evaluation.results import CONDITIONS_FILE, OOD_FILE, STRESS_FILE
from segibn.evaluation.rows import network_titles
from segibn.evaluation.stress import ORIGINAL, format_stress, group_stress
from segibn.files.encode import write_image
from segibn.files.pictures import read_image
from segibn.files.writing import write_json, write_text
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.runs.cross_domain import headline, refuse_equal
from segibn.runs.evaluate import circumstances, frames_of, own_set, score_run
from segibn.runs.loading import device_of, load_any
from segibn.runs.ood import format_ood, score_ood
from segibn.runs.outside import NOTHING, Said
from segibn.runs.pictures import grid_sheet
from segibn.runs.trained import CPU, TrainedRun
from segibn.text import counted, did_you_mean, printable

PLOT_FILE = "stress.png"
_SHOWN = 3  # level of the picture, where it is among those that were asked for


@dataclass(frozen=True)
class Change:
    """One appearance of the set."""

    name: str
    level: int | None = None  # of a corruption
    seed: int = 0

    @property
    def preparation(self) -> Preparation | None:
        """What happens to frames before they are scored, and what the signature says of it."""
        if self.name in PAPER:  # the network's input is changed, not the frame
            return Preparation(self.name, lambda _, image, target: (image, target))
        if self.level is None:
            return None
        return Preparation(f"{self.name}{self.level}", lambda name, image, target: (self.of(name, image), target))

    def of(self, frame: str, image: np.ndarray) -> np.ndarray:
        """Change a frame's pixels."""
        return corrupt(self.name, frame, image, level=self.level or _SHOWN, seed=self.seed)


def stress(
    sources: Sequence[str | Path],
    on: tuple[str, DatasetConfig] | None,
    datasets_root: Path,
    output: Path | None = None,
    *,
    corruptions: Sequence[str] = (),
    levels: Sequence[int] | None = None,
    seed: int | None = None,
    metrics: Sequence[str] = (),
    ood: Sequence[Path] = (),
    inference: InferenceConfig = AS_SCORED,
    said: Said = NOTHING,
    device: str | None = None,
) -> str:
    """Score networks under changes of appearance; on every rank, the first writes -> the table.

    ``on``: label and labelled set; None = the first run's own held-out one. ``output``: folder for
    rows, table, chart and picture; None writes none. ``corruptions``: names or groups; () = all.
    ``levels``: of corruptions; None = 1 to 5. ``metrics``: names of ``measures.METRICS``. ``ood``: folders
    of frames with what no network was trained on.
    ConfigError: a change is unknown, or levels or seed would have no effect.
    """
    changes = list(_changes(corruptions, levels, seed))
    for folder in ood:
        find_ood(folder)  # what is missing shows before any work
    unknown: dict[str, Any] = {}
    indices: list[str] = []
    place, runs = device_of(device), [load_any(source, said) for source in sources]
    if on is None:
        own = own_set(runs[0], sources[0])
        on = own.title, own
    label, dataset = on
    refuse_equal(runs, [run.record() for run in runs])
    frames, *_ = [frames_of(run, dataset, datasets_root) for run in runs]
    if distributed.is_main():
        many = counted(len(changes) * len(runs), "evaluation")
        print(f"{many} of {counted(len(frames.samples), 'frame')} each")
    rows: list[dict[str, Any]] = []
    with distributed.process_group(place):
        for run in runs:
            placed = run.asked(inference, place)
            own_rows = [_score(placed, change, dataset, datasets_root, label, metrics) for change in changes]
            conditions = circumstances(place, placed.options) | {"seed": seed or 0}
            if ood and distributed.is_main():
                unknown[run.name] = {folder.name: score_ood(placed.predictor, folder) for folder in ood}
            if index := _bravo(own_rows[0], unknown.get(run.name, {})):
                own_rows[0]["bravo"] = index
                indices.append(f"{run.name}, BRAVO: {', '.join(f'{k} {100 * v:.1f}' for k, v in index.items())}\n")
            rows += own_rows
            run.to(CPU)
    found_ood = [format_ood(found, name) for name, found in unknown.items()]
    table = "\n".join([format_stress(rows), *found_ood, *indices])
    if output is not None and distributed.is_main():
        conditions["frames"] = {label: [sample.name for sample in frames.samples]}
        sample = frames.samples[len(frames.samples) // 2]
        pictures = _pictures(runs[-1], changes, sample.name, read_image(sample.image))
        _write(output, rows, unknown, conditions, table, label)
        write_image(output / "stress.jpg", grid_sheet(pictures))
    return table


def _score(
    run: TrainedRun, change: Change, dataset: DatasetConfig, datasets_root: Path, label: str, metrics: Sequence[str]
) -> dict[str, Any]:
    """Score a network under one change -> a row."""
    shift, measures = PAPER.get(change.name), measured(metrics, run.class_names)
    with shift.on(run.predictor.networks[0]) if shift else nullcontext():
        scores = score_run(run, dataset, datasets_root, measures=measures, prepare=change.preparation)
    found, row = scores.to_dict(), {"transform": change.name, "level": change.level}
    more = {"details": found["details"]} if metrics else {}
    return row | headline(run.record(), label, found, **more)


def _write(
    output: Path, rows: Sequence[Any], unknown: Mapping[str, Any], conditions: Mapping[str, Any], table: str, label: str
) -> None:
    write_json(output / STRESS_FILE, rows)
    if unknown:
        write_json(output / OOD_FILE, unknown)
    write_json(output / CONDITIONS_FILE, conditions)
    write_text(output / "stress.md", table)
    write_image(output / PLOT_FILE, _plot(rows, label))


def _bravo(row: Mapping[str, Any], unknown: Mapping[str, Any]) -> dict[str, float]:
    """Return the BRAVO index of frames as they are; {} where calibration or errors were not measured."""
    details = row.get("details", {})
    if not {"calibration", "errors"} <= details.keys():
        return {}
    semantic = {"miou": row["miou"], "ece": details["calibration"]["ece"], **details["errors"]}
    ood = [scores["max-softmax"] for scores in unknown.values()]  # confidence, as the challenge takes
    is_known = all(value is not None for values in (semantic, *ood) for value in values.values())
    return bravo_index(semantic, ood) if is_known else {}


def _changes(given: Sequence[str], levels: Sequence[int] | None, seed: int | None) -> Iterator[Change]:
    known = [name for names in GROUPS.values() for name in names]
    for name in given:
        if name not in known and name not in GROUPS:
            there = f": there are {', '.join(known)}, and all of {', '.join(GROUPS)}"
            raise ConfigError(f"--corruptions {printable(name)}{did_you_mean(name, [*known, *GROUPS]) or there}")
    named = {part for name in given for part in GROUPS.get(name, (name,))} or set(known)
    for option, value in (("levels", levels), ("seed", seed)):
        if value is not None and not named & set(CORRUPTIONS):
            raise ConfigError(f"--{option} has no effect on {', '.join(given)}")
    yield Change(ORIGINAL)
    for name in (name for name in known if name in named):
        for level in [None] if name in PAPER else levels or LEVELS:
            yield Change(name, level, seed or 0)


def _pictures(run: TrainedRun, changes: Sequence[Change], frame: str, image: np.ndarray) -> dict[str, np.ndarray]:
    """One frame under every change, at the level in the middle."""
    levels = [change.level for change in changes if change.level is not None]
    level = _SHOWN if _SHOWN in levels else max(levels, default=_SHOWN)
    shown = {}
    for change in changes:
        if change.name in PAPER:
            shown[change.name] = PAPER[change.name].picture(image, run.preprocessing.mean)
        elif change.level in (None, level):
            shown[change.name] = change.of(frame, image) if change.level else image
    return shown


def _plot(rows: Sequence[Mapping[str, Any]], label: str) -> np.ndarray:
    cells = group_stress(rows)
    titles = network_titles(cells)
    names = [name for name in dict.fromkeys(row["transform"] for row in rows) if name != ORIGINAL]
    bars = {
        titles[network]: [(100 * found[name].drop.mean, 100 * found[name].drop.deviation) for name in names]
        for network, found in cells.items()
    }
    return pixels(bar_chart(bars, names, f"points of mIoU lost on {label}"))
