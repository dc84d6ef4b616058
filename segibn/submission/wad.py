"""WAD 2018 drivable area: one zip with a single-channel 8-bit PNG per test frame.

In: label maps of frames named by their BDD100K ids. Out: ``<id>_drivable_id.png`` at the frame's
size, values 0 background, 1 direct, 2 alternative (the encoding of 2018), checked after writing.
The challenge's evaluator keys on the first 17 characters of a file name and lets a later file
with the same key replace an earlier one silently, so ids are checked here. No torch.
"""

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from segibn.errors import SegibnError, SubmissionError
from segibn.files import atomic_path, read_zip, write_zip
from segibn.labels.bdd100k import DRIVABLE_2018

SUFFIX = "_drivable_id.png"
ID_LENGTH = 17
TEST_SET_SIZE = 20_000

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}")
_SHOWN = 5
_GREY_8_BIT = (8, 0)  # PNG header: bit depth, colour type

Size = tuple[int, int]


def write_wad(
    maps: Iterable[tuple[str, np.ndarray]], sizes: Mapping[str, Size], output: Path
) -> None:
    """Write a submission; ``output`` appears only after the whole archive passed its check.

    Args:
        maps: (id, (H, W) uint8 train ids of ``drivable3``) pairs, consumed one at a time.
        sizes: id -> (H, W) of every frame that the submission must hold.
        output: the zip file.

    Raises:
        SubmissionError: what was written is not what the benchmark reads; nothing is left.
    """
    check_ids(sizes)
    with atomic_path(output) as temporary:
        write_zip(temporary, _members(maps))
        validate_wad(temporary, sizes)


def validate_wad(path: Path, sizes: Mapping[str, Size]) -> None:
    """Check an archive: every frame has exactly one map, of its size, kind and values.

    Args:
        path: the zip file.
        sizes: id -> (H, W) of every frame that the submission must hold.

    Raises:
        SubmissionError: lists what is wrong, the first few of each kind and how many there are.
    """
    problems: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name, content in _read_members(path):
        frame_id = PurePosixPath(name).name[:ID_LENGTH]
        if frame_id in seen:
            problems.setdefault("ids with two maps", []).append(frame_id)
        seen.add(frame_id)
        problem = _problem_of(name, content, sizes.get(frame_id))
        if problem:
            problems.setdefault(problem, []).append(name)
    missing = sorted(set(sizes) - seen)
    if missing:
        problems["frames without a map"] = missing
    if problems:
        lines = [f"  {what}: {_shorten(names)}" for what, names in problems.items()]
        raise SubmissionError(f"{path} is not a WAD submission:\n" + "\n".join(lines))


def check_ids(ids: Iterable[str]) -> None:
    """Raise SubmissionError unless every id looks like ``0004a4c0-d4dff0ad``."""
    bad = [frame_id for frame_id in ids if not _ID.fullmatch(frame_id)]
    if bad:
        raise SubmissionError(
            f"{len(bad)} frames have no BDD100K id (8 hex digits, '-', 8 hex digits) as their "
            f"name: {_shorten(bad)}"
        )


def require_frames(found: Iterable[str], expected: Sequence[str], source: str) -> None:
    """Raise SubmissionError that counts the expected ids for which there is no frame."""
    have = set(found)
    missing = [frame_id for frame_id in expected if frame_id not in have]
    if missing:
        raise SubmissionError(
            f"{len(missing)} of the {len(expected)} frames of {source} are missing: "
            f"{_shorten(missing)}"
        )


def official_test_ids() -> list[str]:
    """Return the 20,000 ids of the BDD100K test frames, in the official order."""
    packed = resources.files("segibn.submission") / "lists" / "bdd100k_100k_test_ids.txt.gz"
    text = gzip.decompress(packed.read_bytes()).decode()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def read_ids(path: Path) -> list[str]:
    """Read one id a line; ``#`` starts a comment.

    Raises:
        SubmissionError: no such file, no id in it, an id twice, or a line that is no id.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"{path}: cannot be read as a list of ids ({error})") from None
    ids = [text for line in lines if (text := line.split("#", 1)[0].strip())]
    if not ids or len(set(ids)) != len(ids):
        problem = "names an id twice" if ids else "names no id"
        raise SubmissionError(f"{path}: {problem}; write one id a line")
    check_ids(ids)
    return ids


def _members(maps: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, bytes]]:
    for frame_id, train_ids in maps:
        values = DRIVABLE_2018.to_label_ids(train_ids)
        yield f"{frame_id}{SUFFIX}", cv2.imencode(".png", values)[1].tobytes()


def _read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        yield from read_zip(path)
    except SegibnError as error:
        raise SubmissionError(str(error)) from error


def _problem_of(name: str, content: bytes, size: Size | None) -> str | None:
    """Say what is wrong with one member, in words that several members can share."""
    file_name = PurePosixPath(name).name
    if not _ID.fullmatch(file_name[:ID_LENGTH]) or file_name[ID_LENGTH:] not in (SUFFIX, ".png"):
        return f"files not named <id>{SUFFIX}"
    if size is None:
        return "maps of frames that were not asked for"
    if content[:8] != b"\x89PNG\r\n\x1a\n" or tuple(content[24:26]) != _GREY_8_BIT:
        return "files that are not single-channel 8-bit grey PNGs"
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        return "damaged PNGs"
    if values.shape != tuple(size):
        return "maps of another size than their frame"
    if values.max() > 2:
        return "maps with values other than 0, 1, 2"
    return None


def _shorten(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
