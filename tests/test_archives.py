"""Archives: hostile ones refused with the reason, our own the same bytes in any number of attempts.

What ``zipfile`` writes is patched by hand to lie; what we write is read by ``zipfile``.
"""

import io
import random
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from segibn.errors import SegibnError
from segibn.files import ForeignZip, PartialFile, ZipLimits, ZipStream

CENTRAL = struct.Struct("<4s4B4HL2L5H2L")  # one entry of the directory
MEMBERS = [(f"{number:02d}.png", bytes([number]) * (50 + number)) for number in range(8)]


def _zip(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def _patch_directory(path: Path, number: int, **fields: int) -> None:
    """Change fields of a directory entry: flag, size, offset."""
    data = bytearray(path.read_bytes())
    place = -1
    for _ in range(number + 1):
        place = data.index(b"PK\x01\x02", place + 1)
    entry = list(CENTRAL.unpack_from(data, place))
    for name, value in fields.items():
        entry[{"flag": 5, "size": 11, "offset": 18}[name]] = value
    CENTRAL.pack_into(data, place, *entry)
    path.write_bytes(data)


def _faults(path: Path, **limits: int) -> list[str]:
    with ForeignZip(path, ZipLimits(**limits)) as archive:
        return [member.fault for member in archive.members]


# ---- foreign archives ----


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.png", "a/../../b", "C:\\x", "a\\..\\..\\b"])
def test_names_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = _zip(tmp_path / "a.zip", (name, b"x"), ("good.png", b"y"))
    assert _faults(path) == ["point outside the archive", ""]
    with ForeignZip(path) as archive:
        with pytest.raises(SegibnError, match="outside the archive"):
            archive.read(archive.members[0])
        assert archive.read(archive.members[1]) == b"y"
    with pytest.raises(ValueError, match="relative path"):
        ZipStream(io.BytesIO(), [name])


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link.png")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert _faults(tmp_path / "a.zip") == ["are links or special files"]


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("a.png", b"x" * 20))
    _patch_directory(path, 0, flag=1)
    assert _faults(path) == ["are encrypted"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_without_a_bound_are_refused(tmp_path: Path, method: int) -> None:
    path = _zip(tmp_path / "a.zip", ("a.png", b"x" * 20), method=method)
    assert _faults(path) == ["are compressed by another method than deflate"]


def test_a_declared_bomb_is_not_inflated(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("a.png", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2000
    assert _faults(path, member_bytes=1000) == ["are larger than 1000 bytes"]
    with pytest.raises(SegibnError, match="declares 1048576 bytes when unpacked"):
        ForeignZip(path, ZipLimits(total_bytes=1 << 19))


def test_a_bomb_that_declares_little_stops_at_what_it_declares(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", ("a.png", bytes(1 << 27)), method=zipfile.ZIP_DEFLATED)
    _patch_directory(path, 0, size=1000)
    tracemalloc.start()
    with ForeignZip(path) as archive, pytest.raises(SegibnError, match="damaged"):
        archive.read(archive.members[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """The densest bombs point many entries at one stretch of compressed zeros."""
    path = _zip(tmp_path / "a.zip", ("a.png", b"x" * 99), ("b.png", b"y"), ("c.png", b"z"))
    _patch_directory(path, 1, offset=0)
    assert _faults(path) == ["share bytes", "share bytes", ""]


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = _zip(tmp_path / "a.zip", ("a.png", b"x"), ("a.png", b"y"))
    assert _faults(path) == ["", "are in the archive twice under one name"]


def test_too_many_members_are_refused_before_the_directory_is_read(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", *((f"{number}.png", b"") for number in range(50)))
    with pytest.raises(SegibnError, match="50 members"):
        ForeignZip(path, ZipLimits(members=49))
    data = bytearray(path.read_bytes())
    struct.pack_into("<2H", data, len(data) - 14, 1, 1)  # the end of the file lies
    path.write_bytes(data)
    with pytest.raises(SegibnError, match="50 members"):
        ForeignZip(path, ZipLimits(members=49))
    with pytest.raises(SegibnError, match="more than"):
        ForeignZip(path, ZipLimits(directory_bytes=1000))


def test_the_64_bit_directory_is_bounded_too(tmp_path: Path) -> None:
    count = 65_600  # one more than 16 bits hold, and some
    path = _zip(tmp_path / "a.zip", *((str(number), b"") for number in range(count)))
    with ForeignZip(path, ZipLimits(members=count)) as archive:
        assert len(archive.members) == count
    with pytest.raises(SegibnError, match="declares 65600 members"):
        ForeignZip(path, ZipLimits(members=65_599))


def test_an_archive_cut_anywhere_or_with_flipped_bits_never_reads_as_good(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", *MEMBERS)
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        with pytest.raises(SegibnError, match=r"a\.zip: not a zip, or damaged"):
            ForeignZip(path)
    draw = random.Random(0)
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            broken[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(broken)
        try:
            with ForeignZip(path) as archive:
                for member in archive.members:
                    content = archive.read(member)
                    assert content in [body for _, body in MEMBERS]  # names may have changed
        except SegibnError:
            continue


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SegibnError, match=r"absent\.zip: cannot be read"):
        ForeignZip(tmp_path / "absent.zip")


# ---- our own ----


def _write(path: Path, stop_after: int | None = None) -> int:
    """Write MEMBERS; ``stop_after`` leaves without finishing. Returns how many were there."""
    with PartialFile(path, "key") as file:
        stream = ZipStream(file.stream, [name for name, _ in MEMBERS])
        there = stream.finished
        for name, content in MEMBERS[there:stop_after]:
            stream.add(name, content)
        if stop_after is None:
            stream.finish()
            file.commit()
    return there


def test_zipfile_reads_what_a_stream_wrote(tmp_path: Path) -> None:
    assert _write(tmp_path / "a.zip") == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == MEMBERS
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_taken_up_at_any_byte_is_the_one_written_at_once(tmp_path: Path) -> None:
    _write(tmp_path / "whole.zip")
    whole = (tmp_path / "whole.zip").read_bytes()
    partial = tmp_path / ".a.zip.key.partial"
    ends = [sum(30 + len(n) + len(c) for n, c in MEMBERS[:count]) for count in range(9)]
    for length in (*range(0, len(whole), 13), *ends, len(whole) - 1, len(whole)):
        partial.write_bytes(whole[:length])
        assert _write(tmp_path / "a.zip") == sum(end <= length for end in ends) - 1
        assert (tmp_path / "a.zip").read_bytes() == whole
        assert not partial.exists()


def test_a_damaged_member_is_written_again(tmp_path: Path) -> None:
    _write(tmp_path / "whole.zip")
    _write(tmp_path / "a.zip", stop_after=5)
    partial = tmp_path / ".a.zip.key.partial"
    data = bytearray(partial.read_bytes())
    data[100] ^= 1  # in the second member
    partial.write_bytes(data)
    assert _write(tmp_path / "a.zip") == 1
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()


def test_nothing_half_written_has_the_final_name(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"the one before")
    _write(tmp_path / "a.zip", stop_after=3)
    assert (tmp_path / "a.zip").read_bytes() == b"the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.zip.key.partial", "a.zip"]


def test_what_was_begun_with_another_key_is_removed(tmp_path: Path) -> None:
    for name in (".a.zip.other.partial", ".b.zip.other.partial", "a.zip.partial"):
        (tmp_path / name).write_bytes(b"x")
    _write(tmp_path / "a.zip")
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [".b.zip.other.partial", "a.zip", "a.zip.partial"]


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    code = (
        "import sys, pathlib\nfrom segibn.files import PartialFile\n"
        "PartialFile(pathlib.Path(sys.argv[1]), 'key')\n"
    )
    with PartialFile(tmp_path / "a.zip", "key"):
        command = [sys.executable, "-c", code, str(tmp_path / "a.zip")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "SegibnError" in done.stderr
    assert "another process is writing it" in done.stderr


def test_members_come_in_the_order_that_was_said(tmp_path: Path) -> None:
    stream = ZipStream(io.BytesIO(), ["a", "b"])
    with pytest.raises(ValueError, match="not the next"):
        stream.add("b", b"")
    stream.add("a", b"")
    with pytest.raises(ValueError, match="1 of 2"):
        stream.finish()
    with pytest.raises(ValueError, match="repeated"):
        ZipStream(io.BytesIO(), ["a", "a"])
