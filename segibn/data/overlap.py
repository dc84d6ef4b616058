"""No frame is both trained on and validated on."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError
from segibn.files.folders import warn_once
from segibn.files.writing import sha256_of
from segibn.text import counted, printable

_HASHED = 50  # frames that are compared byte by byte, at most


def source_places(count: int) -> list[str]:
    """Return where the sources of a training stand in its config, of which there are ``count``."""
    return ["data.train", *(f"data.mix.{number}.dataset" for number in range(count - 1))][:count]


def overlap(train: Mapping[str, Sequence[SamplePaths]], val: Sequence[SamplePaths]) -> str:
    """Say which frames of ``val`` are trained on, or "" if none is.

    ``train``: where in the config -> the samples of that source. A frame is known by its file,
    whatever links lead to it, so that names need not agree. DatasetError: a frame is not there.
    """
    held = {_identity(sample.image): sample for sample in val}
    for place, samples in train.items():
        keys = (_identity(sample.image) for sample in samples)
        shared = [held[key] for key in keys if key in held]
        if shared:
            first = shared[0]
            return (
                f"{place} and data.val share {counted(len(shared), 'frame')}, such as "
                f"'{printable(first.name)}' ({printable(first.image)}): a score on frames that "
                "were trained on says nothing. Give data.val frames of its own (`{split}` in a "
                "folder is filled in), divide one set by `val: {fraction: 0.2}`, or leave val out"
            )
    return ""


def copies(place: str, train: Sequence[SamplePaths], val: Sequence[SamplePaths]) -> str:
    """Say which frames of ``val`` the source at ``place`` holds copies of, or "".

    Only files of one name and size are compared, and not all of them: it is a quick look.
    """

    def key(one: SamplePaths) -> tuple[str, int]:
        return one.image.name, one.image.stat().st_size

    known = {key(one): one.image for one in train}
    alike = [(one, known[key(one)]) for one in val if key(one) in known]
    same = [one for one, path in alike[:_HASHED] if sha256_of(one.image) == sha256_of(path)]
    if not same:
        return ""
    return (
        f"{place} holds copies of frames of data.val, byte for byte ({len(same)} of the "
        f"{counted(len(alike[:_HASHED]), 'frame')} of one name and size), such as "
        f"'{printable(same[0].name)}' ({printable(same[0].image)}); their score says nothing"
    )


def require_apart(train: Mapping[str, Sequence[SamplePaths]], val: Sequence[SamplePaths]) -> None:
    """Refuse frames that are both trained on and validated on (DatasetError); warn of copies."""
    if problem := overlap(train, val):
        raise DatasetError(problem)
    for place, samples in train.items():
        if note := copies(place, samples, val):
            warn_once(note)


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise DatasetError(f"{printable(path)}: cannot be read ({error.strerror})") from None
    return status.st_dev, status.st_ino
