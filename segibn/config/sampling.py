"""``data.sampling``: which frames and which parts of them a training shows, three ways.

``data.sampling: class_uniform`` is short for ``data.sampling: {name: class_uniform}``.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from segibn.config.values import Frozen, PixelCount, PositiveFraction, Temperature


class UniformSampling(Frozen):
    """Every frame once in each pass, cropped anywhere."""

    name: Literal["uniform"] = "uniform"
    """uniform."""


class ClassUniformSampling(Frozen):
    """A share of the samples goes to the classes in equal parts, whatever their size.

    A class, then one of its points in the whole set, which the crop contains; other samples are
    uniform. As RobustNet (arXiv 2103.15597) and NVIDIA's segmentation code do.
    """

    name: Literal["class_uniform"]
    """class_uniform."""
    share: PositiveFraction = 0.5
    """Share of the samples that is drawn by class; 0.5 in RobustNet's scripts."""


class RareClassSampling(Frozen):
    """The rarer a class, the more often it is drawn: DAFormer (arXiv 2111.14887, section 3.2).

    A class with probability softmax((1 - f) / temperature), f its share of the labelled pixels;
    then a frame with enough of it; the crop contains a point of the class. DAFormer instead crops
    up to ten times until half of ``min_pixels`` are inside.
    """

    name: Literal["rare_class"]
    """rare_class."""
    share: PositiveFraction = 1.0
    """Share of the samples that is drawn by class, the others being uniform; 1 in DAFormer."""
    temperature: Temperature = 0.01
    """The lower, the more it is the rarest classes that come; DAFormer's value."""
    min_pixels: PixelCount = 3000
    """Fewest pixels of a class in a frame after ``data.resize``; DAFormer's, at native size."""


def _from_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


SamplingConfig = Annotated[
    UniformSampling | ClassUniformSampling | RareClassSampling,
    Field(discriminator="name"),
    BeforeValidator(_from_name),
]
