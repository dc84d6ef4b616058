"""A split can be narrowed by a file of names and by a fixed share."""

from itertools import pairwise
from pathlib import Path

import pytest

from segibn.data.narrow import narrow, narrow_pairing, read_names, take_fraction
from segibn.data.samples import Orphan, Pairing, SamplePaths
from segibn.errors import DatasetError


def _samples(count: int) -> list[SamplePaths]:
    return [SamplePaths(f"f{i}", Path(f"f{i}.jpg"), Path(f"f{i}.png")) for i in range(count)]


def test_names_file_keeps_its_own_order_and_skips_comments(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("# bright frames\nf3\n\nf1  # a bridge\n")
    assert [s.name for s in narrow(_samples(5), names)] == ["f3", "f1"]


def test_unknown_names_are_listed_with_the_form_of_a_name(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("f1\nf1.png\nf9\n")
    with pytest.raises(DatasetError, match=r"2 of its 3 names .*f1\.png, f9; .* looks like 'f0'"):
        narrow(_samples(3), names)


@pytest.mark.parametrize(
    ("text", "message"), [("# nothing\n", "lists no sample"), ("f1\nf1\n", "more than once")]
)
def test_empty_and_repeating_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    names = tmp_path / "names.txt"
    names.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_names(names)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.txt"):
        read_names(tmp_path / "gone.txt")


def test_frames_that_the_list_leaves_out_may_lack_a_partner(tmp_path: Path) -> None:
    orphans = tuple(Orphan(f"o{i}", Path(f"o{i}.jpg"), f"o{i}.png") for i in range(2))
    pairing = Pairing(tuple(_samples(2)), images_without_target=orphans, official_count=9)
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
    assert [len(part) for part in drawn] == [
        max(1, round(f * count)) for f in (0.1, 0.2, 0.25, 0.3, 1.0)
    ]


def test_the_draw_is_the_one_that_committed_results_rest_on() -> None:
    names = [sample.name for sample in take_fraction(_samples(40), 0.1)]
    assert names == ["f4", "f11", "f24", "f27"]
