"""What a file is, told by the signatures of the formats' specifications; by its name if by none."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

# Suffixes are compared without regard to case.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (  # without .ts, as programs end with it too
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob", ".mts"),
    *(".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".mjpg", ".mjpeg"),
)
_RAW = ".dng .cr2 .cr3 .nef .nrw .arw .srw .pef .orf .rw2 .raf .rwl .3fr .iiq .raw"
_UNREAD = (  # kinds of picture that are not read: name, suffixes, signature
    ("GIF", ".gif", rb"GIF8"),
    ("HEIC", ".heic .heif", rb"....ftyp(hei[cxms]|hevc|mif1|msf1)"),
    ("AVIF", ".avif", rb"....ftypavi[fs]"),
    ("camera raw", _RAW, rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\0|IIRO|FOVb"),
    ("JPEG 2000", ".jp2 .j2k", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("JPEG XL", ".jxl", rb"\0\0\0\x0cJXL |\xff\x0a"),
    ("PNM", ".ppm .pgm .pbm .pnm", rb"P[1-7F]\s+(#|[A-Z]|-?\d)"),
    ("Photoshop", ".psd", rb"8BPS"),
    ("OpenEXR", ".exr", rb"v/1\x01"),
    ("Radiance HDR", ".hdr", rb"#\?RADIANCE"),
    ("SVG", ".svg", rb"(?i)(?!.*<html).*<svg"),
    ("TGA", ".tga", rb"(?!)"),  # which has none
    ("PDF", "", rb"%PDF"),
    ("PostScript", "", rb"%!PS"),
    ("GIMP", "", rb"gimp xcf"),
    ("DDS", "", rb"DDS "),
    ("QOI", "", rb"qoif"),
    ("icon", "", rb"\0\0\x01\0\x01\0"),
    ("DICOM", "", rb".{128}DICM"),
)
UNREAD_SUFFIXES = {suffix: name for name, suffixes, _ in _UNREAD for suffix in suffixes.split()}


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    role: Literal["picture", "video", "unread"]  # unread: a picture of a kind that is not read
    name: str = ""  # of the format
    counts_frames: bool = True  # of a video; other containers only say how long it is


VIDEO, MEASURED_VIDEO = Kind("video"), Kind("video", counts_frames=False)
_KINDS = (
    (Kind("picture", "JPEG"), rb"\xff\xd8\xff"),
    (Kind("picture", "PNG"), rb"\x89PNG\r\n\x1a\n"),
    (Kind("picture", "BMP"), rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    (Kind("picture", "TIFF"), rb"II[*+]\0|MM\0[*+]"),
    (Kind("picture", "WebP"), rb"RIFF....WEBP"),
    (VIDEO, rb"RIFF....AVI "),
    # Matroska and WebM, Flash, ASF and WMV, Ogg, MXF, YUV4MPEG2, IVF, RealMedia.
    (MEASURED_VIDEO, rb"\x1aE\xdf\xa3|FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|OggS"),
    (MEASURED_VIDEO, rb"\x06\x0e\x2b\x34\x02\x05\x01\x01|YUV4MPEG2 |DKIF|\.RMF"),
    # MPEG program and bare streams, bare H.264 and H.265.
    (MEASURED_VIDEO, rb"\0\0\x01[\xba\xb3\xb0]|\0\0\0\x01([\x67\x27\x09]|\x40\x01)"),
    # A transport stream: packets of 188 bytes after 0x47, in .m2ts with a time of 4 bytes before.
    (MEASURED_VIDEO, rb"G(.{187}G){4}|....G(.{191}G){4}"),
    *((Kind("unread", name), signature) for name, _, signature in _UNREAD),
    # MP4 and QuickTime: a length, then one of their boxes.
    (VIDEO, rb"....(ftyp|moov|mdat|moof|wide|free|skip|pnot)"),
)
_START = 1024  # bytes: five packets of a transport stream
_NO_PICTURE = "not a picture ({} inside); give a picture, or leave it out"
_OTHERS = (
    (rb"version https://git-lfs\.github\.com/spec/", "a Git LFS pointer in place of the file; run "
     "`git lfs pull`"),
    (rb"(?i)\s*<(!doctype\s+html|html|head|body)\b", "a web page saved as a picture; download the "
     "file again, logged in if need be"),
    (rb"(?i)\s*<(\?xml|error)\b(?!.*<svg)", "an XML text, as servers answer with errors; download "
     "the file again"),
    (rb"PK\x03\x04", _NO_PICTURE.format("a zip archive")),
    (rb"\x1f\x8b", _NO_PICTURE.format("a gzip archive")),
    (rb"\x93NUMPY", _NO_PICTURE.format("a NumPy array")),
    (rb"\0*\Z", "nothing but zero bytes; copy or download it again"),
)  # fmt: skip


def kind_of_bytes(start: bytes) -> Kind | None:
    """Tell a picture or video by its first bytes, a thousand; None if it is neither."""
    return next((kind for kind, sign in _KINDS if re.match(sign, start, re.DOTALL)), None)


def describe(data: bytes) -> str:
    """Say of a file's first bytes, that no decoder of pictures took, what they are and the fix."""
    start = data[:512]
    for sign, what in _OTHERS:
        if re.match(sign, start, re.DOTALL):
            return what
    kind = kind_of_bytes(start)
    if kind is None:
        inside = "text" if is_text(start) else "no JPEG, PNG, BMP, WebP or TIFF"
        return f"not a readable picture ({inside} inside); give a picture, or leave it out"
    if kind.role == "unread":
        return f"a picture of a kind that is not read ({kind.name}); convert it to PNG"
    if kind.role == "video":
        return _NO_PICTURE.format("a video")
    return "it is damaged or cut short; copy or download it again"


def kind_of(path: Path) -> Kind | None:
    """Tell what a file is by its content, or, where that is not known, by its suffix."""
    suffix, kind = path.suffix.lower(), None
    try:
        if path.exists() and not path.is_file():  # a device or a pipe could block
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


def is_text(start: bytes) -> bool:
    """Whether bytes are printable characters only."""
    return bool(start) and not any(byte < 9 or byte in range(14, 32) for byte in start)
