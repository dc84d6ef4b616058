"""Look into an ONNX file before any runtime does: its metadata, and whether it is all there.

An ONNX file is a protocol buffer (onnx.proto of the ONNX specification). Reading it takes a walk
over fields, each a number, a kind and a length; only the few numbers below are of interest. No
package is needed, and no size that the file states is believed before it is checked against its
end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import CheckpointError

MAX_BYTES = 2**31 - 1
"""A protocol buffer holds no more."""

_MAX_DEPTH = 32
_MAX_TEXT = 1 << 20

# Message -> number of a field -> the message it holds: the ways that lead to tensors.
_PATHS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 14: "Entry", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a Tensor


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file, looked through."""

    content: bytes
    """The whole of it."""
    metadata: dict[str, str]
    """Its ``metadata_props``."""


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file and check that it is whole and refers to no other file.

    Raises:
        CheckpointError: missing, cut short, no ONNX file, too large, or with tensors in other files
            (which a runtime would open wherever the file says).
    """
    if path.exists() and not path.is_file():  # a pipe could be waited for without end
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise CheckpointError(f"{path} is {kind}; name a file")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CheckpointError(f"{path}: {size / 2**30:.1f} GiB; an ONNX file has at most 2")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    metadata: dict[str, str] = {}
    try:
        has_graph = _walk(memoryview(content), "Model", metadata, 0)
    except _ExternalError:
        raise CheckpointError(
            f"{path} keeps tensors in other files, which is not followed; save it as one file: "
            "onnx.save(onnx.load(PATH), OUTPUT)"
        ) from None
    except (ValueError, IndexError):
        has_graph = False
    if not has_graph:
        raise CheckpointError(f"{path} is cut short or no ONNX file; get it or export it again")
    return OnnxFile(content, metadata)


class _ExternalError(Exception):
    """A tensor lies in another file."""


def _walk(data: memoryview, kind: str, metadata: dict[str, str], depth: int) -> bool:
    """Visit a message and what it holds; returns whether it holds anything of interest."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deep")
    found = False
    for number, value in _fields(data):
        if kind == "Tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                raise _ExternalError
            continue
        inner = _PATHS[kind].get(number)
        if inner is None:
            continue
        if not isinstance(value, memoryview):
            raise ValueError("a number where a message belongs")
        if inner == "Entry":
            key, text = _entry(value)
            metadata[key] = text
        else:
            found = True
            _walk(value, inner, metadata, depth + 1)
    return found


def _entry(data: memoryview) -> tuple[str, str]:
    """Key and value of one entry of the metadata."""
    parts = {1: "", 2: ""}
    for number, value in _fields(data):
        if number in parts and isinstance(value, memoryview):
            if len(value) > _MAX_TEXT:
                raise ValueError("metadata too long")
            parts[number] = str(value, "utf-8")
    return parts[1], parts[2]


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (number, bytes or whole number) of each field of a message.

    Raises:
        ValueError: not a message, or its end is missing.
        IndexError: likewise.
    """
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("no field has number 0")
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"kind {wire} of field")
        if length > end - position:
            raise ValueError("the end is missing")
        yield number, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, the lowest first; and the position behind it."""
    result = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise ValueError("a number without end")
