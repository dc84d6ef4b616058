"""A trained network with its classes and preprocessing, ready for pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import torch

from segibn.api.frames import Picture, as_frame
from segibn.api.prediction import Prediction
from segibn.builders.sets import build_label_set
from segibn.config.schema import RunConfig
from segibn.devices import device_named
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.batches import predicted
from segibn.inference.confidence import ConfidentPredictor
from segibn.inference.predictor import Predictor
from segibn.labels.catalog import CLASS_SCHEMES, scheme_class_names
from segibn.labels.label_set import LabelSet
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a frame before the network: resized, then ``(pixel - mean) / std``."""

    size: tuple[int, int] | None = None
    """(H, W) that frames are resized to (bilinear); None = their own size."""
    height: int | None = None
    """Frames are resized to this height, the width in proportion; None = not."""
    channels: str = "RGB"
    """Their order."""
    value_range: tuple[int, int] = (0, 255)
    """The darkest and the brightest pixel, before mean and std."""
    mean: Triple = PIXEL_MEAN
    """One for each channel, on that range."""
    std: Triple = PIXEL_STD
    """Likewise."""
    layout: str = "NCHW"
    """Order of the dimensions of what the network is given."""


@dataclass(frozen=True, eq=False, repr=False)
class LoadedModel:
    """A network with its classes; ``load`` and ``build`` make one."""

    predictor: Predictor
    class_names: tuple[str, ...]
    """K names, in train id order."""
    palette: np.ndarray
    """(K, 3) uint8 RGB."""
    iteration: int | None = None
    """Updates that it was trained for; 0 = untrained; None = not known."""
    config: RunConfig | None = None
    """The run's resolved config; None where there is none (an exported graph)."""
    source: str = ""
    """File that the weights came from; a config's name for an untrained network."""

    @property
    def name(self) -> str:
        """Name of the run's config, such as gta5_ibn; of an exported graph that of its file."""
        return Path(self.source).name if self.config is None else self.config.name

    @property
    def module(self) -> Segmenter:
        """The network itself, a ``torch.nn.Module`` in evaluation mode.

        Of an exported graph it is a shell around ONNX Runtime without parameters.
        """
        return self.predictor.segmenter

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device(str(self.predictor.device))

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to a frame before the network; ``predict`` does all of it."""
        options = self.predictor.options
        return Preprocessing(options.input_size, options.input_height)

    @property
    def scheme(self) -> str | None:
        """Name of the class list, such as cityscapes19; None for a user's own."""
        if self.config is not None and self.config.data.classes is not None:
            return self.config.data.classes
        named = (name for name in CLASS_SCHEMES if scheme_class_names(name) == self.class_names)
        return next(named, None)

    @cached_property
    def label_set(self) -> LabelSet | None:
        """The label table of the data set that was trained on; None where only files tell it."""
        if self.config is None:
            return None
        try:
            return build_label_set(self.config.data.train, self.scheme)
        except SegibnError:  # drivable area in an encoding that is found out from the files
            return None

    def to(self, device: torch.device | str) -> "LoadedModel":
        """Return the model on another device; the network's weights move, in place.

        Raises:
            ConfigError: an exported graph, which computes on the CPU, to another.
        """
        if self.config is None and not str(device).startswith("cpu"):
            raise ConfigError(f"{self.source} runs on the cpu; load a checkpoint to use {device}")
        kind = type(self.predictor)
        device = device_named(device, "device ") if isinstance(device, str) else device
        moved = kind(self.predictor.segmenters, device, self.predictor.options)
        return replace(self, predictor=moved)

    @overload
    def predict(
        self, images: Picture, *, confidence: bool = ..., batch_size: int = ...
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        images: list[Picture] | tuple[Picture, ...],
        *,
        confidence: bool = ...,
        batch_size: int = ...,
    ) -> list[Prediction]: ...
    def predict(
        self,
        images: Picture | list[Picture] | tuple[Picture, ...],
        *,
        confidence: bool = False,
        batch_size: int = 4,
    ) -> Prediction | list[Prediction]:
        """Predict one picture, or several.

        Args:
            images: path of a picture, PIL image, array (H, W, 3) uint8 RGB or tensor (3, H, W)
                uint8 RGB, of any size; or a list or tuple of such. An EXIF orientation is applied.
            confidence: whether to say how sure the network is of each pixel too; takes longer.
            batch_size: of a list, how many pictures of one size the network sees at once.

        Returns:
            A prediction, or for a list as many, in its order.

        Raises:
            ImageFileError: a file is missing, damaged or no picture.
            ValueError: an array is no RGB image; the message says the fix.
        """
        if isinstance(images, list | tuple):
            if any(isinstance(image, int | float) for image in images):
                raise TypeError("a list holds pictures, not numbers; make an array of it first")
            return self._predict_all(images, confidence, batch_size)
        return self._predict_all([images], confidence, 1)[0]  # type: ignore[list-item]

    def _predict_all(
        self, pictures: Sequence[Picture], confidence: bool, batch_size: int
    ) -> list[Prediction]:
        predictor = self._confident() if confidence else self.predictor
        named = ((_name(index, p), as_frame(p)) for index, p in enumerate(pictures))
        return [
            Prediction(
                frame,
                found[0] if confidence else found,
                self.class_names,
                self.palette,
                found[1] if confidence else None,
                self.label_set,
                self.scheme,
            )
            for (_, frame), found in predicted(
                named, predictor, predictor.predict_batch, batch_size
            )
        ]

    def _confident(self) -> ConfidentPredictor:
        if isinstance(self.predictor, ConfidentPredictor):
            return self.predictor
        own = self.predictor
        return ConfidentPredictor(own.segmenters, self.device, own.options)

    def __repr__(self) -> str:
        network, state = "exported graph", ""
        if self.config is not None:
            backbone, head = self.config.model.backbone, self.config.model.head.name
            ibn = "no IBN" if backbone.ibn == "none" else f"IBN-{backbone.ibn}"
            network = f"{backbone.network}, {ibn}, {head}"
            state = f" iteration {self.iteration}," if self.iteration else " untrained,"
        return (
            f"LoadedModel({self.name}: {network}; {len(self.class_names)} classes,{state} "
            f"on {self.device})"
        )


def _name(index: int, picture: Picture) -> str:
    return picture if isinstance(picture, str) else f"number {index}"
