"""What a file is, told by its first bytes: picture, video, or a picture of a kind that is not read.

Signatures are those of the formats' own specifications.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segibn.files import IMAGE_SUFFIXES
from segibn.files.contents import UNREAD_SUFFIXES, is_text, unread_kind

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob", ".mts"),
    *(".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".mjpg", ".mjpeg"),
)
"""Of files whose content says nothing, such as damaged ones: .ts is left to content, as programs
end with it too."""

_START = 1024  # bytes: five packets of a transport stream
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VIDEOS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    bytes.fromhex("3026b2758e66cf11"),  # ASF, WMV
    b"OggS",
    *(b"\0\0\x01" + code for code in (b"\xba", b"\xb3", b"\xb0")),  # MPEG program, bare streams
    *(b"\0\0\0\x01" + code for code in (b"\x67", b"\x27", b"\x09", b"\x40\x01")),  # bare H.26x
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01",  # MXF
    b"YUV4MPEG2 ",
    b"DKIF",  # IVF
    b".RMF",
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"pnot")
"""What an MP4 or QuickTime file begins with, after the length of it."""


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    role: Literal["picture", "video", "unread"]
    name: str = ""
    """Of the format; of an unread one, what it is and that it is not read."""
    counts_frames: bool = True
    """Of a video: its container counts them; others only say how long it is."""


PICTURE, VIDEO = Kind("picture"), Kind("video")
_TIFF = Kind("picture", "TIFF")
_MEASURED = Kind("video", counts_frames=False)


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is by its content, or, where that is not known, by its suffix.

    A device or a pipe, which could block, is not opened.
    """
    suffix, kind = path.suffix.lower(), None
    try:
        if path.exists() and not path.is_file():
            return None
        with path.open("rb") as file:
            kind = _by_content(file.read(_START))
    except OSError:  # said again when it is read
        pass
    if suffix in UNREAD_SUFFIXES and kind in (None, _TIFF):  # camera raws are TIFFs of a kind
        return _unread(UNREAD_SUFFIXES[suffix])
    if kind is PICTURE and suffix in (".mjpg", ".mjpeg"):  # JPEGs one after another
        return _MEASURED
    if kind is None and suffix in IMAGE_SUFFIXES:
        return PICTURE
    return VIDEO if kind is None and suffix in VIDEO_SUFFIXES else kind


def begins_with_text(path: Path) -> bool:
    """Whether a file begins with printable characters only, and is no raw video."""
    with path.open("rb") as file:
        return is_text(file.read(_START).split(b"YUV4MPEG2", 1)[0])


def _unread(name: str) -> Kind:
    return Kind("unread", f"{name} file, which is not read")


def _by_content(start: bytes) -> Kind | None:
    if start.startswith(_PICTURES) or _is_bmp(start):
        return PICTURE
    if start.startswith(_TIFFS):
        return _TIFF
    if start.startswith(b"RIFF"):
        return {b"WEBP": PICTURE, b"AVI ": VIDEO}.get(start[8:12])
    if start.startswith(_VIDEOS) or _is_transport_stream(start):
        return _MEASURED
    if name := unread_kind(start):
        return _unread(name)
    return VIDEO if start[4:8] in _BOXES else None


def _is_bmp(start: bytes) -> bool:
    """BITMAPFILEHEADER, then a header of one of the sizes that there are."""
    return start.startswith(b"BM") and start[14:18] in {
        size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)
    }


def _is_transport_stream(start: bytes) -> bool:
    """Packets of 188 bytes, each after 0x47, with a time of 4 bytes before it in .m2ts."""
    return any(
        len(start) > first + 2 * step and set(start[first::step]) == {0x47}
        for first, step in ((0, 188), (4, 192))
    )
