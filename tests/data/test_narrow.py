"""A split can be narrowed by a file of names and by a fixed share."""

import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from segibn.data.narrow import narrow_pairing, read_names, take_fraction
from segibn.data.samples import Orphan, Pairing, SamplePaths
from segibn.errors import DatasetError, SegibnError


def _narrow(samples: list[SamplePaths], names: Path) -> list[SamplePaths]:
    return list(narrow_pairing(Pairing(tuple(samples)), names).samples)


def _samples(count: int) -> list[SamplePaths]:
    return [SamplePaths(f"f{i}", Path(f"f{i}.jpg"), Path(f"f{i}.png")) for i in range(count)]


def test_names_file_keeps_its_own_order_and_skips_comments(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# bright frames\nf3\n\nf1  # a bridge\n")
    assert [s.name for s in _narrow(_samples(5), names)] == ["f3", "f1"]


def test_unknown_names_are_listed_with_the_form_of_a_name(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("f1\nf1.tif\nf9\n")
    with pytest.raises(DatasetError, match=r"2 of its 3 names .*f1\.tif, f9; .* looks like 'f0'"):
        _narrow(_samples(3), names)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbff1\r\nclip#3_0001\r\n",
        "f1\nclip#3_0001 # the bridge\n".encode("utf-16"),
        b"#bright\n\tf1\t#dark\nclip#3_0001",
        b"images/train/f1.jpg labels/train/f1_gt.png\n../images/train/clip#3_0001.jpg\n",
        b"images\\train\\f1\nlabels/train/clip#3_0001_gt.png\n",
        b"f1.jpg\ntrain/clip#3_0001.jpg",
        b"/home/a/set/images/train/f1.jpg\nD:\\set\\labels\\train\\clip#3_0001_gt.png",
        b'"f1.JPG"\n"clip#3_0001"\n',
    ],
    ids=["windows", "utf-16", "comments", "pairs", "backslashes", "suffixes", "absolute", "quotes"],
)
def test_lists_as_other_tools_write_them_name_the_same_frames(tmp_path: Path, data: bytes) -> None:
    root = tmp_path / "set"
    samples = [
        SamplePaths(n, root / f"images/train/{n}.jpg", root / f"labels/train/{n}_gt.png")
        for n in ("f0", "f1", "clip#3_0001")
    ]
    names = tmp_path / "names.txt"
    names.write_bytes(data)
    assert _narrow(samples, names) == samples[1:]


def test_a_path_that_fits_two_frames_names_none_and_two_names_of_one_frame_are_said(tmp_path: Path) -> None:
    samples = [SamplePaths(f"{d}/0", tmp_path / d / "0.jpg", None) for d in ("left", "right")]
    names = tmp_path / "names.txt"
    names.write_text("0.jpg\n")
    with pytest.raises(DatasetError, match=r"1 of its 1 name .*0\.jpg; .* looks like 'left/0'"):
        _narrow(samples, names)
    names.write_text("/disk/rear/0.jpg\n")
    with pytest.raises(DatasetError, match="1 of its 1 name"):
        _narrow(samples, names)
    names.write_text("left/0\nleft/0.jpg\n")
    with pytest.raises(DatasetError, match="lists left/0 more than once"):
        _narrow(samples, names)


@pytest.mark.parametrize("seed", range(30))
def test_any_bytes_as_a_list_give_frames_or_an_error_of_ours(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [b"f1", b"f2.jpg", b"#", b" ", b"\n", b"\r", b"\xff\xfe", b"\0", b"\\", b"/", b"..", b"\x1b["]
    picked = [parts[i] for i in random.integers(len(parts), size=200)]
    names = tmp_path / "names.txt"
    names.write_bytes(b"".join(picked) if seed % 2 else random.bytes(3000))
    started = time.monotonic()
    with suppress(SegibnError):
        assert _narrow(_samples(4), names)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(("text", "message"), [("# nothing\n", "lists no sample"), ("f1\nf1\n", "more than once")])
def test_empty_and_repeating_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    names = tmp_path / "names.txt"
    names.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_names(names)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.txt"):
        read_names(tmp_path / "gone.txt")


def test_frames_that_the_list_leaves_out_may_lack_a_partner(tmp_path: Path) -> None:
    orphans = tuple(Orphan(f"o{i}", Path(f"o{i}.jpg"), f"o{i}.png", True) for i in range(2))
    pairing = Pairing(tuple(_samples(2)), orphans=orphans, official_count=9)
    names = tmp_path / "names.txt"
    names.write_text("f1\n")
    assert narrow_pairing(pairing, names).orphans == ()
    names.write_text("f1\no1\n")
    assert narrow_pairing(pairing, names).orphans == orphans[1:]


def test_a_fraction_is_the_same_draw_every_time_and_keeps_order() -> None:
    drawn = take_fraction(_samples(40), 0.25)
    assert len(drawn) == 10
    assert drawn == take_fraction(_samples(40), 0.25)
    assert [int(s.name[1:]) for s in drawn] == sorted(int(s.name[1:]) for s in drawn)
    assert drawn != _samples(40)[:10]


@pytest.mark.parametrize("count", [1, 7, 40, 140, 2975])
def test_smaller_fractions_are_parts_of_larger_ones(count: int) -> None:
    drawn = [set(take_fraction(_samples(count), f)) for f in (0.1, 0.2, 0.25, 0.3, 1.0)]
    for smaller, larger in pairwise(drawn):
        assert smaller <= larger
    assert [len(part) for part in drawn] == [max(1, round(f * count)) for f in (0.1, 0.2, 0.25, 0.3, 1.0)]


def test_the_draw_is_the_one_that_committed_results_rest_on() -> None:
    names = [sample.name for sample in take_fraction(_samples(40), 0.1)]
    assert names == ["f4", "f11", "f24", "f27"]
