"""Checks of data sets: all that training would read; printed, and written as JSON. No torch."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from segibn.builders.sets import build_label_set, find_dataset, target_paths
from segibn.config.data import DatasetConfig
from segibn.config.load import load_config
from segibn.data.check import SplitReport, check_split
from segibn.data.datasets.catalog import dataset_source
from segibn.data.overlap import copies, overlap
from segibn.data.samples import Pairing, SplitAbsentError
from segibn.errors import DatasetError, ImageFileError
from segibn.files.folders import collect_passed_over
from segibn.files.writing import write_json
from segibn.labels.drivable_encoding import Decision, decide_drivable_encoding
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.runs.contact_sheet import write_sheet
from segibn.runs.sets import changed_set, named_set
from segibn.text import printable_lines
from segibn.text.progress import FrameProgress

_SHOWN = 10  # of each mistake; the JSON report has all of them

Sets = Sequence[DatasetConfig]
Progress = Callable[[int, int], None]
SetsAndSources = list[tuple[DatasetConfig, Sets]]
"""Sets to check, each with the training sets that it may share no frame with."""


def sets_of_config(config: str, split: str | None, datasets_root: Path) -> SetsAndSources:
    """Return the data sets of a config, or a split of the one that it trains on."""
    data = load_config(config).data
    if split is not None:
        return [(changed_set(data.sources[0], datasets_root, split=split), ())]
    named = [dataset for dataset in (*data.sources, data.val) if dataset is not None]
    return [(dataset, data.sources if dataset == data.val else ()) for dataset in named]


def official_sets(name: str, split: str | None, datasets_root: Path, **values: str | None) -> SetsAndSources:
    """Return a split of an official data set, or all that are there; values as ``named_set``."""
    whole = named_set(name, split=split, **values)
    if split is not None:
        return [(whole, ())]
    present = splits_present(name, datasets_root, whole.encoding)
    return [(whole.model_copy(update={"split": one}), ()) for one in present]


def check_sets(
    sets: SetsAndSources, datasets_root: Path, jobs: int, report: Path | None = None, page: Path | None = None
) -> bool:
    """Check data sets, print what was found, write it to ``report`` and ``page``; whether nothing is wrong."""
    reports = []
    for dataset, sources in sets:
        with FrameProgress(dataset.title, 0) as progress:
            found = check_dataset(dataset, datasets_root, jobs, progress, sources)
        _print_report(found, Console(highlight=False))
        reports.append(found)
    if report is not None:
        write_json(report, [found.to_dict() for found in reports])
        print(f"report written to {report}")
    if page is not None:
        write_sheet(page, reports, " and ".join(dict.fromkeys(found.dataset for found in reports)))
        print(f"page to look at: {page}")
    return all(found.ok for found in reports)


def splits_present(name: str, root: Path, encoding: str = "auto") -> list[str]:
    """Return the splits of a public data set of which something is there; an error if none is."""
    present: list[str] = []
    first_error: DatasetError | None = None
    source = dataset_source(name)
    for split in (one for one in source.splits if one not in source.overlapping):
        try:
            pairing = find_dataset(DatasetConfig(name=name, split=split, encoding=encoding), root)
        except SplitAbsentError as error:
            first_error = first_error or error
            continue
        if pairing.samples or pairing.orphans:
            present.append(split)
    if not present:
        raise first_error or DatasetError(f"{name}: no frames in any split under {root}")
    return present


def check_dataset(
    dataset: DatasetConfig, root: Path, jobs: int, progress: Progress, trained_on: Sets = ()
) -> SplitReport:
    """Check one split of a data set; DatasetError: its folders are not there.

    ``trained_on``: the sources of a training that it validates; no frame may be in both.
    """
    with collect_passed_over() as passed_over:
        pairing = find_dataset(dataset, root)
    label_set, decided, problem = _label_set(dataset, pairing)
    split = dataset.split_title
    report = check_split(dataset.name, split, pairing, label_set, jobs=jobs, progress=progress)
    report.passed_over = [str(one) for one in passed_over]
    if decided is not None:
        report.encoding = f"that of {decided.encoding}"
        if decided.doubt:
            place = report.problems if decided.is_contradicted else report.notes
            place.append(f"warning: {decided.doubt}")
    if problem:
        report.encoding = "cannot be told"
        report.problems.append(problem)
    sources = [find_dataset(source, root).samples for source in trained_on]
    with contextlib.suppress(DatasetError):  # a frame that is not there is listed as unreadable
        if shared := overlap(sources, pairing.samples):
            report.problems.append(shared)
        else:
            report.notes += copies(sources, pairing.samples)
    if label_set is not None:
        _judge_classes(report, label_set, dataset)
    return report


def _judge_classes(report: SplitReport, label_set: LabelSet, dataset: DatasetConfig) -> None:
    """Say whether nothing is labelled; of a user's own set also which classes have no pixel."""
    seen = {int(label_set.lookup[value]) for value in report.values if label_set.lookup[value] >= 0}
    if report.values and not seen - {IGNORE_INDEX}:
        report.problems.append(
            "no pixel is labelled: every value found is ignored (train_id 255); there is nothing to learn or to score"
        )
    absent = [name for key, name in enumerate(label_set.class_names) if key not in seen]
    if dataset.folder is None or not report.ok or not absent:
        return
    if len(absent) == label_set.num_classes - 1:
        ignored = [value for value in report.values if label_set.lookup[value] == IGNORE_INDEX]
        values = ", ".join(map(str, sorted(ignored)))
        report.problems.append(
            f"every labelled pixel is {label_set.class_names[(seen - {IGNORE_INDEX}).pop()]}: "
            "nothing to tell apart, and a score of 100 % for predicting it everywhere"
            + (f"; is {values} a class rather than ignored?" if ignored else "")
        )
    else:
        report.notes.append(f"no pixel of {', '.join(absent)}: never learnt or scored here")


def _label_set(dataset: DatasetConfig, pairing: Pairing) -> tuple[LabelSet | None, Decision | None, str]:
    """The label table, of drivable maps their encoding, and what is wrong with it."""
    source, targets = dataset_source(dataset.name), target_paths(pairing.samples)
    if not targets:
        return None, None, ""
    if dataset.folder is not None:
        return build_label_set(dataset), None, ""
    if not source.encodings:
        return source.raw or source.label_set(), None, ""
    try:
        decided = decide_drivable_encoding(targets, dataset.encoding)
    except (DatasetError, ImageFileError) as error:
        assumed = dataset.encoding if dataset.encoding != "auto" else "2018"
        # An unreadable map is listed as such by the check itself.
        problem = str(error) if isinstance(error, DatasetError) else ""
        return source.label_set(encoding=assumed), None, problem
    return source.label_set(encoding=decided.encoding), decided, ""


def _print_report(report: SplitReport, console: Console) -> None:
    def say(*lines: str) -> None:
        for line in lines:
            console.print(f"  {printable_lines(line)}", markup=False, soft_wrap=True)

    console.print(f"\n[bold]{report.dataset}:{report.split}[/bold]")
    sizes = ", ".join(f"{h}x{w} ({n:,})" for (h, w), n in report.image_sizes.most_common(6))
    more = " ..." if len(report.image_sizes) > 6 else ""
    say(f"frames            {report.samples:,}", f"sizes (H x W)     {sizes or 'none'}{more}")
    say(*([f"encoding          {report.encoding}"] if report.encoding else []))
    say(*(f"note              {note}" for note in report.notes))
    if report.values:
        console.print(_value_table(report))
    unknown = sorted(report.unknown_in.items())
    lists = {
        "missing partners": [f"{one.path} has no {one.partner}" for one in report.orphans],
        "unreadable files": report.unreadable,
        "image and label map of different size": report.size_mismatches,
        "values outside the label table": [f"value {v}, first in {name}" for v, name in unknown],
        "problems": report.problems,
        "passed over": report.passed_over,
    }
    for title, lines in lists.items():
        heading = f"{title}: {len(lines):,}"
        if lines:
            console.print("  " + (heading if title == "passed over" else f"[red]{heading}[/red]"))
            say(*(f"  {line}" for line in lines[:_SHOWN]))
        if len(lines) > _SHOWN:
            say(f"  and {len(lines) - _SHOWN:,} more (--json FILE lists all)")
    console.print(f"  {'[green]all good' if report.ok else '[red]something is wrong'}")


def _value_table(report: SplitReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading, side in (("  value", "right"), ("name", "left"), ("share of pixels", "right")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    total = report.values.total()
    for value, pixels in sorted(report.values.items()):
        known = report.value_names.get(value)
        name = Text(known) if known else "[red]not in the label table[/red]"
        table.add_row(str(value), name, f"{100 * pixels / total:.4f} %")
    return table
