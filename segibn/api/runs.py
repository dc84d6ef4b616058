"""Runs by name: which trained networks are on this machine, and which one a name means.

In: folders of runs, ``./runs`` and those of SEGIBN_RUNS (several are separated as in PATH). Out:
names such as "gta5_ibn", or "demo/runs/sample_ibn_seed0" for a run inside a study's folder.
"""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from segibn.config.shipped import shipped_configs
from segibn.errors import CheckpointError

_LAST = Path("checkpoints") / "last.pt"
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
    """Return the names that ``load`` knows: trained runs below ./runs and SEGIBN_RUNS.

    What ``build`` knows are the shipped configs: ``list_configs``.
    """
    return list(find_runs())


def list_configs() -> list[str]:
    """Return the shipped configs that ``build`` and ``segibn train`` know by name."""
    parts = ("base", "inference")  # no runs: parents of others, and recipes for test time
    return [name for name in shipped_configs() if not set(name.split("/")[:-1]) & set(parts)]


def resolve_run(name: str) -> Path:
    """Return the folder of the run that a name means.

    Args:
        name: a name of ``find_runs``, or the end of one, such as "sample_ibn_seed0".

    Raises:
        CheckpointError: none or several; the message says which there are, and for a shipped
            config how to train it or to build it untrained.
    """
    runs = find_runs()
    if name in runs:
        return runs[name]
    ends = [key for key in runs if key.endswith(f"/{name}")]
    if len(ends) == 1:
        return runs[ends[0]]
    if ends:
        raise CheckpointError(f"'{name}' could be {_listed(ends)}; say which")
    inside = [key for key in runs if key.startswith(f"{name}/")]
    if inside:
        raise CheckpointError(f"'{name}' is a folder of runs, not one: say {_listed(inside)}")
    raise CheckpointError(_nothing_called(name, list(runs)))


def runs_inside(folder: Path) -> list[str]:
    """Return the runs inside a folder that is none itself, as paths."""
    return [str(run) for run in _runs_below(folder, _DEPTH)]


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


def _nothing_called(name: str, runs: list[str]) -> str:
    places = " or ".join(str(folder) for folder in run_folders())
    there = f"there are {_listed(runs)}" if runs else "there is no trained run"
    if name in list_configs():
        return (
            f"'{name}' is a config that ships with segibn, and no run in {places} has its name "
            f"({there}). Train it: segibn train {name} --datasets DIR; or build it untrained: "
            f"segibn.build('{name}')"
        )
    last = {run.rsplit("/", 1)[-1]: run for run in reversed(runs)}
    close = difflib.get_close_matches(name, [*last, *list_configs()], n=1)
    hint = f"did you mean '{last.get(close[0], close[0])}'? " if close else ""
    return (
        f"no run or checkpoint '{name}': {hint}In {places} {there}. Give such a name, a run folder "
        "(runs/gta5_ibn) or a file (.pt); SEGIBN_RUNS names other folders of runs"
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
