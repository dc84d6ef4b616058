"""Arguments that several verbs share, what they mean, and the words of commands that come next."""

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import count
from pathlib import Path

from segibn.cli.parser import command_text, print_next, print_then
from segibn.errors import ConfigError, DatasetError
from segibn.runs.find import datasets_of, find_checkpoint, run_of
from segibn.runs.outside import GRAPH, Said, kind_of
from segibn.text import printable

DATASETS_VARIABLE = "SEGIBN_DATASETS"
SET = "[LABEL=]NAME:SPLIT[@NAMES_FILE]"
"""How a set to score on is written."""


def add_datasets_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--datasets DIR``, by default the environment variable SEGIBN_DATASETS."""
    about = f"folder that holds cityscapes/, gta5/, bdd100k/ ... (default: ${DATASETS_VARIABLE}, else ./datasets)"
    parser.add_argument("--datasets", type=Path, metavar="DIR", help=about)


def datasets_root(given: Path | None, recorded: Path | None = None) -> Path:
    """Return the folder above the data sets: as given, SEGIBN_DATASETS, recorded, ./datasets."""
    variable = os.environ.get(DATASETS_VARIABLE)
    said = given or (Path(variable).expanduser() if variable else None)
    if said is not None and not said.is_dir():
        name = DATASETS_VARIABLE if given is None else "--datasets"
        raise DatasetError(f"{name} {printable(said)}: there is no such folder")
    return said or recorded or Path("datasets")


def datasets_words(given: Path | None, recorded: Path | None = None) -> list[str]:
    """Return what a command needs to find the same data sets: ``--datasets DIR``, or nothing."""
    found = given or (None if os.environ.get(DATASETS_VARIABLE) else recorded)
    return ["--datasets", str(found)] if found else []


def print_predict(run: object, frames: Path | None) -> None:
    """Print how to predict a folder of frames, or frames of the user's, to a new folder."""
    folders = (Path(f"predictions{number or ''}") for number in count())
    output = next(folder for folder in folders if not folder.exists())
    if frames is None:
        print_then(f"{command_text('predict', run, 'FRAMES', '--output', output)} (images, videos or folders of yours)")
    else:
        print_next("predict", run, frames, "--output", output)


def require_runs(paths: Iterable[str | Path]) -> None:
    """CheckpointError: one of these runs and checkpoints is not there."""
    for path in paths:
        if kind_of(path) in (None, GRAPH):
            find_checkpoint(path)


def add_outside_arguments(parser: argparse.ArgumentParser, *, has_labels: bool = True) -> None:
    """Add what is to be said of networks of others, for ``outside_said``; without labels no class is mapped to one."""
    about = "hf:ID_OR_FOLDER, torchvision:NAME=WEIGHTS, smp:FOLDER, FILE.onnx, MODULE:FUNCTION"
    add = parser.add_argument_group(f"networks of others ({about})").add_argument
    about = "their classes: a file of one name a line, or a list such as cityscapes19"
    add("--class-names", metavar="FILE_OR_LIST", help=about)
    about = "YAML, a line for each of their classes that the data set calls otherwise: `car: van`; or street11"
    if has_labels:
        add("--class-map", type=Path, metavar="FILE_OR_LIST", help=about)
    about = "what a graph or a function takes of RGB values (imagenet: 0..1, less mean, by spread)"
    add("--pixels", choices=("0..255", "0..1", "-1..1", "imagenet"), help=about)
    about = "call MODULE:FUNCTION, which returns a torch.nn.Module: images to logits"
    add("--allow-code", action="store_true", help=about)


def outside_said(arguments: argparse.Namespace, sources: Sequence[str | Path]) -> Said:
    """Return what ``add_outside_arguments`` were given; ConfigError: without effect on any."""
    said = Said(**{field.name: getattr(arguments, field.name, field.default) for field in fields(Said)})
    said.require_use(sources)
    return said


def report_words(run: str | Path) -> list[str]:
    """Return the command of a report on a run that has scores and still its data, else nothing."""
    if kind_of(run) not in (None, GRAPH):
        return []
    folder = run_of(find_checkpoint(run))
    recorded = datasets_of(folder)
    if folder is None or recorded is None or not any((folder / "scores").glob("*.json")):
        return []
    return ["report", str(folder if Path(run).is_file() else run), *datasets_words(None, recorded)]


def parse_positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{printable(text)}': write a whole number above 0")
    return int(text)


def refuse_set(overrides: Sequence[str], key: str, option: str) -> None:
    """Raise ConfigError where ``--set`` gives a value that an option of the verb replaces."""
    for text in overrides:
        if text.partition("=")[0].strip() == key:
            raise ConfigError(f"--set {printable(text)} has no effect here: say it with {option}")
