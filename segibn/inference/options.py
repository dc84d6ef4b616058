"""How frames reach a network in prediction, and how a signature says it. No torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter

from segibn.config.values import Height, PositiveFraction, Samples, Scale, Size
from segibn.errors import ConfigError
from segibn.inference import BLENDINGS, PRECISIONS, Blending
from segibn.models.catalog import Finest, Place
from segibn.text import printable

_MOST_STRETCH = 1.6  # of proportions; 4:3 seen as 2:1 is 1.5


@dataclass(frozen=True)
class InstanceShare:
    """A share of each frame's own statistics in batch norms.

    Self-adaptive normalisation (arXiv 2208.05788, section 3.1); ``segibn calibrate --share`` chooses
    a share on the source domain.
    """

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    share: PositiveFraction
    """Of the frame; the rest is the training's."""
    finest: Finest = 8
    """The largest stride of the norms that take it; 32 = all."""
    place: Place | None = None
    """Only those at this place of a block take it, ``last`` before the addition; null = all."""

    @classmethod
    def parse(cls, text: str) -> "InstanceShare":
        """Read ``0.1@8:last``, ``0.1@8`` or ``0.1``; ValueError for what is none."""
        share, at, where = text.partition("@")
        finest, colon, place = where.partition(":")
        values: dict[str, Any] = {"share": float(share)} | ({"finest": int(finest)} if at else {})
        return TypeAdapter(cls).validate_python(values | ({"place": place} if colon else {}))

    def __str__(self) -> str:
        return f"{self.share:g}@{self.finest}" + (f":{self.place}" if self.place else "")

    @property
    def norms(self) -> str:
        """Which norms take it, in words."""
        place = f"the {self.place} norm of every block" if self.place else "all norms"
        return place if self.finest == 32 else f"{place} at strides up to {self.finest}"


@dataclass(frozen=True)
class InferenceOptions:
    """How a frame reaches the network; the keys of an inference config are these fields.

    Logits of overlapping windows are averaged; so is the softmax over scales, the mirrored frame
    and networks (Cityscapes' usual "multi-scale + flip"). Label maps come at frame size.
    """

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)

    input_size: Size | None = None
    """(H, W) that frames are resized to first; null = their own size."""
    input_height: Height | None = None
    """The same by height alone, the width in proportion."""
    window: Size | None = None
    """(H, W) of a sliding window; null = whole frames."""
    stride: Size | None = None
    """(H, W) from one window to the next; null = two thirds of the window."""
    blending: Blending = "flat"
    """Whether all pixels of a window count alike, or those in its middle most."""
    scales: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=16)] = (1.0,)
    """The frame is seen at these sizes, relative to the above; probabilities are averaged."""
    flip: bool = False
    """Whether each view is also seen mirrored."""
    precision: str = "float32"
    """Number format of the convolutions."""
    instance_share: InstanceShare | None = None
    """A share of each frame's own statistics in batch norms; null = those of the training alone."""
    temperature: Scale = 1.0
    """Logits are divided by it before the softmax: of confidences, and of views that are averaged;
    ``segibn calibrate`` fits it on the source domain."""
    batch_size: Samples = 1
    """Frames of one size that the network sees at once. No score depends on it, but for rounding:
    a pixel whose two best classes are as good as equal may get the other one."""

    @classmethod
    def as_scored(cls, scored: Any) -> "InferenceOptions":
        """Return those of a run's ``evaluation``, or of an exported graph's `Description`."""
        return cls(input_size=scored.input_size, input_height=scored.input_height)

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) <= 0:
            raise ConfigError(f"scales {self.scales}: give at least one number above 0")
        if self.input_size is not None and self.input_height is not None:
            raise ConfigError("give input_size or input_height, not both")
        for name, there in (("blending", BLENDINGS), ("precision", PRECISIONS)):
            if (given := getattr(self, name)) not in there:
                raise ConfigError(f"{name} '{given}'; there are {', '.join(there)}")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size {self.batch_size}: give a number above 0")
        if self.window is None:
            if self.stride is not None:
                raise ConfigError("a stride without a window has no meaning; give both or neither")
            if self.blending != "flat":
                raise ConfigError(f"blending {self.blending} needs a window; give both or neither")
        elif min(*self.window, *self.steps) < 1:
            raise ConfigError(f"window {self.window} and stride {self.stride} must be above 0")
        elif any(s > w for s, w in zip(self.steps, self.window, strict=True)):
            raise ConfigError(
                f"stride {self.stride} is larger than the window {self.window}: pixels between "
                "two windows would be seen by none"
            )

    @property
    def steps(self) -> tuple[int, int]:
        """(H, W) from one window to the next; needs a window."""
        assert self.window is not None
        return self.stride or (max(1, self.window[0] * 2 // 3), max(1, self.window[1] * 2 // 3))

    def size_for(self, frame: Sequence[int]) -> tuple[int, int]:
        """(H, W) that a frame of this size is resized to."""
        if self.input_height is not None:
            return self.input_height, max(1, round(frame[1] * self.input_height / frame[0]))
        return self.input_size or (frame[0], frame[1])

    def require_upright(
        self, frames: Sequence[tuple[int, int]], of: object, key: str = "evaluation.input_size"
    ) -> None:
        """Refuse an input size that is probably (W, H): by ``frames``, (H, W) of some of those in ``of``."""
        given = self.input_size
        if given is None or not frames or not all(_is_turned(given, frame) for frame in frames):
            return
        (height, width), (high, wide) = given, frames[0]
        fix = f"{key}: [{width}, {height}]"
        if key == "evaluation.input_size":
            fix = f"--input-size {width}x{height} (in a config {fix})"
        raise ConfigError(
            f"input size {height}x{width} is height x width, {height} high and {width} wide, but "
            f"the frames of {printable(of)} are {high} high and {wide} wide: did you mean {fix}?"
        )

    def describe_size(self, frame: tuple[int, int]) -> str:
        """Say in words at which size a frame of (H, W) is seen."""
        seen = "{}x{}".format(*self.size_for(frame))
        seen += "" if self.window is None else " in windows of {}x{}".format(*self.window)
        return "frames of {}x{} are seen at ".format(*frame) + f"{seen} (H x W)"

    @property
    def num_views(self) -> int:
        """How often each network sees a frame: once for each scale, twice with ``flip``."""
        return len(self.scales) * (2 if self.flip else 1)

    @property
    def is_single_view(self) -> bool:
        """Whether the network sees the whole frame once, at its size."""
        return self.window is None and self.scales == (1.0,) and not self.flip

    def describe(self, num_networks: int = 1) -> str:
        """Return a signature's word for how a frame meets the network, scales and flip aside.

        ``whole``, ``whole@512x1024``, ``slide769x769-512x512-gaussian@h512``; with
        ``-ensemble3`` for the mean of three networks, ``-share0.1@8`` for a share of the frame's
        statistics at strides up to 8, ``-T1.5`` for a temperature, and ``-bfloat16`` for that
        number format.
        """
        words = "whole"
        if self.window is not None:
            window, steps = ("{}x{}".format(*size) for size in (self.window, self.steps))
            words = f"slide{window}-{steps}-{self.blending}"
        if self.input_size is not None:
            words += "@{}x{}".format(*self.input_size)
        elif self.input_height is not None:
            words += f"@h{self.input_height}"
        if num_networks > 1:
            words += f"-ensemble{num_networks}"
        if self.instance_share is not None:
            words += f"-share{self.instance_share}"
        if self.temperature != 1:
            words += f"-T{self.temperature:g}"
        return words if self.precision == "float32" else f"{words}-{self.precision}"

    def to_dict(self) -> dict[str, Any]:
        """Return every option as plain JSON values, for a results file; the stride is as used."""
        plain = asdict(self) | {"stride": None if self.window is None else self.steps}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in plain.items()}


WHOLE = InferenceOptions()
"""Whole frames at their own size."""


def _is_turned(size: tuple[int, int], frame: tuple[int, int]) -> bool:
    """Whether a size stretches a frame much, and less with its height and width exchanged."""
    ratios = (size[0] / size[1] * frame[1] / frame[0], size[1] / size[0] * frame[1] / frame[0])
    given, turned = (max(ratio, 1 / ratio) for ratio in ratios)
    return given > max(_MOST_STRETCH, turned)
