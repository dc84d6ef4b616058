"""Hostile zips: what ``zipfile`` writes is patched by hand to lie; nothing of it is believed."""

import random
import stat
import struct
import tracemalloc
import zipfile

import pytest

from segibn.errors import SubmissionError
from segibn.submission.check import check_submission

CENTRAL = struct.Struct("<4s4B4HL2L5H2L")  # one entry of the directory
FIRST = "0004a4c0-d4dff0ad_drivable_id.png"


def _patch_directory(path, **fields):
    """Change fields of the first entry of the directory: flag, size."""
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    entry = list(CENTRAL.unpack_from(data, place))
    for name, value in fields.items():
        entry[{"flag": 5, "size": 11}[name]] = value
    CENTRAL.pack_into(data, place, *entry)
    path.write_bytes(data)


@pytest.fixture
def faults(case, tmp_path):
    """Return a function: members -> the faults of a WAD submission of them, by their names."""
    form, expected, _ = case("wad")

    def check(path):
        report = check_submission(path, form, expected)
        return {f.what: f.names for f in report.faults if f.what != "frames without a map"}

    return check


def _zip(path, name, content, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content, method)
    return path


@pytest.mark.parametrize("name", ["/etc/x.png", "../up.png", "a/../../b", "C:\\x", "a\\..\\..\\b"])
def test_names_that_leave_the_archive_are_refused(faults, tmp_path, name):
    path = _zip(tmp_path / "a.zip", name, b"x")
    assert faults(path) == {"members that point outside the archive": [name]}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(faults, tmp_path, kind):
    info = zipfile.ZipInfo(FIRST)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    path = _zip(tmp_path / "a.zip", info, "/etc/passwd")
    assert faults(path) == {"members that are links or special files": [FIRST]}


def test_encrypted_members_are_refused(faults, tmp_path):
    path = _zip(tmp_path / "a.zip", FIRST, b"x" * 20)
    _patch_directory(path, flag=1)
    assert faults(path) == {"members that are encrypted": [FIRST]}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_a_bound_are_refused(faults, tmp_path, method):
    path = _zip(tmp_path / "a.zip", FIRST, b"x" * 20, method)
    assert faults(path) == {"members that are compressed by another method than deflate": [FIRST]}


def test_a_declared_bomb_is_not_inflated(faults, tmp_path):
    path = _zip(tmp_path / "a.zip", FIRST, bytes(1 << 20), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2000
    assert faults(path) == {"members that are larger than 65920 bytes": [FIRST]}


def test_a_bomb_that_declares_little_stops_at_what_it_declares(faults, tmp_path):
    path = _zip(tmp_path / "a.zip", FIRST, bytes(1 << 27), zipfile.ZIP_DEFLATED)
    _patch_directory(path, size=1000)
    tracemalloc.start()
    assert faults(path) == {"damaged members (size or checksum is wrong)": [FIRST]}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_name_that_is_there_twice_is_refused(faults, case, tmp_path):
    content = case("wad")[2][0][1]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(FIRST, content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(FIRST, content)
    said = faults(tmp_path / "a.zip")
    assert said == {"members that are in the archive twice under one name": [FIRST]}


def test_an_archive_cut_anywhere_or_with_flipped_bits_never_reads_as_good(case, write_zip, tmp_path):
    form, expected, members = case("wad")
    path = write_zip(tmp_path / "a.zip", members)
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        with pytest.raises(SubmissionError, match=r"a\.zip: not a zip, or damaged"):
            check_submission(path, form, expected)
    draw = random.Random(0)
    starts = [data.index(content) for _, content in members]
    for _ in range(200):
        broken, (_, content) = bytearray(data), members[number := draw.randrange(3)]
        broken[starts[number] + draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(broken)
        assert not check_submission(path, form, expected).is_valid
