"""All results of a folder as one page: a table for each way of measuring, which never mix.

Rows of ``cross-domain`` and files of ``evaluate`` in; networks over their seeds out. Published rows
stand, marked, in the table of the protocol that they are of.
"""

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from segibn.errors import SegibnError
from segibn.evaluation.metrics import POLICIES, compute_miou
from segibn.evaluation.protocols import PROTOCOLS
from segibn.evaluation.published import NAMED_PROTOCOLS, PUBLISHED_ROWS
from segibn.evaluation.results import CONDITIONS_FILE
from segibn.evaluation.rows import Network, Row, Seeds, check_rows, gather
from segibn.evaluation.signatures import MEANING, parse_signature
from segibn.files.writing import atomic_path, read_json
from segibn.report.templates import page_head, render

_ASIDE = ("set", "n", "res", "v", "checkpoint")  # fields of a signature that may differ in a table


@dataclass(frozen=True)
class Line:
    """A network in a table."""

    train: str
    network: str
    cells: Mapping[str, Seeds]  # by column
    seeds: int
    files: tuple[str, ...]  # below the folder; of a published row what it was quoted from
    card: str = ""  # model card beside the results
    is_published: bool = False
    year: int | None = None  # it was measured in, the latest of its files; of a published row its paper's


@dataclass(frozen=True)
class Table:
    """Networks that were measured alike."""

    protocol: str  # "" = none was named
    conditions: Mapping[str, str]  # fields of the signatures, as they agree
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def notes(self) -> list[str]:
        """What the conditions mean, a line for each."""
        return [f"{key} {value}: {MEANING.get(key, key)}" for key, value in self.conditions.items()]


def check_result(path: Path) -> list[Row]:
    """Read the rows of a file and hold each against what it rests on; SegibnError names a fault.

    mIoU and pixel accuracy have to follow from the confusion, the signature has to say as many
    frames and classes, and as many frames are named in ``conditions.json`` beside it.
    """
    content = read_json(path)
    rows = content if isinstance(content, list) else [_row_of(content, path)]
    check_rows(rows, str(path), ("signature", "num_images", "class_names", "confusion"))
    conditions = path.with_name(CONDITIONS_FILE)
    named = read_json(conditions).get("frames", {}) if conditions.is_file() else {}
    for number, row in enumerate(rows, start=1):
        if fault := _fault(row, named.get(row["test"])):
            raise SegibnError(f"{path}: row {number} {fault}")
    return rows


def take_in(file: Path, folder: Path, name: str) -> int:
    """Check a file and copy it, with its conditions, to a new folder -> how many rows it has."""
    rows, target = check_result(file), folder / name
    if Path(name).name != name or name in (".", ".."):
        raise SegibnError(f"--as {name}: write the name of a folder, without a path")
    if target.exists():
        raise SegibnError(f"{target} is there already; give it another name by --as")
    for path in (file, file.with_name(CONDITIONS_FILE)):
        if path.is_file():
            with atomic_path(target / path.name) as copy:
                shutil.copyfile(path, copy)
    return len(rows)


def _fault(row: Row, frames: Sequence[str] | None) -> str:
    said, classes = parse_signature(row["signature"]), len(row["class_names"])
    try:
        confusion = np.array(row["confusion"], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return "has a confusion that is no table of numbers"
    if confusion.shape != (classes, classes + 1) or (confusion < 0).any() or not confusion.sum():
        return f"has a confusion of {confusion.shape} for {classes} classes"
    if said.get("K") != str(classes) or said.get("n") != str(row["num_images"]):
        return f"has a signature of other classes or frames than its own: {row['signature']}"
    way = said.get("absent"), said.get("void-pred")
    policy = next((name for name, p in POLICIES.items() if (p.absent, p.void_prediction) == way), None)
    if policy is None:
        return f"has a signature of no known way to average: {row['signature']}"
    miou = compute_miou(confusion, policy)
    if not abs(miou - row["miou"]) < 1e-6:
        return f"says mIoU {row['miou']:.6f}, but its confusion {miou:.6f}"
    if frames is not None and len(set(frames)) != row["num_images"]:
        return f"names {len(set(frames))} frames of {row['test']} and counts {row['num_images']}"
    return ""


def _row_of(content: Any, path: Path) -> Row:
    """A file of ``evaluate`` as a row of the set that it is of."""
    if not isinstance(content, dict) or "signature" not in content:
        raise SegibnError(f"{path} has no rows of segibn cross-domain and no scores of evaluate")
    said = parse_signature(str(content["signature"]))
    about = {"train": "not stated", "network": path.stem, "ibn": "", "seed": None}
    return {**about, **content, "test": said.get("set")}


def read_tables(folder: Path) -> tuple[list[Table], list[str]]:
    """Read every result below a folder -> tables, those of a protocol first; what was left out."""
    rows: list[dict[str, Any]] = []
    left: list[str] = []
    for path in sorted(folder.rglob("*.json")):
        try:
            content = read_json(path)
            is_scores = isinstance(content, dict) and "confusion" in content
            is_rows = isinstance(content, list) and content and isinstance(content[0], dict)
            # rows of other tables than that of domains have a "transform" or a "way"
            if is_scores or (is_rows and not {"transform", "way"} & set(content[0])):
                name = path.relative_to(folder).as_posix()
                day = _date(content, path)
                rows += [{**row, "file": name, "date": day, "column": _column(row)} for row in check_result(path)]
        except SegibnError as error:
            left.append(str(error))
    groups = gather(rows, _conditions, "column")
    tables = [_table(dict(key), by_test, folder) for key, by_test in groups.items()]
    return sorted(tables, key=lambda table: (not table.protocol, table.protocol)), left


def _date(content: Any, path: Path) -> str:
    """The day of a result, of its own or of the conditions beside it; "" where neither tells."""
    beside = path.with_name(CONDITIONS_FILE)
    said = content if isinstance(content, dict) else read_json(beside) if beside.is_file() else {}
    day = said.get("date") if isinstance(said, dict) else None
    return day if isinstance(day, str) and re.match(r"\d{4}-", day, re.ASCII) else ""


def _conditions(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((k, v) for k, v in parse_signature(row["signature"]).items() if k not in _ASIDE)


def _column(row: Row) -> str:
    """The set, as the signature has it, and how many frames of it."""
    said = parse_signature(row["signature"])
    return f"{said.get('set')} ({said.get('n')})"


def _table(conditions: dict[str, str], by_column: Mapping[str, Sequence[Row]], folder: Path) -> Table:
    protocol = conditions.pop("protocol", "")
    cells: dict[tuple[Network, str], dict[str, list[Row]]] = {}
    for column, rows in by_column.items():
        for row in rows:
            key = Network.of(row), str(row.get("head") or "")
            cells.setdefault(key, {}).setdefault(column, []).append(row)
    lines = []
    for (network, head), found in cells.items():
        files = tuple(dict.fromkeys(row["file"] for rows in found.values() for row in rows))
        scores = {column: Seeds(row["miou"] for row in rows) for column, rows in found.items()}
        title = f"{network.title}, {head}" if head else network.title
        years = [int(row["date"][:4]) for rows in found.values() for row in rows if row["date"]]
        seeds, card = max(map(len, scores.values())), _card(folder, files)
        lines.append(Line(network.train, title, scores, seeds, files, card, year=max(years, default=None)))
    columns = tuple(sorted(by_column))
    if protocol in PROTOCOLS and "deviates" not in conditions:
        lines += _published(protocol, columns)
    lines.sort(key=lambda line: line.cells[columns[0]].mean if columns[0] in line.cells else -1)
    return Table(protocol, conditions, columns, tuple(reversed(lines)))


def _card(folder: Path, files: Iterable[str]) -> str:
    """A model card beside the first file that has one."""
    for file in files:
        for card in sorted((folder / file).parent.glob("*.md")):
            if card.read_text(encoding="utf-8", errors="replace").startswith("---\n"):
                return card.relative_to(folder).as_posix()
    return ""


def _published(protocol: str, columns: Sequence[str]) -> list[Line]:
    """Published rows of a protocol on the sets of its columns."""
    sets = {test.label: f"{test.dataset}-{test.split}" for test in PROTOCOLS[protocol].tests}
    lines = []
    for row in PUBLISHED_ROWS:
        if NAMED_PROTOCOLS.get(row.protocol) != protocol:
            continue
        values = {sets.get(label, label): value for label, value in row.miou_percent.items()}
        cells = {
            column: Seeds([values[name] / 100])
            for column in columns
            if (name := column.partition(" ")[0].partition("~")[0]) in values
        }
        if cells:
            lines.append(Line(row.train, row.title, cells, 1, (row.source,), is_published=True, year=row.year))
    return lines


def build_leaderboard(folder: Path, title: str, base: Path) -> str:
    """Return the page, for a folder ``base``; SegibnError: there is no result in the folder."""
    tables, left = read_tables(folder)
    if not tables:
        raise SegibnError(": ".join([f"{folder}: no results of segibn cross-domain or evaluate", *left[:1]]))
    return render(
        "leaderboard.html",
        title=title,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        **page_head(("page.css", "charts.css", "leaderboard.css"), ("leaderboard.js",)),
        tables=tables,
        link=lambda file: Path(os.path.relpath((folder / file).resolve(), base)).as_posix(),
        protocols=PROTOCOLS,
        left=left,
    )
