"""Which data sets a check reads, and their reports: printed, and written as JSON. No torch."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from segibn.config.data import DatasetConfig
from segibn.config.load import load_config
from segibn.config.set_names import set_name
from segibn.files import write_json
from segibn.runs.dataset_report import check_dataset, print_report, splits_present
from segibn.runs.sets import changed_set, named_set
from segibn.text.progress import FrameProgress

SetsAndSources = list[tuple[DatasetConfig, Sequence[DatasetConfig]]]
"""Sets to check, each with the training sets that it may share no frame with."""


def sets_of_config(config: str, split: str | None, datasets_root: Path) -> SetsAndSources:
    """Return the data sets of a config, or a split of the one that it trains on."""
    data = load_config(config).data
    if split is not None:
        return [(changed_set(data.sources[0], datasets_root, split=split), ())]
    named = [dataset for dataset in (*data.sources, data.val) if dataset is not None]
    return [(dataset, data.sources if dataset == data.val else ()) for dataset in named]


def official_sets(
    name: str,
    split: str | None,
    datasets_root: Path,
    *,
    names_file: str | None,
    encoding: str | None,
) -> SetsAndSources:
    """Return a split of an official data set, or all of which something is there."""
    whole = named_set(name, split=split, names_file=names_file, encoding=encoding)
    if split is not None:
        return [(whole, ())]
    present = splits_present(name, datasets_root, whole.encoding)
    return [(whole.model_copy(update={"split": one}), ()) for one in present]


def check_sets(sets: SetsAndSources, datasets_root: Path, jobs: int, report: Path | None) -> bool:
    """Check data sets, print what was found, write it to ``report``; whether nothing is wrong."""
    console = Console()
    reports = []
    for dataset, sources in sets:
        with FrameProgress(set_name(dataset), 0) as progress:
            found = check_dataset(
                dataset, datasets_root, jobs=jobs, progress=progress, trained_on=sources
            )
        print_report(found, console)
        reports.append(found)
    if report is not None:
        write_json(report, [found.to_dict() for found in reports])
        console.print(f"report written to {report}")
    return all(found.ok for found in reports)
