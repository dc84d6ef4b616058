"""What bytes are that should have been a picture, in words that lead to the fix.

In: the start of a file. Out: a phrase for messages.
"""

import codecs
import re

_READ = re.compile(rb"BM|II\*\x00|MM\x00\*|RIFF....WEBP|\x89PNG|\xff\xd8", re.DOTALL)
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<(\?xml|error)\b", re.IGNORECASE)
_PICTURES = (
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"....ftyp(heic|heix|hevc|mif1|msf1|heim|heis)", re.DOTALL), "HEIC"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "AVIF"),
    (re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), "JPEG 2000"),
    (re.compile(rb"\x00\x00\x00\x0cJXL |\xff\x0a"), "JPEG XL"),
    (re.compile(rb"P[1-7]\s"), "PNM"),
    (re.compile(rb"8BPS"), "Photoshop"),
    (re.compile(rb"\x76\x2f\x31\x01"), "OpenEXR"),
    (re.compile(rb"\s*<(\?xml[^>]*>\s*(<!--.*?-->\s*)?<)?svg\b", re.DOTALL), "SVG"),
)
_OTHERS = (
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL), "a video"),
)


def describe(data: bytes) -> str:
    """Say what a file is that holds no JPEG, PNG, BMP, WebP or TIFF, and what to do.

    Args:
        data: its first bytes, some hundred.
    """
    start = data[:512]
    if _READ.match(start):
        return "it is damaged or cut short; copy or download it again"
    if _LFS.match(start):
        return "a Git LFS pointer in place of the file; run `git lfs pull`"
    if _HTML.match(start):
        return "a web page saved as a picture; download the file again, logged in if need be"
    for pattern, name in _PICTURES:
        if pattern.match(start):
            return f"a picture of a kind that is not read ({name}); convert it to PNG"
    if _XML.match(start):
        return "an XML text, as servers answer with errors; download the file again"
    for pattern, name in _OTHERS:
        if pattern.match(start):
            return f"not a picture ({name} inside); give a picture, or leave it out"
    if not any(start):
        return "nothing but zero bytes; copy or download it again"
    kind = "text" if _is_text(start) else "no JPEG, PNG, BMP, WebP or TIFF"
    return f"not a readable picture ({kind} inside); give a picture, or leave it out"


def _is_text(start: bytes) -> bool:
    """Whether bytes are text, of which the last character may be cut."""
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
