"""Networks: backbones, heads, the `Segmenter` that joins them, and where weights come from.

Shape legend: N images, K classes, C channels, H x W input pixels, h x w feature pixels, s stride.
"""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Import the builders on first use: torch takes a second to load."""
    if name not in ("build_backbone", "build_classifier"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("segibn.models.backbones"), name)
