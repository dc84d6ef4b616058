"""No frame is both trained on and validated on."""

import os
from collections.abc import Sequence
from pathlib import Path

from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files.folders import warn_once
from segibn.files.writing import sha256_of
from segibn.text import counted, printable

_HASHED = 50  # frames that are compared byte by byte, at most
Sources = Sequence[Sequence[SamplePaths]]
"""Samples of ``data.train``, then of each set of ``data.mix``."""


def overlap(train: Sources, val: Sequence[SamplePaths]) -> str:
    """Say which frames of ``val`` are trained on, whatever links lead to a file; "" if none."""
    held = {_identity(sample.image): sample for sample in val}
    for number, samples in enumerate(train):
        shared = [held[key] for key in (_identity(sample.image) for sample in samples) if key in held]
        if shared:
            first = shared[0]
            return (
                f"{_place(number)} and data.val share {counted(len(shared), 'frame')}, such as "
                f"'{printable(first.name)}' ({printable(first.image)}): a score on frames that "
                "were trained on says nothing. Give data.val frames of its own (`{split}` in a "
                "folder is filled in), divide one set by `val: {fraction: 0.2}`, or leave val out"
            )
    return ""


def copies(train: Sources, val: Sequence[SamplePaths]) -> list[str]:
    """Say which sources hold copies of frames of ``val``; some files of one name and size count."""

    def key(one: SamplePaths) -> tuple[str, int]:
        return one.image.name, one.image.stat().st_size

    notes = []
    for number, samples in enumerate(train):
        known = {key(one): one.image for one in samples}
        alike = [(one, known[key(one)]) for one in val if key(one) in known][:_HASHED]
        same = [one for one, path in alike if sha256_of(one.image) == sha256_of(path)]
        if same:
            notes.append(
                f"{_place(number)} holds copies of frames of data.val, byte for byte ({len(same)} "
                f"of the {counted(len(alike), 'frame')} of one name and size), such as "
                f"'{printable(same[0].name)}' ({printable(same[0].image)}); their score says "
                "nothing"
            )
    return notes


def require_apart(train: Sources, val: Sequence[SamplePaths]) -> None:
    """Refuse frames that are both trained on and validated on (DatasetError); warn of copies."""
    if problem := overlap(train, val):
        raise DatasetError(problem)
    for note in copies(train, val):
        warn_once(note)


def _place(number: int) -> str:
    return f"data.mix.{number - 1}.dataset" if number else "data.train"


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise DatasetError(f"{printable(path)}: cannot be read ({error.strerror})") from None
    return status.st_dev, status.st_ino
