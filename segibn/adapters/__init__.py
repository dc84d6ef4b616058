"""The backbones as other toolkits want them: timm, torchvision, segmentation_models_pytorch.

In: a backbone's name, such as "resnet50_ibn_a". Out: a module in the form of that toolkit, whose
numbers are the backbone's own. The toolkits are imported when they are asked for.
"""

from typing import Any

_LAZY = {
    "FeatureList": "feature_list",
    "FeatureDict": "feature_dict",
    "with_fpn": "feature_dict",
    "register_timm": "timm_models",
    "register_smp": "smp_encoders",
}
__all__ = ["FeatureDict", "FeatureList", "register_smp", "register_timm", "with_fpn"]


def __getattr__(name: str) -> Any:
    """Import an adapter on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
