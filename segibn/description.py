"""What an exported file says of itself: classes, colours, the input it expects, where it is from.

One JSON value, kept under the key `segibn` in the metadata of ONNX and safetensors files and as
`extra/segibn.json` inside a .pt2 archive. Files come from anywhere: what is read is checked
before anything is done with it, and nothing of it is executed.
"""

import json
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from segibn.errors import CheckpointError
from segibn.text import printable

KEY = "segibn"
FORMAT = "segibn-export"
FORMAT_VERSION = 1
MAX_BYTES = 1 << 20  # of a text that is read: 255 classes with their names take a fiftieth

_Byte = Annotated[int, Field(ge=0, le=255, strict=True)]
_Side = Annotated[int, Field(ge=1, le=1 << 15, strict=True)]
_Triple = tuple[float, float, float]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has characters that cannot be printed")
    return text


_Text = Annotated[str, Field(max_length=200), AfterValidator(_printable)]


class _Part(BaseModel):
    """Keys that a later version adds are passed over; its ``format_version`` stays if they may."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Port(_Part):
    """An input or output of a graph."""

    name: Literal["image", "logits", "labels"]  # as the runtime knows it
    dtype: Literal["float32", "uint8", "int32"]
    layout: Literal["NCHW", "NHWC", "NHW"]  # C are colours or classes
    meaning: _Text


LOGITS = (
    Port(name="image", dtype="float32", layout="NCHW", meaning="RGB, 0..255, of any size"),
    Port(name="logits", dtype="float32", layout="NCHW", meaning="before softmax, at input size"),
)
LABELS = (
    Port(name="image", dtype="uint8", layout="NHWC", meaning="RGB, 0..255, of any size"),
    Port(name="labels", dtype="uint8", layout="NHW", meaning="index into class_names"),
)


class Classes(_Part):
    """What the numbers of a label map mean."""

    # K names in the order of train ids, K colours RGB
    class_names: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=255)]
    palette: Annotated[tuple[tuple[_Byte, _Byte, _Byte], ...], Field(max_length=255)]

    @model_validator(mode="after")
    def _check_classes(self) -> "Classes":
        if len(self.palette) != len(self.class_names):
            raise ValueError(f"{len(self.class_names)} class names and {len(self.palette)} colours")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("two classes have one name")
        return self

    @property
    def colors(self) -> np.ndarray:
        """The palette as (K, 3) uint8 RGB."""
        return np.array(self.palette, np.uint8)


class Description(Classes):
    """What an exported file says of itself."""

    config: _Text  # name of the run's config
    iteration: Annotated[int, Field(ge=0, le=10**9, strict=True)]
    label_set: _Text | None  # name of the class list, such as cityscapes19; None = a user's own
    input: Port
    output: Port
    # (H, W), or the height alone, that frames were resized to when the network was scored
    input_size: tuple[_Side, _Side] | None = None
    input_height: _Side | None = None
    # of the normalisation, RGB, 0..255; it is inside the graph: do not apply it again
    pixel_mean: _Triple
    pixel_std: _Triple
    align_corners: bool = False  # how logits are resized
    backbone: _Text = ""
    ibn: _Text = ""
    instance_share: _Text = ""  # of the frame's statistics in its batch norms, such as 0.1@8
    head: _Text = ""
    averaged: _Text = ""  # shares of several networks' weights, such as "0.6 of b, 0.4 of a"
    precision: Literal["float32", "int8"] = "float32"  # of the convolutions
    segibn_version: _Text = ""  # of the package that wrote the file

    @model_validator(mode="after")
    def _check(self) -> "Description":
        if self.input_size is not None and self.input_height is not None:
            raise ValueError("input_size and input_height are both set")
        if (self.input.layout, self.output.name) not in (("NCHW", "logits"), ("NHWC", "labels")):
            raise ValueError("input and output do not belong together")
        return self

    def to_json(self) -> str:
        """One line, for a file's metadata."""
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        return json.dumps(head | self.model_dump(mode="json"), ensure_ascii=False)


def check_classes(class_names: Any, palette: Any, source: str) -> None:
    """Check the class names and colours of a file; CheckpointError if they do not fit."""
    try:
        Classes(class_names=class_names, palette=palette)
    except ValidationError as error:
        raise CheckpointError(f"{source}: its classes are not valid\n{faults_of(error)}") from error


def parse_description(text: str | bytes, source: str) -> Description:
    """Check what a file (``source``) says of itself, JSON from anybody; CheckpointError if bad."""
    if len(text) > MAX_BYTES:
        raise CheckpointError(f"{source}: what it says of itself is too long ({len(text)} bytes)")
    try:
        tree: Any = json.loads(text)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise CheckpointError(f"{source}: its metadata `{KEY}` is no description of segibn; export it again")
    version = tree.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{source}: its description has no version; export it again")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{source} has export format {version}, this version of segibn reads up to {FORMAT_VERSION}; update segibn"
        )
    try:
        return Description.model_validate(tree)
    except ValidationError as error:
        raise CheckpointError(
            f"{source}: what it says of itself is not valid; export it again\n{faults_of(error)}"
        ) from error


def faults_of(error: ValidationError) -> str:
    """Say what is wrong with a part of a file, six faults at most, each on a line."""
    lines = []
    for item in error.errors()[:6]:
        where, value = ".".join(map(str, item["loc"])) or "it", item["input"]
        plain = value is None or isinstance(value, str | int | float)
        found = repr(value)[:80] if plain else f"a {type(value).__name__}"
        shown = f", it is {found}" if item["loc"] and item["type"] != "missing" else ""
        lines.append("  " + printable(f"{where}: {item['msg']}{shown}"))
    return "\n".join(lines)
