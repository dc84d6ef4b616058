"""What a file is, told by its first bytes: names end as they please.

In: a path. Out: whether it is read as a picture, as a video, or is a picture of a kind that is not
read. The signatures are those of the formats' own specifications.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segibn.files import IMAGE_SUFFIXES

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
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "camera raw",
}
_NOT_READ = (
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"gimp xcf", "GIMP"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"\0\0\x01\0\x01\0", "icon"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"FOVb", "camera raw"),
)
_NOT_READ_SUFFIXES = {
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srw", ".pef"), "camera raw"),
    **dict.fromkeys((".orf", ".rw2", ".raf", ".rwl", ".3fr", ".iiq", ".raw"), "camera raw"),
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **{".avif": "AVIF", ".jp2": "JPEG 2000", ".jxl": "JPEG XL", ".gif": "GIF", ".tga": "TGA"},
}
_ANYMAP = re.compile(rb"P[1-7F]\s+(#|[A-Z]|-?\d)")


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes:
        role: as what it is read; ``unread`` for a picture that is not.
        name: of the format; of an unread one, what it is and that it is not read.
        counts_frames: of a video, whether the container counts its frames; others only say how
            long it is.
    """

    role: Literal["picture", "video", "unread"]
    name: str = ""
    counts_frames: bool = True


PICTURE, VIDEO = Kind("picture"), Kind("video")
_TIFF = Kind("picture", "TIFF")
_MEASURED = Kind("video", counts_frames=False)


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is by its content, or, where that is not known, by its suffix.

    A device or a pipe, which could block, is not opened.

    Returns:
        None where it is neither a picture nor a video.
    """
    suffix, kind = path.suffix.lower(), None
    try:
        if path.exists() and not path.is_file():
            return None
        with path.open("rb") as file:
            kind = _by_content(file.read(_START))
    except OSError:  # said again when it is read
        pass
    if suffix in _NOT_READ_SUFFIXES and kind in (None, _TIFF):  # camera raws are TIFFs of a kind
        return _unread(_NOT_READ_SUFFIXES[suffix])
    if kind is PICTURE and suffix in (".mjpg", ".mjpeg"):  # JPEGs one after another
        return _MEASURED
    if kind is None and suffix in IMAGE_SUFFIXES:
        return PICTURE
    return VIDEO if kind is None and suffix in VIDEO_SUFFIXES else kind


def is_text(path: Path) -> bool:
    """Whether a file begins with printable characters only."""
    with path.open("rb") as file:
        start = file.read(_START).split(b"YUV4MPEG2", 1)[0]
    return bool(start) and not any(byte < 9 or byte in range(14, 32) for byte in start)


def _unread(name: str) -> Kind:
    return Kind("unread", f"{name} file, which is not read")


def _by_content(start: bytes) -> Kind | None:
    if start.startswith(_PICTURES) or _is_bmp(start):
        return PICTURE
    if start.startswith(_TIFFS):
        return _TIFF
    if start.startswith(b"RIFF"):
        return {b"WEBP": PICTURE, b"AVI ": VIDEO}.get(start[8:12])
    if start[4:8] in _BOXES:
        brand = start[8:12] if start[4:8] == b"ftyp" else b""
        return _unread(_BRANDS[brand]) if brand in _BRANDS else VIDEO
    if start.startswith(_VIDEOS) or _is_transport_stream(start):
        return _MEASURED
    return _picture_not_read(start)


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


def _picture_not_read(start: bytes) -> Kind | None:
    for signature, name in _NOT_READ:
        if start.startswith(signature):
            return _unread(name)
    if start[128:132] == b"DICM":
        return _unread("DICOM")
    if _ANYMAP.match(start):
        return _unread("anymap (PNM)")
    text = start.lower()
    return _unread("SVG") if b"<svg" in text and b"<html" not in text else None
