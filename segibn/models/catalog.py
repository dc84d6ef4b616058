"""The catalogue of backbones, without torch: a line for each module that builds some."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from segibn.models.plans import IbnName


@dataclass(frozen=True)
class Family:
    """Backbones that the `build(name, ibn, output_stride, **options)` of one module returns."""

    module: str  # within `segibn.models`
    names: tuple[str, ...]
    ibn: tuple[IbnName, ...] = ("none",)  # the variants of IBN that all of them have, "none" first
    options: tuple[str, ...] = ()  # what may be set besides variant and output stride


DEFAULT_SHARE = 0.3  # of the image's statistics, in ibn share
Finest = Literal[1, 2, 4, 8, 16, 32]
"""The largest stride of the norms that are meant; 32 = all."""
Place = Literal["stem", "first", "inner", "last", "other"]
"""Of a norm: before the blocks; after the first convolution of a block, after the last one of its
main branch, another one in it; outside of blocks."""

DEFAULTS: Mapping[str, Any] = {
    "ibn_stages": None,
    "ibn_ratio": None,
    "stem": "conv7x7",
    "dilate_first": False,
    "ibn_affine": True,
    "ibn_ease": 0,
}
"""Options of `model.backbone`; a family without one of them takes its default alone."""

_DEEP = [f"{kind}{n}" for kind in ("resnet", "resnext", "se_resnet") for n in (50, 101, 152)]
_DENSE = ("densenet121", "densenet169", "densenet201", "densenet161")
FAMILIES = (
    Family("resnet", ("resnet18", "resnet34", *_DEEP), get_args(IbnName), tuple(DEFAULTS)),
    Family("densenet", _DENSE, ("none", "a"), ("ibn_stages", "ibn_ratio")),
    Family("light", ("mobilenet_v2", "shufflenet_v2"), ("none", "b")),
)
BACKBONES = tuple(name for family in FAMILIES for name in family.names)


def family_of(name: str) -> Family:
    """Find the family of a backbone; `ValueError` for an unknown name."""
    for family in FAMILIES:
        if name in family.names:
            return family
    raise ValueError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")


def split_name(name: str) -> tuple[str, str]:
    """Split "resnet50_ibn_a" into ("resnet50", "a"); a plain network's variant is "none"."""
    network, _, variant = name.partition("_ibn_")
    return network, variant or "none"


def ibn_names() -> list[str]:
    """Return every network with IBN, such as "resnet50_ibn_a"."""
    return [f"{n}_ibn_{ibn}" for family in FAMILIES for n in family.names for ibn in family.ibn[1:]]


def changed_options(name: str, ibn: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options off their default; `ValueError` for one that the backbone does not have."""
    family = family_of(name)
    if ibn not in family.ibn:
        raise ValueError(f"{name} has ibn {' and '.join(family.ibn)}, not {ibn}")
    changed = {key: v for key, v in options.items() if key not in DEFAULTS or v != DEFAULTS[key]}
    unknown = [key for key in changed if key not in family.options]
    if unknown:
        raise ValueError(f"{name} has no {' or '.join(unknown)} to choose; leave it out")
    return changed
