"""Scores of the rows of a shift -> rows with intervals, and their file `<shift>.json`.

Every run keeps its scores, frame by frame, in its own folder: `selection/` and `report/`. A folder
that has the one is never read for the other where settings could have been chosen on its target.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.generalisation_plan import METHODS, PLAIN, SHIFTS, Shift
from benchmarks.seed_intervals import SeedScores, mean_of_sets, seed_scores
from segibn import provenance
from segibn.builders.sets import index_dataset
from segibn.config.data import DatasetConfig
from segibn.devices import default_device
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.resampling import Resampling
from segibn.evaluation.scores import Scores
from segibn.files.writing import read_json, write_json
from segibn.runs.evaluate import score_run
from segibn.runs.loading import load_checkpoint
from segibn.runs.trained import TrainedRun

OTHER = {"selection": "report", "report": "selection"}


@dataclass
class Reading:
    """What was read of a shift: every row's runs on every set of one part.

    Attributes:
        name: of the shift.
        part: "selection" or "report".
        root: the data sets' root.
        resamples: of the frames.
        settings: config values of every row, from the command line.
        runs: row -> one record for each seed, in their order.
        scores: row -> label -> scores of each seed.
    """

    name: str
    part: str
    root: Path
    resamples: int = 10_000
    settings: Sequence[str] = ()
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    scores: dict[str, dict[str, list[Scores]]] = field(default_factory=dict)
    frames: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shift(self) -> Shift:
        """The entry of the plan."""
        return SHIFTS[self.name]

    def add(self, row: str, folder: Path) -> None:
        """Score one run on every set of the part, or take the scores that its folder has.

        Raises:
            SegibnError: its frames are not those of the runs before it.
        """
        run = load_checkpoint(folder)
        record = run.record()
        self.runs.setdefault(row, []).append(record)
        if record["train"] not in self.frames:
            samples = index_dataset(run.config.data.train, self.root)
            self.frames[record["train"]] = [sample.name for sample in samples]
        for label, dataset in self.shift.sets(self.part).items():
            scores = self._score(run, record["checkpoint_sha256"], folder, dataset)
            frames = list(scores.frame_counts.names)
            if self.frames.setdefault(label, frames) != frames:
                raise SegibnError(f"{folder} was scored on other frames of {label} than the others")
            self.scores.setdefault(row, {}).setdefault(label, []).append(scores)

    def _score(self, run: TrainedRun, sha256: str, folder: Path, dataset: DatasetConfig) -> Scores:
        file = scores_file(folder, self.part, dataset)
        made_of = {"checkpoint_sha256": sha256, "datasets": str(self.root.resolve())}
        if file.is_file():
            content = read_json(file)
            if made_of.items() <= content.items():
                return Scores.from_dict(content, str(file))
        scores = score_run(run.to(default_device()), dataset, self.root)
        write_json(file, scores.to_dict(made_of))
        return scores

    def describe_last(self, row: str) -> str:
        """One line: the scores of the run that was added last, in per cent."""
        numbers = [f"{label} {100 * scores[-1].miou:.1f}" for label, scores in self.scores[row].items()]
        return f"{self.name} {row} seed {self.runs[row][-1]['seed']}: {', '.join(numbers)}"

    def seed_scores(self) -> dict[str, dict[str, SeedScores]]:
        """Row -> label -> scores over seeds and frames; "target" is the mean over the targets."""
        how, targets = Resampling(resamples=self.resamples), self.shift.targets(self.part)
        found: dict[str, dict[str, SeedScores]] = {}
        for row, by_label in self.scores.items():
            found[row] = {
                label: seed_scores(
                    np.stack([one.frame_counts.counts for one in scores]),
                    self.shift.policy,
                    replace(how, seed=how.seed + place),  # frames of other sets: other draws
                )
                for place, (label, scores) in enumerate(by_label.items())
            }
            if targets:
                found[row]["target"] = mean_of_sets([found[row][label] for label in targets])
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the results file."""
        scores, conditions = self.seed_scores(), _conditions()
        return [
            {
                "row": row,
                "title": METHODS[row].title,
                "paper": METHODS[row].paper,
                "on": METHODS[row].on,
                "overrides": [*METHODS[row].overrides, *self.shift.adjusted.get(row, ())],
                "settings": list(self.settings),
                "seeds": [run["seed"] for run in self.runs[row]],
                "scores": {label: _summary(row, label, scores) for label in scores[row]},
                "runs": self._runs_of(row),
                **conditions,
            }
            for row in self.scores
        ]

    def _runs_of(self, row: str) -> list[dict[str, Any]]:
        """One entry for each seed and set: what the row's numbers rest on.

        A line of the confusion is one string: as numbers, each would get a line of the file.
        """
        kept = ("signature", "num_images", "pixel_accuracy", "iou")
        entries = []
        for label, scores in self.scores[row].items():
            for run, one in zip(self.runs[row], scores, strict=True):
                content = one.to_dict()
                entries.append(
                    {"test": label, "seed": run["seed"]}
                    | {key: content[key] for key in kept}
                    | {key: run[key] for key in ("iteration", "checkpoint_sha256")}
                    | {"confusion": [" ".join(map(str, line)) for line in content["confusion"]]}
                )
        return entries


def _summary(row: str, label: str, scores: Mapping[str, Mapping[str, SeedScores]]) -> dict[str, Any]:
    """Mean, spread and interval of a row on a set; what it adds to plain, and to its own base."""
    own, base = scores[row][label], METHODS[row].on
    found = _numbers(own) | {"std": own.std}
    if row != PLAIN:
        found["over_plain"] = _numbers(own - scores[PLAIN][label])
    if base not in (None, PLAIN):
        found["over_base"] = _numbers(own - scores[base][label])
    return found


def _numbers(scores: SeedScores) -> dict[str, Any]:
    return {"miou": scores.miou.tolist(), "mean": scores.mean, "interval": scores.interval()}


def scores_file(folder: Path, part: str, dataset: DatasetConfig) -> Path:
    """Return where a run keeps its scores on a set of a part."""
    return folder / part / f"{re.sub('[^A-Za-z0-9_.+@-]', '_', dataset.title)}.json"


def require_other_seeds(name: str, part: str, seeds: Sequence[int], output: Path, results: Path | None) -> None:
    """Refuse seeds that were read for the other part, in run folders or in the results file.

    A shift whose selection has no target has nothing that its report could be chosen on.

    Raises:
        ConfigError: a seed was used for the other part.
    """
    shift, other = SHIFTS[name], OTHER[part]
    if not shift.targets("selection"):
        return
    used = {
        seed
        for seed in seeds
        for label in shift.targets(other)
        for folder in output.glob(f"{name}_*_seed{seed}")
        if scores_file(folder, other, shift.sets(other)[label]).is_file()
    }
    if results is not None:
        rows = _read_results(results / f"{name}.json").get("parts", {}).get(other, {})
        used |= {seed for row in rows.get("rows", ()) for seed in row["seeds"] if seed in seeds}
    if used:
        raise ConfigError(
            f"--read {part}: seed{'s' if len(used) > 1 else ''} "
            f"{', '.join(map(str, sorted(used)))} of {name} were read for {other}; settings are "
            "chosen with some seeds and reported with others. Give other --seeds"
        )


def write_results(reading: Reading, options: argparse.Namespace) -> Path:
    """Write the rows into `<shift>.json`, in place of those of the same names; others stay."""
    path = options.results / f"{reading.name}.json"
    content = _read_results(path) or _head(reading)
    parts = content["parts"]
    before = parts.get(reading.part, {}).get("rows", [])
    rows = {row["row"]: row for row in [*before, *reading.rows()]}
    if reading.part == "report":
        chosen = {row["row"]: row["seeds"] for row in parts.get("selection", {}).get("rows", [])}
        for name, row in rows.items():
            row["selection_seeds"] = chosen.get(name, [])
    order = {name: place for place, name in enumerate(METHODS)}
    parts[reading.part] = {
        "targets": list(reading.shift.targets(reading.part)),
        "policy": reading.shift.policy,
        "resampling": asdict(Resampling(resamples=reading.resamples)),
        "frames": reading.frames,
        "rows": sorted(rows.values(), key=lambda row: order.get(row["row"], len(order))),
    }
    write_json(path, content)
    return path


def _head(reading: Reading) -> dict[str, Any]:
    shift = reading.shift
    return {
        "kind": "generalisation",
        "shift": reading.name,
        "title": shift.title,
        "config": shift.config,
        "source": shift.source,
        "parts": {},
    }


def _read_results(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _conditions() -> dict[str, Any]:
    return {**provenance.origin()}
