"""A user's own augmentation: transforms of albumentations, in the config or in a file of ``to_dict``.

Only this module imports albumentations (more than a second), when a config names a transform.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segibn.data.frame import Arrays
from segibn.errors import ConfigError
from segibn.labels.label_set import IGNORE_INDEX
from segibn.text import did_you_mean, printable
from segibn.text.plain_data import read_yaml_file


class UserAugmentation:
    """A pipeline of albumentations on finished crops, image and target alike."""

    def __init__(self, given: Path | Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        """Build the pipeline of ``data.augmentation``, or of a file: a mistake shows now (ConfigError)."""
        self._given = given
        is_file = isinstance(given, Path)
        self.key = f"data.augmentation_file {given}" if is_file else "data.augmentation"
        self._pipeline: Any = _of_file(given) if is_file else _of_config(given)
        _ignore_what_comes_in(self._pipeline)

    def __call__(self, image: np.ndarray, target: np.ndarray, seed: int) -> Arrays:
        """Change a crop by ``seed``, 0 .. 2**32 - 1; ConfigError: its size or type changes."""
        # Version 2.0.8 of albumentations gives every worker the same random state otherwise.
        self._pipeline.set_random_seed(seed)
        changed = self._pipeline(image=image, mask=target)
        result = changed["image"], changed["mask"]
        for array, before in zip(result, (image, target), strict=True):
            if array.shape != before.shape or array.dtype != np.uint8:
                raise ConfigError(
                    f"{self.key}: it turns a crop of {before.shape} uint8 "
                    f"into {array.shape} {array.dtype}; leave resizing, cropping and normalising "
                    "to data.crop_size, data.scale_range and the network"
                )
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        return UserAugmentation, (self._given,)


def _albumentations() -> Any:
    # It asks a server for its newest version unless told not to.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations


def _of_config(given: Sequence[Mapping[str, Mapping[str, Any]]]) -> Any:
    """Build ``[{HorizontalFlip: {p: 0.5}}]``; ``OneOf`` and the like have a list, ``transforms``."""
    A = _albumentations()  # noqa: N806 - the library's own abbreviation
    kinds = (A.BasicTransform, A.BaseCompose)

    def build(one: Any, where: str) -> Any:
        if not isinstance(one, Mapping) or len(one) != 1:
            raise ConfigError(f"{where}: one transform and its values each, such as {{HorizontalFlip: {{p: 0.5}}}}")
        (name, values), arguments = next(iter(one.items())), {}
        kind = getattr(A, str(name), None)
        if not (isinstance(kind, type) and issubclass(kind, kinds)):
            known = [n for n in dir(A) if isinstance(getattr(A, n), type) and issubclass(getattr(A, n), kinds)]
            hint = did_you_mean(str(name), known) or "; its documentation lists them"
            raise ConfigError(f"{where}: albumentations has no transform '{printable(name)}'{hint}")
        for key, value in (values or {}).items():
            is_inner = key == "transforms"
            inner = [build(n, f"{where}.{name}") for n in value] if is_inner else None
            arguments[key] = inner if is_inner else tuple(value) if isinstance(value, list) else value
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*not valid")  # a value that it does not know
            try:
                return kind(**arguments)
            except Exception as error:
                raise ConfigError(f"{where}: {name}: {_first_line(error)}") from error

    return A.Compose([build(one, f"data.augmentation.{place}") for place, one in enumerate(given)])


def _of_file(path: Path) -> Any:
    A = _albumentations()  # noqa: N806
    try:
        content = read_yaml_file(path)
    except ConfigError as error:
        raise ConfigError(f"data.augmentation_file: {error}") from None
    try:
        return A.from_dict(content)
    except Exception as error:  # whatever its constructors raise for a wrong value
        raise ConfigError(
            f"data.augmentation_file: {path} is no pipeline that albumentations {A.__version__} "
            f"can build ({_first_line(error)}); write it with yaml.safe_dump(albumentations.to_dict(pipeline))"
        ) from error


def _first_line(error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return f"{type(error).__name__}: {reason[0] if reason else 'no reason given'}"


def _ignore_what_comes_in(pipeline: Any) -> None:
    """Label what a transform draws in from outside the crop as ignored; 0 would be a class."""
    for transform in getattr(pipeline, "transforms", ()):
        _ignore_what_comes_in(transform)
    if hasattr(pipeline, "fill_mask"):
        pipeline.fill_mask = IGNORE_INDEX
