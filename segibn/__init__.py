"""segibn: semantic segmentation of driving scenes that carries over to places never seen.

    model = segibn.load("runs/gta5_ibn")
    result = model.predict("street.jpg")

The legend used in every docstring: N images, K classes, C channels, H x W input pixels, h x w
feature pixels, s stride. Sizes are always (H, W); images are RGB; IoU is a fraction in 0..1.
"""

from importlib import import_module

__version__ = "0.1.0"

# name -> the module that has it. They are imported when they are asked for: torch takes a second.
_LAZY = {
    "load": "segibn.runs.loading",
    "build": "segibn.runs.loading",
    "list_models": "segibn.runs.find",
    "list_configs": "segibn.runs.find",
    "backbone": "segibn.models.backbones",
    "classifier": "segibn.models.backbones",
    "Prediction": "segibn.runs.prediction",
    "TrainedRun": "segibn.runs.trained",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
