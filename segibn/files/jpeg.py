"""What the markers of a JPEG (ITU-T T.81, annex B) say before anything is decoded.

A decoder reserves the memory that a header declares and passes over it for each scan, so a few
bytes can ask for gigabytes and hours: such files are refused.
"""

import re
from dataclasses import dataclass

MAGIC = b"\xff\xd8"
_MAX_SCANS = 100  # progressive files have about ten; jpegrescan tries a few dozen
_MAX_WORK = 1 << 29  # pixels times scans
_MAX_BUFFERED = 1 << 25  # pixels whose coefficients are all kept until the last scan
_BLOCK_PIXELS = 64
_PROGRESSIVE, _SCAN, _APP1 = 0xC2, 0xDA, 0xE1
_FRAMES = {0xC0, 0xC1, _PROGRESSIVE}  # baseline, extended and progressive, with Huffman codes
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_FILL = re.compile(rb"\xff+(?=\xff)")
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


@dataclass(frozen=True)
class JpegLayout:
    """What the header says."""

    size: tuple[int, int]  # (H, W) as stored
    bits: int  # of a sample
    components: int  # 1 grey, 3 colour, 4 CMYK
    has_metadata: bool  # a segment that may hold an orientation


def read_layout(data: bytes) -> JpegLayout:
    """Walk over the markers; ValueError for what is damaged or would keep a decoder busy."""
    frame, has_metadata, position = None, False, 2
    while (segment := _segment(data, position))[0] != _SCAN:
        marker, _, position = segment
        if marker in _OTHER_FRAMES:
            raise ValueError("a lossless or arithmetic-coded JPEG; convert it to a common one")
        frame = segment if marker in _FRAMES else frame
        has_metadata |= marker == _APP1
    if frame is None or frame[2] - frame[1] < 6:
        raise ValueError("a damaged JPEG: a scan without a frame")
    kind, first, _ = frame
    bits, components = data[first], data[first + 5]
    height = int.from_bytes(data[first + 1 : first + 3], "big")
    width = int.from_bytes(data[first + 3 : first + 5], "big")
    _, start, stop = segment
    end = data.find(b"\xff\xd9", stop)
    if end < 0:
        raise ValueError("the file is cut short")
    many = kind == _PROGRESSIVE or data[start] < components  # else one scan is decoded
    more = data.count(b"\xff\xda", stop, end) if many else 0
    pixels, scans = height * width, 1 + more
    buffered = pixels if more else 0
    if scans > _MAX_SCANS or pixels * scans > _MAX_WORK or buffered > _MAX_BUFFERED:
        raise ValueError(
            f"a JPEG of {pixels:,} pixels in {scans:,} scans asks for too much time or memory; "
            "save it as a baseline JPEG, or smaller"
        )
    if pixels > 8 * _BLOCK_PIXELS * len(data):  # each block takes a bit at least
        raise ValueError("a damaged JPEG: it declares more pixels than its data can hold")
    return JpegLayout((height, width), bits, components, has_metadata)


def _segment(data: bytes, position: int) -> tuple[int, int, int]:
    """Return marker, start and stop of the content of the next segment."""
    if fill := _FILL.match(data, position):
        position = fill.end()
    head = data[position : position + 4]
    if len(head) < 4 or head[:2] == b"\xff\xd9":
        raise ValueError("the file is cut short")
    if head[0] != 0xFF or head[1] in (0, *_BARE):
        raise ValueError("a damaged JPEG: no marker where one belongs")
    return head[1], position + 4, position + 2 + int.from_bytes(head[2:], "big")
