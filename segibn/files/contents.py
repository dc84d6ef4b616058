"""What bytes are that should have been a picture, in words that lead to the fix."""

import re

_READ = re.compile(rb"BM|II\*\x00|MM\x00\*|RIFF....WEBP|\x89PNG|\xff\xd8", re.DOTALL)
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<(\?xml|error)\b", re.IGNORECASE)
_NOT_READ = {
    name: re.compile(signature, re.DOTALL)
    for name, signature in {
        "GIF": rb"GIF8",
        "HEIC": rb"....ftyp(hei[cxms]|hevc|mif1|msf1)",
        "AVIF": rb"....ftypavi[fs]",
        "camera raw": rb"....ftypcrx |FUJIFILMCCD-RAW|IIU\0|IIRO|FOVb",
        "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "JPEG XL": rb"\0\0\0\x0cJXL |\xff\x0a",
        "PNM": rb"P[1-7F]\s+(#|[A-Z]|-?\d)",
        "Photoshop": rb"8BPS",
        "OpenEXR": rb"v/1\x01",
        "Radiance HDR": rb"#\?RADIANCE",
        "PDF": rb"%PDF",
        "PostScript": rb"%!PS",
        "GIMP": rb"gimp xcf",
        "DDS": rb"DDS ",
        "QOI": rb"qoif",
        "icon": rb"\0\0\x01\0\x01\0",
        "DICOM": rb".{128}DICM",
    }.items()
}
"""The signatures of the formats' own specifications."""

UNREAD_SUFFIXES = {
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srw", ".pef"), "camera raw"),
    **dict.fromkeys((".orf", ".rw2", ".raf", ".rwl", ".3fr", ".iiq", ".raw"), "camera raw"),
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".jp2", ".j2k"), "JPEG 2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PNM"),
    **{".avif": "AVIF", ".jxl": "JPEG XL", ".gif": "GIF", ".tga": "TGA", ".psd": "Photoshop"},
    **{".exr": "OpenEXR", ".hdr": "Radiance HDR", ".svg": "SVG"},
}
"""Endings of pictures of kinds that are not read, and these kinds."""

_OTHERS = (
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL), "a video"),
)


def describe(data: bytes) -> str:
    """Say of a file's first bytes, that hold no picture of a kind that is read, what they are."""
    start = data[:512]
    if _READ.match(start):
        return "it is damaged or cut short; copy or download it again"
    if _LFS.match(start):
        return "a Git LFS pointer in place of the file; run `git lfs pull`"
    if _HTML.match(start):
        return "a web page saved as a picture; download the file again, logged in if need be"
    if name := unread_kind(start):
        return f"a picture of a kind that is not read ({name}); convert it to PNG"
    if _XML.match(start):
        return "an XML text, as servers answer with errors; download the file again"
    for pattern, name in _OTHERS:
        if pattern.match(start):
            return f"not a picture ({name} inside); give a picture, or leave it out"
    if not any(start):
        return "nothing but zero bytes; copy or download it again"
    kind = "text" if is_text(start) else "no JPEG, PNG, BMP, WebP or TIFF"
    return f"not a readable picture ({kind} inside); give a picture, or leave it out"


def unread_kind(start: bytes) -> str | None:
    """Name the format of a picture of a kind that is not read, by its first bytes."""
    text = start.lower()
    if b"<svg" in text and b"<html" not in text:
        return "SVG"
    return next((name for name, found in _NOT_READ.items() if found.match(start)), None)


def is_text(start: bytes) -> bool:
    """Whether bytes are printable characters only."""
    return bool(start) and not any(byte < 9 or byte in range(14, 32) for byte in start)
