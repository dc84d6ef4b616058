"""A user's own augmentation: a pipeline of albumentations in a file that its ``to_dict`` wrote.

Only this module imports albumentations (more than a second), when a config names a file.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.frame import Arrays
from segibn.errors import ConfigError
from segibn.extras import require
from segibn.labels.label_set import IGNORE_INDEX
from segibn.text.plain_data import read_yaml_file


class UserAugmentation:
    """A pipeline of albumentations on finished crops, image and target alike."""

    def __init__(self, path: Path) -> None:
        """Build the pipeline, so that a mistake shows before training (ConfigError)."""
        self.path = path
        self._pipeline: Any = _build(path)

    def __call__(self, image: np.ndarray, target: np.ndarray, seed: int) -> Arrays:
        """Change a crop by ``seed``, 0 .. 2**32 - 1; ConfigError: its size or type changes."""
        # Version 2.0.8 of albumentations gives every worker the same random state otherwise.
        self._pipeline.set_random_seed(seed)
        changed = self._pipeline(image=image, mask=target)
        result = changed["image"], changed["mask"]
        for array, before in zip(result, (image, target), strict=True):
            if array.shape != before.shape or array.dtype != np.uint8:
                raise ConfigError(
                    f"data.augmentation_file {self.path}: it turns a crop of {before.shape} uint8 "
                    f"into {array.shape} {array.dtype}; leave resizing, cropping and normalising "
                    "to data.crop_size, data.scale_range and the network"
                )
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return UserAugmentation, (self.path,)


def _build(path: Path) -> Any:
    require("augment", "albumentations", purpose=f"data.augmentation_file {path}")
    # It asks a server for its newest version unless told not to.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as A

    try:
        content = read_yaml_file(path)
    except ConfigError as error:
        raise ConfigError(f"data.augmentation_file: {error}") from None
    try:
        pipeline = A.from_dict(content)
    except Exception as error:  # whatever its constructors raise for a wrong value
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"data.augmentation_file: {path} is no pipeline that albumentations {A.__version__} "
            f"can build ({type(error).__name__}: {reason[0] if reason else 'no reason given'}); "
            "write it with yaml.safe_dump(albumentations.to_dict(pipeline))"
        ) from error
    _ignore_what_comes_in(pipeline)
    return pipeline


def _ignore_what_comes_in(pipeline: Any) -> None:
    """Label what a transform draws in from outside the crop as ignored; 0 would be a class."""
    for transform in getattr(pipeline, "transforms", ()):
        _ignore_what_comes_in(transform)
    if hasattr(pipeline, "fill_mask"):
        pipeline.fill_mask = IGNORE_INDEX
