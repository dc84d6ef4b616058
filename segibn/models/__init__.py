"""Networks: backbones, heads, the `Segmenter` that joins them, and where weights come from.

Shape legend of the package: N images, K classes, C channels, H x W input pixels, h x w feature
pixels, s stride.
"""

from typing import Any

_BUILDERS = ("build_backbone", "build_classifier")


def __getattr__(name: str) -> Any:
    """Import the builders on first use: torch takes a second to load."""
    if name in _BUILDERS:
        from segibn.models import backbones

        return getattr(backbones, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
