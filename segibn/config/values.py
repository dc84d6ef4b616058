"""Kinds of values in configs: numbers with finite bounds, texts that are safe to print, names.

Every number of the schema is one of these, so that a file from anywhere, a checkpoint's own config
among them, is refused before anything of its size is allocated or looped over.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from segibn.text import printable


class Frozen(BaseModel):
    """A section of a config: unknown keys are errors, docstrings document the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would take true for 1
        raise ValueError("true and false are no numbers")
    return value


_NAME_BYTES = 120  # a file system takes 255; suffixes come after it
_Whole = Annotated[int, BeforeValidator(_no_truth)]
_Real = Annotated[float, BeforeValidator(_no_truth)]

# Of a resized or cropped frame: above 4096 x 4096 its features take more memory than a GPU has.
MAX_PIXELS = 1 << 24


def _check_area(size: tuple[int, int]) -> tuple[int, int]:
    if (area := size[0] * size[1]) > MAX_PIXELS:
        raise ValueError(f"has {area:,} pixels; no more than {MAX_PIXELS:,} fit into memory")
    return size


def _check_printable(text: str) -> str:
    if printable(text) != text or text != text.strip():
        raise ValueError("has control characters or blanks at an end; leave them out")
    return text


def _check_name(name: str) -> str:
    _check_printable(name)
    if name in ("", ".", "..") or "/" in name or "\\" in name or name.startswith("-"):
        raise ValueError(
            "names a folder: must be one part of a path, without / and \\, not empty, '.' or '..', with no - in front"
        )
    if (size := len(name.encode())) > _NAME_BYTES:
        raise ValueError(f"has {size} bytes; no more than {_NAME_BYTES}, as a folder")
    return name


Side = Annotated[_Whole, Field(ge=1, le=1 << 14)]  # pixels; the widest panoramas have 16,384
Size = Annotated[tuple[Side, Side], AfterValidator(_check_area)]  # (H, W) in pixels
Height = Annotated[_Whole, Field(ge=1, le=1 << 12)]  # the side of the largest square `Size`

Byte = Annotated[_Whole, Field(ge=0, le=255)]
Fraction = Annotated[_Real, Field(ge=0.0, le=1.0)]
PositiveFraction = Annotated[_Real, Field(gt=0.0, le=1.0)]
HalfFraction = Annotated[_Real, Field(gt=0.0, le=0.5)]
BelowOne = Annotated[_Real, Field(ge=0.0, lt=1.0)]
Between = Annotated[_Real, Field(gt=0.0, lt=1.0)]
NonNegative = Annotated[_Real, Field(ge=0.0, le=1e38)]  # a factor; float32 ends at 3.4e38
Positive = Annotated[_Real, Field(gt=0.0, le=1e38)]
Strength = Annotated[_Real, Field(ge=0.0, le=100.0)]  # of a random change; 100-fold leaves nothing
Strengths = tuple[Strength, Strength, Strength, Strength]
PositiveStrength = Annotated[_Real, Field(gt=0.0, le=100.0)]
Scale = Annotated[_Real, Field(gt=0.0, le=16.0)]  # of a frame; at 16 a pixel is like a detail
BlurSigma = Annotated[_Real, Field(ge=0.0, le=32.0)]  # pixels; at 32 the kernel has 257
NoiseSigma = Annotated[_Real, Field(ge=0.0, le=255.0)]  # grey levels, of which there are 255
JpegQuality = Annotated[_Whole, Field(ge=1, le=100)]

Channels = Annotated[_Whole, Field(ge=1, le=2048)]  # width; the widest backbone ends with 2048
Dilation = Annotated[_Whole, Field(ge=1, le=256)]  # beyond, 3x3 at stride 8 spans a frame of 4096
Iterations = Annotated[_Whole, Field(ge=0, le=10_000_000)]  # 100 times the longest in print
PositiveIterations = Annotated[_Whole, Field(ge=1, le=10_000_000)]
Samples = Annotated[_Whole, Field(ge=1, le=4096)]  # at once; each of them is a crop in memory
Count = Annotated[_Whole, Field(ge=1, le=255)]  # as many as 8-bit label maps can hold
PixelCount = Annotated[_Whole, Field(ge=1, le=MAX_PIXELS)]
Rank = Annotated[_Whole, Field(ge=1, le=1024)]  # above half a layer's width it saves nothing
Temperature = Annotated[_Real, Field(ge=1e-6, le=100.0)]  # of a softmax over shares
GiB = Annotated[_Real, Field(gt=0.0, le=1e6)]
Repeats = Annotated[_Whole, Field(ge=1, le=100)]  # ten times the paper's
Clusters = Annotated[_Whole, Field(ge=2, le=50)]  # of sorted numbers
Pictures = Annotated[_Whole, Field(ge=0, le=1000)]
Workers = Annotated[_Whole, Field(ge=0, le=256)]  # processes
Seed = Annotated[_Whole, Field(ge=0, lt=1 << 63)]  # what random generators take

Text = Annotated[str, Field(max_length=4096), AfterValidator(_check_printable)]  # a path, or a name
Label = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_check_printable)]
Name = Annotated[str, AfterValidator(_check_name)]  # names a folder
