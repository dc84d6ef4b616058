"""Damaged and hostile submissions, scores files and lists: a result or a SegibnError, soon."""

import copy
import io
import json
import os
import random
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segibn.errors import SegibnError
from segibn.evaluation.scores import Conditions, Scores
from segibn.files.writing import read_json
from segibn.submission.check import check_submission
from segibn.submission.expected import Expected, expect_list
from segibn.submission.formats import FORMATS
from segibn.submission.rle_maps import encode_rle
from segibn.text import printable

IDS = ("0004a4c0-d4dff0ad", "cabc30fc-e7726578")
SIZE = (6, 8)
EXPECTED = Expected("the test", 2, dict.fromkeys(IDS, SIZE), SIZE)
MAPS = {key: np.random.default_rng(i).integers(0, 3, SIZE) for i, key in enumerate(IDS)}
ODD = (
    *(None, True, -1, 1.5, float("nan"), float("inf"), 2**63, 10**400, -(2**63), 1e300),
    *("", "..", "/", "\0", "\x1b[31m", "\ud800", "o" * 50, "0" * 3000, [], [[]], {}, {"a": 1}),
    *([1, 2], list(SIZE), [10**6, 10**6], [2**40, 2**40], [-1, -8]),
)


def paths_in(tree: object, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from paths_in(tree[key], (*path, key))


def damaged_json(tree: object, rng: random.Random) -> bytes:
    """Replace, remove or repeat one to three nodes."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        *parents, last = rng.choice(list(paths_in(tree)) or [()]) or [None]
        node = tree
        for key in parents:
            node = node[key]
        if last is None:
            continue  # nothing is left in it
        if isinstance(node, list) and rng.random() < 0.2:
            node.append(copy.deepcopy(node[last]))
        elif rng.random() < 0.2:
            del node[last]
        else:
            node[last] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(tree).encode()


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change, cut, insert or move a few bytes."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(found) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            found[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            found[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        elif kind == 2:
            del found[place : place + rng.randrange(30)]
        elif kind == 3:
            found[place:place] = rng.randbytes(rng.randrange(20))
        else:
            del found[place if rng.random() < 0.2 else len(found) :]
    return bytes(found)


def zip_of(method: int) -> bytes:
    buffer, png = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for key, values in MAPS.items():
            png = io.BytesIO()
            Image.fromarray(values.astype(np.uint8)).save(png, "PNG")
            archive.writestr(f"{key}_drivable_id.png", png.getvalue())
    return buffer.getvalue()


def frames_of(*names: str) -> list[dict]:
    return [
        {
            "name": f"{key}.jpg",
            "labels": [
                {"id": str(value), "category": name, "rle": encode_rle(values == value)}
                for value, name in enumerate(names)
            ],
        }
        for key, values in MAPS.items()
    ]


def check(path: Path, name: str) -> str:
    report = check_submission(path, FORMATS[name], EXPECTED)
    json.dumps(report.to_dict())
    return report.format_text()


def scores(path: Path) -> str:
    found = Scores.from_dict(read_json(path), path.name)
    json.dumps(found.to_dict())
    return found.format_table()


def names(path: Path) -> str:
    return str(expect_list(FORMATS["wad"], path).num_frames)


@pytest.fixture
def readers() -> dict[str, tuple[str, Callable[[Path], str], list[bytes], object]]:
    """Reader -> name of its file, what reads it, whole files, and what JSON they hold."""
    pytest.importorskip("pycocotools")
    drivable = frames_of("direct", "alternative")
    result = Scores(np.array([[3, 1, 0], [2, 4, 1]]), ("road", "car"), Conditions("a"), 2)
    zips = [zip_of(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    lists = ["\n".join(IDS).encode(code) for code in ("utf-8", "utf-16", "utf-8-sig")]
    return {
        "zip": ("a.zip", lambda path: check(path, "wad"), zips, None),
        "rle": ("a.json", lambda path: check(path, "bdd100k_drivable"), [], drivable),
        "scores": ("a.json", scores, [], result.to_dict()),
        "list": ("ids.txt", names, lists, None),
    }


def outcome(read: Callable[[Path], str], path: Path) -> str:
    """What a reader says, within two seconds; anything but a SegibnError passes."""
    start = time.monotonic()
    try:
        said = read(path)
    except SegibnError as error:
        said = str(error)
    assert time.monotonic() - start < 2
    return said


@pytest.mark.parametrize("reader", ["zip", "rle", "scores", "list"])
@pytest.mark.parametrize("seconds", [0.4, pytest.param(20, marks=pytest.mark.slow)], ids=["short", "long"])
def test_whatever_a_file_holds_is_read_or_refused_in_printable_words(
    readers, tmp_path: Path, reader: str, seconds: float
):
    name, read, whole, content = readers[reader]
    rng, path = random.Random(reader), tmp_path / name
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if content is not None and rng.random() < 0.5:
            data = damaged_json(content, rng)
        else:
            data = damaged_bytes(rng.choice(whole or [json.dumps(content).encode()]), rng)
        path.write_bytes(data)
        for line in outcome(read, path).split("\n"):
            assert line == printable(line), data


@pytest.mark.parametrize("reader", ["zip", "rle", "list"])
def test_a_pipe_a_folder_and_deep_nesting_do_not_block(readers, tmp_path: Path, reader: str):
    name, read, _, content = readers[reader]
    path = tmp_path / "odd" / name
    path.parent.mkdir()
    os.mkfifo(path)
    assert str(path) in outcome(read, path)
    path.unlink()
    path.mkdir()
    assert str(path) in outcome(read, path)
    if content is not None:
        path.rmdir()
        path.write_text("[" * 100_000)
        assert "not valid JSON" in outcome(read, path)
