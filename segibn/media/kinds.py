"""What a file is: a picture, a video, or a picture of a kind that is not read; names may lie."""

from dataclasses import replace
from pathlib import Path

from segibn.files import IMAGE_SUFFIXES
from segibn.files.contents import (
    MEASURED_VIDEO,
    UNREAD_SUFFIXES,
    VIDEO,
    Kind,
    is_text,
    kind_of_bytes,
)

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob", ".mts"),
    *(".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".mjpg", ".mjpeg"),
)
"""Of files whose content says nothing, such as damaged ones: .ts is left to content, as programs
end with it too."""

_START = 1024  # bytes: five packets of a transport stream


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is by its content, or, where that is not known, by its suffix.

    A device or a pipe, which could block, is not opened.
    """
    suffix, kind = path.suffix.lower(), None
    try:
        if path.exists() and not path.is_file():
            return None
        with path.open("rb") as file:
            kind = kind_of_bytes(file.read(_START))
    except OSError:  # said again when it is read
        pass
    if suffix in UNREAD_SUFFIXES and (kind is None or kind.name == "TIFF"):  # as camera raws are
        kind = Kind("unread", UNREAD_SUFFIXES[suffix])
    if kind is None:
        if suffix in IMAGE_SUFFIXES:
            return Kind("picture")
        return VIDEO if suffix in VIDEO_SUFFIXES else None
    if kind.role == "unread":
        return replace(kind, name=f"{kind.name} file, which is not read")
    # JPEGs one after another.
    return MEASURED_VIDEO if kind.name == "JPEG" and suffix in (".mjpg", ".mjpeg") else kind


def begins_with_text(path: Path) -> bool:
    """Whether a file begins with printable characters only, and is no raw video."""
    with path.open("rb") as file:
        return is_text(file.read(_START).split(b"YUV4MPEG2", 1)[0])
