"""Label maps as PNGs in a zip: written for a benchmark, and read from anybody with distrust.

Nothing is unpacked to disk. What an archive declares is held against limits before anything is
inflated, and no more is inflated than was declared.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image

from segibn.errors import SubmissionError
from segibn.files import png
from segibn.submission.expected import Expected
from segibn.submission.formats import Format, Size
from segibn.submission.report import Entry, Findings
from segibn.text import printable

_TIME = (1980, 1, 1, 0, 0, 0)  # a fixed time makes equal maps give equal bytes
_MAX_MEMBERS = 100_000
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile inflates others without a limit
_MAX_LARGER = 4  # a map of so many times the pixels is still decoded, to look at its values


def encode_png(form: Format, train_ids: np.ndarray) -> bytes:
    """(H, W) uint8 train ids -> a grey PNG of the benchmark's values."""
    return cv2.imencode(".png", form.labels.to_label_ids(train_ids))[1].tobytes()


def pack_zip(path: Path, form: Format, maps: Iterable[tuple[str, bytes]]) -> None:
    """Write PNGs, by key, as they are: they are compressed already."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, content in maps:
            info = zipfile.ZipInfo(form.member.format(key=key), _TIME)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)


def open_zip(path: Path, expected: Expected) -> zipfile.ZipFile:
    """Open an archive that declares no more than a submission of these frames can need."""
    if path.exists() and not path.is_file():
        raise SubmissionError(f"{path} is no regular file; give a zip")
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise SubmissionError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # whatever zipfile stumbles over
        raise SubmissionError(f"{path}: not a zip, or damaged ({printable(error)})") from error
    members = len(archive.filelist)
    size = sum(info.file_size for info in archive.filelist)
    most = max(_MAX_MEMBERS, 4 * expected.num_frames)
    most_bytes = _most_bytes(expected) * (expected.num_frames + 1000)
    if members > most or size > most_bytes:
        archive.close()
        raise SubmissionError(
            f"{path}: declares {members} members and {size} bytes when unpacked; more than {most} "
            f"members or {most_bytes} bytes are not read"
        )
    return archive


def zip_entries(archive: zipfile.ZipFile, form: Format, expected: Expected, findings: Findings) -> Iterator[Entry]:
    """Yield the maps of an archive; what is none, or must not be read, becomes a finding."""
    folders: dict[PurePosixPath, str] = {}
    seen, most_bytes = set[str](), _most_bytes(expected)
    for info in archive.filelist:
        name, place = info.filename, PurePosixPath(info.filename.replace("\\", "/"))
        if name.endswith("/") and not info.file_size:
            continue
        key = form.key_of_member(place.name)
        if fault := _fault_of(info, most_bytes):
            findings.add(f"members that {fault}", name)
        elif name in seen:
            findings.add("members that are in the archive twice under one name", name)
        elif "__MACOSX" in name or place.name == ".DS_Store":
            findings.add("files that macOS adds to zips (leave them out)", name)
        elif key is None:
            findings.add(f"files not named {form.member.format(key='<id>')}", name)
        else:
            folders.setdefault(place.parent, name)
            yield Entry(name, key, partial(_load, archive, info, expected.size_of(key)))
        seen.add(name)
    if form.one_folder and len(folders) > 1:
        for name in folders.values():
            findings.add("folders with maps (they must lie in one)", name)


def _most_bytes(expected: Expected) -> int:
    """Of one map: even 16-bit RGBA, uncompressed, is to be told as such."""
    sizes = (expected.sizes or {}).values()
    return 8 * max((h * w for h, w in sizes), default=np.prod(expected.default_size)) + (1 << 16)


def _fault_of(info: zipfile.ZipInfo, most_bytes: int) -> str:
    """Say why a member must not be read; "" if nothing speaks against it."""
    name = info.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    mode = info.external_attr >> 16 if info.create_system == 3 else 0
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in name:
        return "point outside the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "are links or special files"
    if info.flag_bits & 1:
        return "are encrypted"
    if info.compress_type not in _BOUNDED:
        return "are compressed by another method than deflate"
    return f"are larger than {most_bytes} bytes" if info.file_size > most_bytes else ""


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: Size) -> tuple[list[str], np.ndarray | None]:
    try:
        # With a number zipfile inflates no more than that, cuts at the declared size and compares
        # the checksum; without one it would inflate all there is.
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)
    except Exception:  # whatever zipfile stumbles over
        return ["damaged members (size or checksum is wrong)"], None
    return examine_png(data, size)


def examine_png(data: bytes, size: Size) -> tuple[list[str], np.ndarray | None]:
    """Examine what should be an 8-bit grey PNG of a size (H, W) -> faults (plurals), values.

    Values (h, w) are None if unreadable, of another kind, or many more than the size has.
    """
    if not data.startswith(png.SIGNATURE):
        return ["files that are no PNGs"], None
    try:
        layout = png.read_layout(data)
        png.verify(data, layout)
    except ValueError as error:
        return ["truncated PNGs" if str(error) == png.TRUNCATED else "damaged PNGs"], None
    faults = []
    is_grey = (layout.bits, layout.color_type) == (8, png.GREY)
    if not is_grey:
        kind = f"{layout.bits}-bit {png.KINDS[layout.color_type]}"
        faults.append(f"{kind} PNGs (must be 8-bit grey, mode L)")
    height, width = layout.size
    if layout.size != size:
        faults.append(f"maps of {height}x{width} instead of {size[0]}x{size[1]} (H x W)")
    if not is_grey or height * width > _MAX_LARGER * size[0] * size[1]:
        return faults, None
    try:
        if layout.is_plain:
            return faults, png.decode_window(data, layout)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:  # interlaced, transparent
            return faults, np.array(image, np.uint8)
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error):
        return [*faults, "damaged PNGs"], None
