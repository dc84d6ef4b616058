"""Trained runs: names, folders and files -> the checkpoint that is meant. No torch.

A name is that of a folder below ``./runs`` or one of SEGIBN_RUNS (several as in PATH).
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from segibn.config.shipped import shipped_configs, shipped_networks
from segibn.errors import CheckpointError
from segibn.text import did_you_mean, listed, printable

_LAST = Path("checkpoints") / "last.pt"
MODEL_FILES = (".pt", ".pth", ".safetensors", ".onnx", ".pt2")
_DEPTH = 4  # folders below a folder of runs: demo/runs/sample_ibn_seed0, with one to spare


def run_folders() -> list[Path]:
    """Return the folders that are searched for runs, those of SEGIBN_RUNS first."""
    given = [Path(text) for text in os.environ.get("SEGIBN_RUNS", "").split(os.pathsep) if text]
    return [*given, Path("runs")]


def find_runs() -> dict[str, Path]:
    """Find every trained run: name -> run folder, sorted; the first of equal names counts."""
    found: dict[str, Path] = {}
    for root in run_folders():
        for folder in _runs_below(root, _DEPTH):
            found.setdefault(folder.relative_to(root).as_posix(), folder)
    return dict(sorted(found.items()))


def list_models() -> list[str]:
    """Return the names that ``load`` knows: shipped networks, runs below ./runs and SEGIBN_RUNS."""
    return [*shipped_networks(), *find_runs()]


def list_configs() -> list[str]:
    """Return the shipped configs that ``build`` and ``segibn train`` know by name."""
    parts = {"base", "inference"}  # no runs: parents of others, and inference configs
    return [name for name in shipped_configs() if not parts.intersection(name.split("/")[:-1])]


def find_checkpoint(source: str | Path) -> Path:
    """Return the checkpoint that a file, a run folder (its last) or a name means.

    A path that is there comes first, then a shipped network; of a run's name the end is enough,
    such as "sample_ibn_seed0". CheckpointError: there is none; the message says what there is.
    """
    path = Path(source)
    if path.is_dir():
        return _last_of(path)
    if path.exists():
        return path
    if shipped := shipped_networks().get(str(source)):
        return shipped
    if path.is_absolute() or path.suffix in MODEL_FILES:
        raise CheckpointError(f"no run or checkpoint {printable(path)}{_beside(path)}")
    return _run_called(str(source)) / _LAST


def run_of(checkpoint: Path) -> Path | None:
    """Return the run folder that a checkpoint lies in; None for a file of its own."""
    folder = checkpoint.absolute().parent
    return checkpoint.parent.parent if folder.name == _LAST.parent.name else None


def datasets_of(folder: Path | None) -> Path | None:
    """Return the data sets' folder that a run was trained on, where it is there."""
    if folder is not None:
        with suppress(OSError, ValueError, LookupError, TypeError):
            path = Path(json.loads((folder / "environment.json").read_text(encoding="utf-8"))["datasets"])
            return path if path.is_dir() else None
    return None


def _last_of(folder: Path) -> Path:
    last, name = folder / _LAST, printable(folder)
    if last.is_file():
        return last
    if folder.name == _LAST.parent.name and (folder / _LAST.name).is_file():
        raise CheckpointError(f"{name} lies inside a run; give the run, {printable(folder.parent)}")
    if inside := [printable(run) for run in _runs_below(folder, _DEPTH)]:
        raise CheckpointError(f"{name} is a folder of runs, not one: give {listed(inside, 8)}")
    files = [printable(file) for file in sorted(last.parent.glob("*.pt"))]
    instead = f"; it has {listed(files, 8)}" if files else ""
    raise CheckpointError(f"{name} is no run folder: it has no {_LAST}{instead}")


def _beside(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {printable(path.parent)}"
    return did_you_mean(path.name, (printable(each.name) for each in path.parent.iterdir())) or (
        "; give a run folder (such as runs/gta5_ibn), the name of a run or a file (.pt)"
    )


def _run_called(given: str) -> Path:
    runs, name = find_runs(), given
    for root in run_folders():  # runs/gta5_inb is looked for as gta5_inb
        name = name.removeprefix(f"{root.as_posix()}/")
    ends = [name] if name in runs else [key for key in runs if key.endswith(f"/{name}")]
    if len(ends) == 1:
        return runs[ends[0]]
    if ends:
        raise CheckpointError(f"'{name}' could be {listed(ends, 8)}; say which")
    if inside := [key for key in runs if key.startswith(f"{name}/")]:
        raise CheckpointError(f"'{name}' is a folder of runs, not one: say {listed(inside, 8)}")
    raise CheckpointError(_nothing_called(printable(name), list(runs), printable(given)))


def _runs_below(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the run folders below a folder, in order; a run has none inside."""
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
    for path in inside:
        if (path / _LAST).is_file():
            yield path
        elif depth > 1 and not path.is_symlink():
            yield from _runs_below(path, depth - 1)


def _nothing_called(name: str, runs: list[str], given: str) -> str:
    places = " or ".join(printable(folder) for folder in run_folders())
    runs = [printable(run) for run in runs]
    there = f"there are {listed(runs, 8)}" if runs else "there is no trained run"
    if name in list_configs():
        return (
            f"'{name}' is a config that ships with segibn, and no run in {places} has its name "
            f"({there}). Train it: segibn train {name} --datasets DIR; or build it untrained: "
            f"segibn.build('{name}')"
        )
    last = {run.rsplit("/", 1)[-1]: run for run in reversed(runs)}
    last |= {printable(run.name): printable(run) for run in _runs_below(Path(given).parent, 1)}
    names = [*last, *shipped_networks(), *list_configs()]
    close = did_you_mean(Path(name).name, names) or did_you_mean(name, runs)
    for word, full in last.items():
        close = close.replace(f"'{word}'", f"'{full}'")
    return (
        f"no run or checkpoint '{given}'{close or '.'} In {places} {there}. Give such a name, a "
        "run folder (runs/gta5_ibn) or a file (.pt); SEGIBN_RUNS names other folders of runs"
    )
