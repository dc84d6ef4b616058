"""A check lists every fault of a submission at once; each fault is made by hand."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from segibn.errors import SubmissionError
from segibn.submission.check import check_submission
from segibn.submission.expected import Expected, expect_test_set
from segibn.submission.formats import FORMATS


def _faults(report):
    return {fault.what: (fault.count, fault.names) for fault in report.faults}


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_submission_has_no_fault(case, write_zip, tmp_path, name):
    form, expected, members = case(name)
    report = check_submission(write_zip(tmp_path / "s.zip", members), form, expected)
    assert report.is_valid
    assert (report.num_maps, report.faults) == (3, [])


def _zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


FIRST = "0004a4c0-d4dff0ad_drivable_id.png"
MODE = " PNGs (must be 8-bit grey, mode L)"
OUTSIDE = "maps with values outside 0..2"
# What is added to three good WAD members: (name, pixels or bytes, the fault it is).
ADDED = {
    "twice": (f"more/{FIRST}", _zeros(6, 8), "maps of a frame that has one already"),
    "same id": ("0004a4c0-d4dff0ad.png", _zeros(6, 8), "maps of a frame that has one already"),
    "extra": ("00000000-00000000.png", _zeros(6, 8), "maps of frames that were not asked for"),
    "text": ("readme.txt", b"hello", "files not named <id>_drivable_id.png"),
    "long id": ("0004a4c0-d4dff0ad0.png", b"", "files not named <id>_drivable_id.png"),
    "macOS": (f"__MACOSX/._{FIRST}", b"", "files that macOS adds to zips (leave them out)"),
    "climbs": ("../../x.png", b"", "members that point outside the archive"),
}
# What takes the place of the first: (pixels or bytes, the fault it is, what follows the name).
REPLACED = {
    "size": (_zeros(8, 6), "maps of 8x6 instead of 6x8 (H x W)", ""),
    "value": (_zeros(6, 8) + 3, OUTSIDE, " (3)"),
    "255": (_zeros(6, 8) + 255, OUTSIDE, " (255)"),
    "RGB": (_zeros(6, 8, 3), f"8-bit RGB{MODE}", ""),
    "RGBA": (_zeros(6, 8, 4), f"8-bit RGB with alpha{MODE}", ""),
    "LA": ("LA", f"8-bit grey with alpha{MODE}", ""),
    "P": ("P", f"8-bit palette{MODE}", ""),
    "1": ("1", f"1-bit grey{MODE}", ""),
    "I;16": (_zeros(6, 8, dtype=np.uint16), f"16-bit grey{MODE}", ""),
    "no PNG": (b"text", "files that are no PNGs", ""),
    "empty": (b"", "files that are no PNGs", ""),
}


def _content(given, png):
    if isinstance(given, str):
        return png(_zeros(6, 8), given, **({"bits": 8} if given == "P" else {}))
    return given if isinstance(given, bytes) else png(given)


@pytest.mark.parametrize("name", ADDED)
def test_the_check_finds_a_file_too_many(case, write_zip, png, tmp_path, name):
    form, expected, members = case("wad")
    file, given, what = ADDED[name]
    path = write_zip(tmp_path / "s.zip", [*members, (file, _content(given, png))])
    report = check_submission(path, form, expected)
    assert _faults(report) == {what: (1, [file])}
    assert f"{what} (1): {file}" in report.format_text()


@pytest.mark.parametrize("name", REPLACED)
def test_the_check_finds_a_map_of_another_kind(case, write_zip, png, tmp_path, name):
    form, expected, members = case("wad")
    given, what, remark = REPLACED[name]
    path = write_zip(tmp_path / "s.zip", [(FIRST, _content(given, png)), *members[1:]])
    report = check_submission(path, form, expected)
    assert _faults(report) == {what: (1, [FIRST + remark])}


def test_the_check_finds_a_missing_map(case, write_zip, tmp_path):
    form, expected, members = case("wad")
    report = check_submission(write_zip(tmp_path / "s.zip", members[1:]), form, expected)
    assert _faults(report) == {"frames without a map": (1, [FIRST[:17]])}


def test_a_png_damaged_anywhere_is_no_map(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    data = png(np.random.default_rng(1).integers(0, 3, (6, 8), dtype=np.uint8))
    for length in range(len(data)):
        path = write_zip(tmp_path / "s.zip", [(FIRST, data[:length]), *members[1:]])
        found = list(_faults(check_submission(path, form, expected)))
        assert found in (["truncated PNGs"], ["files that are no PNGs"]), length
    for place in range(16, len(data) - 12):  # in a header, a checksum, the data
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        path = write_zip(tmp_path / "s.zip", [(FIRST, broken), *members[1:]])
        assert not check_submission(path, form, expected).is_valid, place


def test_a_map_with_several_faults_is_listed_under_each(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    wrong = [(FIRST, png(_zeros(8, 6) + 7)), (members[1][0], png(_zeros(3, 3, 3))), members[2]]
    report = check_submission(write_zip(tmp_path / "s.zip", wrong), form, expected)
    assert _faults(report) == {
        "maps of 8x6 instead of 6x8 (H x W)": (1, [FIRST]),
        OUTSIDE: (1, [f"{FIRST} (7)"]),
        f"8-bit RGB{MODE}": (1, [members[1][0]]),
        "maps of 3x3 instead of 6x8 (H x W)": (1, [members[1][0]]),
    }


def test_both_maps_of_a_frame_are_examined_and_the_later_counts(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    wrong = [("a/" + FIRST, b"text"), *members]
    report = check_submission(write_zip(tmp_path / "s.zip", wrong), form, expected)
    assert sorted(_faults(report)) == ["files that are no PNGs", "maps of a frame that has one already"]


def test_all_faults_are_listed_at_once(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    wrong = [
        (members[0][0], png(_zeros(6, 8, 3))),
        (f"b/{members[0][0]}", members[0][1]),
        ("x.png", b""),
        ("../y.png", b""),
        (members[1][0], members[1][1][:-4]),
    ]
    report = check_submission(write_zip(tmp_path / "s.zip", wrong), form, expected)
    assert sorted(_faults(report)) == [
        f"8-bit RGB{MODE}",
        "files not named <id>_drivable_id.png",
        "frames without a map",
        "maps of a frame that has one already",
        "members that point outside the archive",
        "truncated PNGs",
    ]
    assert not report.is_valid


def test_a_png_that_inflates_to_more_than_its_size_is_damaged(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    big = bytearray(png(_zeros(6000, 8000)))
    small = png(_zeros(6, 8))
    bomb = small[:33] + big[33:]  # the header of a small picture, the data of a large one
    assert len(bomb) < 100_000
    path = write_zip(tmp_path / "s.zip", [(members[0][0], bytes(bomb)), *members[1:]])
    tracemalloc.start()
    report = check_submission(path, form, expected)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert _faults(report) == {"damaged PNGs": (1, [FIRST])}
    assert peak < 8 << 20


def test_a_grey_with_a_transparent_value_is_read_as_any_other(case, write_zip, png, tmp_path):
    form, expected, members = case("wad")
    transparent = png(_zeros(6, 8) + 1, transparency=0)
    path = write_zip(tmp_path / "s.zip", [(members[0][0], transparent), *members[1:]])
    assert check_submission(path, form, expected).is_valid
    path = write_zip(tmp_path / "s.zip", [(members[0][0], transparent[:-20]), *members[1:]])
    assert list(_faults(check_submission(path, form, expected))) == ["truncated PNGs"]


def test_a_folder_inside_the_zip_is_allowed(case, write_zip, tmp_path):
    for name in FORMATS:
        form, expected, members = case(name)
        path = write_zip(tmp_path / "s.zip", [(f"top/seg/{n}", c) for n, c in members])
        assert check_submission(path, form, expected).is_valid


def test_the_toolkit_wants_all_masks_in_one_folder(case, write_zip, tmp_path):
    form, expected, members = case("bdd100k_semseg")
    spread = [(f"{i}/{name}", content) for i, (name, content) in enumerate(members)]
    report = check_submission(write_zip(tmp_path / "s.zip", spread), form, expected)
    assert list(_faults(report)) == ["folders with maps (they must lie in one)"]
    for name in ("wad", "cityscapes"):
        form, expected, members = case(name)
        spread = [(f"{i}/{name}", content) for i, (name, content) in enumerate(members)]
        assert check_submission(write_zip(tmp_path / "s.zip", spread), form, expected).is_valid


def test_a_suffix_makes_a_map_invisible_to_the_toolkit(case, write_zip, tmp_path):
    form, expected, members = case("bdd100k_drivable")
    renamed = [(name.replace(".png", "_drivable_id.png"), content) for name, content in members]
    report = check_submission(write_zip(tmp_path / "s.zip", renamed), form, expected)
    assert {what: count for what, (count, _) in _faults(report).items()} == {
        "files not named <id>.png": 3,
        "frames without a map": 3,
    }


def test_allowed_values_are_those_of_each_benchmark():
    known = {name: np.flatnonzero(form.knows).tolist() for name, form in FORMATS.items()}
    assert known["wad"] == known["bdd100k_drivable"] == [0, 1, 2]
    assert known["bdd100k_semseg"] == [*range(19), 255]
    assert known["cityscapes"] == list(range(34))


def test_without_a_public_list_the_number_counts(case, write_zip, tmp_path):
    form, _, members = case("cityscapes")
    path = write_zip(tmp_path / "s.zip", members)
    faults = _faults(check_submission(path, form, Expected("x", 3, None, (6, 8))))
    assert list(faults) == ["maps of 4x10 instead of 6x8 (H x W)"]
    faults = _faults(check_submission(path, form, Expected("x", 5, None, (6, 8))))
    assert faults["frames without a map"][0] == 2
    faults = _faults(check_submission(path, form, Expected("x", 2, None, (6, 8))))
    assert faults["maps more than the 2 of the test set"][0] == 1
    assert expect_test_set(form).num_frames == 1525
    assert expect_test_set(form).default_size == (1024, 2048)


def test_values_of_another_encoding_raise_a_doubt_not_a_fault(case, write_zip, png, tmp_path):
    mostly = np.zeros((6, 8), np.uint8)
    mostly[5] = 1
    for name, value, is_doubted in (("wad", 0, False), ("bdd100k_drivable", 0, True)):
        form, expected, members = case(name)
        small = Expected("x", 1, {next(iter(expected.sizes)): (6, 8)}, form.size)
        path = write_zip(tmp_path / "s.zip", [(members[0][0], png(mostly + np.uint8(value)))])
        report = check_submission(path, form, small)
        assert report.is_valid
        assert ("another release's encoding" in str(report.notes)) == is_doubted


def test_train_ids_sent_to_cityscapes_raise_a_doubt(case, write_zip, png, tmp_path):
    form, expected, members = case("cityscapes")
    key = next(iter(expected.sizes))
    one = Expected("x", 1, {key: (6, 8)}, form.size)
    for top, is_doubted in ((18, True), (33, False)):
        values = np.resize(np.arange(top + 1, dtype=np.uint8), (6, 8))
        report = check_submission(write_zip(tmp_path / "s.zip", [(members[0][0], png(values))]), form, one)
        assert report.is_valid
        assert ("train ids" in str(report.notes)) == is_doubted
        assert "predicted void" in str(report.notes)


def test_more_than_any_submission_holds_is_refused_unread(case, write_zip, tmp_path, monkeypatch):
    form, expected, members = case("wad")
    monkeypatch.setattr("segibn.submission.zip_maps._MAX_MEMBERS", 100)
    path = write_zip(tmp_path / "s.zip", ((str(number), b"") for number in range(101)))
    with pytest.raises(SubmissionError, match="declares 101 members"):
        check_submission(path, form, expected)
    path = write_zip(tmp_path / "s.zip", members)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = b"\xf0\xff\xff\xff"  # the directory's uncompressed size
    path.write_bytes(data)
    with pytest.raises(SubmissionError, match=r"declares 3 members and 42949\d+ bytes when unpacked"):
        check_submission(path, form, expected)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_named(case, tmp_path, content):
    form, expected, _ = case("wad")
    (tmp_path / "s.zip").write_bytes(content)
    if content.startswith(b"PK"):  # an empty archive
        report = check_submission(tmp_path / "s.zip", form, expected)
        assert _faults(report)["frames without a map"][0] == 3
    else:
        with pytest.raises(SubmissionError, match=r"s\.zip: not a zip"):
            check_submission(tmp_path / "s.zip", form, expected)


def test_a_json_is_refused_where_the_benchmark_reads_none(case, tmp_path):
    form, expected, _ = case("wad")
    with pytest.raises(SubmissionError, match="a zip of PNGs"):
        check_submission(tmp_path / "s.json", form, expected)


def test_odd_characters_in_names_do_not_reach_the_terminal(case, write_zip, tmp_path):
    form, expected, members = case("wad")
    path = write_zip(tmp_path / "s.zip", [*members, ("\x1b[2Jx.png", b"")])
    text = check_submission(path, form, expected).format_text()
    assert "\x1b" not in text
    assert "x.png" in text


def test_the_report_as_json_holds_the_first_names_and_all_counts(case, write_zip, tmp_path):
    form, _, members = case("wad")
    expected = expect_test_set(form)
    path = write_zip(tmp_path / "s.zip", members[:1])
    found = check_submission(path, form, expected).to_dict()
    assert (found["valid"], found["good_maps"]) == (False, 0)
    faults = {fault["what"]: fault for fault in found["faults"]}
    assert faults["frames without a map"]["count"] == 20_000
    assert len(faults["frames without a map"]["first"]) == 20


def test_checking_a_submission_needs_no_torch():
    code = "import sys, segibn.cli.validate_submission; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
