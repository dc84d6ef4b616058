"""What a report is given, sorted out: run folders, scores files, studies, comparisons. No torch.

Whatever a run lacks becomes a note; only a path that is nothing of this kind is an error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from segibn.config.load import load_config
from segibn.errors import SegibnError
from segibn.evaluation.results import CONDITIONS_FILE, OOD_FILE, ROWS_FILE, STRESS_FILE
from segibn.evaluation.rows import check_rows
from segibn.evaluation.scores import Scores
from segibn.evaluation.stress import STRESS_KEYS
from segibn.files.writing import read_json, sha256_of
from segibn.report.content import CrossDomain, Report, Source, Stressed
from segibn.report.curve import read_curve
from segibn.runs.find import find_checkpoint, run_of
from segibn.text import printable

T = TypeVar("T")

_RUN_FILES = ("config.yaml", "metrics.jsonl", "checkpoints/last.pt")


def read_inputs(paths: Sequence[Path]) -> Report:
    """Read all paths; scores files join the runs whose checkpoint they are of. SegibnError: one is none of these."""
    found, loose = Report(), []
    for path in paths:
        if path.is_dir() or path.suffix != ".json":
            _add_folder(found, path if path.is_dir() else run_of(find_checkpoint(path)) or path)
        else:
            loose += _add_file(found, path)
    for source in loose:
        _join(found.runs, source)
    titles = [run.title for run in found.runs]
    for run in found.runs:  # those of equal names get longer ones
        if titles.count(run.title) > 1:
            run.title = str(run.folder or run.scores_file)
            run.curve = run.curve and replace(run.curve, title=run.title)
    return found


def _add_folder(found: Report, folder: Path) -> None:
    """A run folder, or a study: a table and the run folders below it."""
    if _is_run(folder):
        found.runs.append(read_run(folder))
        return
    parents = [parent for parent in (folder, folder / "runs") if parent.is_dir()]
    inside = [path for parent in parents for path in sorted(parent.iterdir()) if _is_run(path)]
    tables = [path for name in (ROWS_FILE, STRESS_FILE) if (path := folder / name).is_file()]
    if not inside and not tables:
        raise SegibnError(
            f"{folder}: neither a run folder ({', '.join(_RUN_FILES)}) nor a study ({ROWS_FILE}, {STRESS_FILE}, "
            "or run folders in it)"
        )
    for table in tables:
        _add_file(found, table)
    # in the order of the study's rows; behind all of them those that are in none
    rows = [row for table in found.tables for row in table.rows]
    order = [(row.get("config"), row.get("seed")) for row in rows]

    def place(run: Source) -> int:
        own = None if run.config is None else (run.config.name, run.config.seed)
        return order.index(own) if own in order else len(order)

    found.runs += sorted(map(read_run, inside), key=place)


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _RUN_FILES)


def _add_file(found: Report, path: Path) -> list[Source]:
    """Add the table or the comparisons of a JSON file; scores are returned."""
    content = read_json(path)
    is_table = isinstance(content, list) and all(isinstance(row, dict) for row in content)
    if is_table and all("transform" in row for row in content):
        check_rows(content, printable(path), STRESS_KEYS)
        beside = path.with_name(OOD_FILE)
        unknown = read_json(beside) if beside.is_file() else {}
        found.stressed.append(Stressed(content, unknown if isinstance(unknown, dict) else {}))
        return []
    if is_table:
        check_rows(content, printable(path))
        beside = path.with_name(CONDITIONS_FILE)
        conditions = read_json(beside) if beside.is_file() else {}
        conditions = conditions if isinstance(conditions, dict) else {}
        note = str(conditions.get("published_note") or "")
        found.tables.append(CrossDomain(content, conditions.get("dataset_of") or {}, note))
        return []
    if isinstance(content, dict) and isinstance(content.get("comparisons"), list):
        found.comparisons += content["comparisons"]
        return []
    if isinstance(content, dict) and "confusion" in content:
        return [Source(path.stem, record=content, scores=Scores.from_dict(content, str(path)), scores_file=path)]
    raise SegibnError(
        f"{path}: no scores of `segibn evaluate --output` or `segibn score --output`, no "
        f"{ROWS_FILE} of `segibn cross-domain`, no {STRESS_FILE} of `segibn stress` and no file of "
        "`segibn compare --output`"
    )


def read_run(folder: Path) -> Source:
    """Read what a run folder holds; nothing of it has to be there."""
    source = Source(folder.resolve().name, folder=folder)
    notes, config = source.notes, folder / "config.yaml"
    source.config = _attempt(notes, "The config of the run cannot be used: {}", load_config, config)
    source.environment = _optional_json(folder / "environment.json", notes)
    source.curve = _attempt(notes, "No learning curve: {}.", read_curve, folder, source.title)
    own = None if source.config is None else source.config.data.val
    wanted = None if own is None else own.title.replace(":", "-")
    found = []
    for path in sorted((folder / "scores").glob("*.json")):
        content = _optional_json(path, notes)
        scores = _attempt(notes, "{}", Scores.from_dict, content, str(path))
        if scores is not None:
            found.append((scores.conditions.evaluation_set != wanted, path, content, scores))
    if found:  # those of data.val first
        _, source.scores_file, source.record, source.scores = min(found, key=lambda one: one[0])
    return source


def _attempt(notes: list[str], note: str, read: Callable[..., T], *given: Any) -> T | None:
    """Read something; None and a note where that fails."""
    try:
        return read(*given)
    except SegibnError as error:
        notes.append(note.format(error))
    return None


def _optional_json(path: Path, notes: list[str]) -> Mapping[str, Any]:
    content = _attempt(notes, "{}", read_json, path) if path.is_file() else None
    return content if isinstance(content, dict) else {}


def _join(runs: list[Source], given: Source) -> None:
    """Put scores to the run that they are of: in place of its own on the same set, or beside."""
    digest = given.record.get("checkpoint_sha256")
    assert given.scores is not None
    for run in runs:
        if digest is None or run.checkpoint is None or sha256_of(run.checkpoint) != digest:
            continue
        name = given.scores.conditions.evaluation_set
        if run.scores is None or run.scores.conditions.evaluation_set == name:
            run.scores, run.record, run.scores_file = given.scores, given.record, given.scores_file
        else:
            given.title = f"{run.title} on {name}"
            given.folder, given.config, given.curve = run.folder, run.config, run.curve
            given.environment = run.environment
            runs.insert(runs.index(run) + 1, given)
        return
    runs.append(given)
