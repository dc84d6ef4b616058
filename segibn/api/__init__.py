"""The Python door: a trained network in two lines, for scripts and notebooks.

    model = segibn.load("runs/gta5_ibn")
    result = model.predict("street.jpg")

In: a run's name or folder or a checkpoint, then pictures. Out: label maps with names and colours.
All of it can be had from ``segibn`` itself, which imports this room on first use.
"""

from segibn.api.loading import build, load
from segibn.api.model import LoadedModel, Preprocessing
from segibn.api.prediction import Prediction
from segibn.models.by_name import backbone, classifier
from segibn.runs.find import find_runs, list_configs, list_models

__all__ = [
    "LoadedModel",
    "Prediction",
    "Preprocessing",
    "backbone",
    "build",
    "classifier",
    "find_runs",
    "list_configs",
    "list_models",
    "load",
]
