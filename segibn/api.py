"""The Python door: a trained network in two lines, for scripts and notebooks.

    model = segibn.api.load("runs/gta5_ibn")
    result = model.predict("street.jpg")

In: a checkpoint or run folder, then images. Out: label maps with names and colours.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from segibn import distributed, visualize
from segibn.files import read_image
from segibn.models.weights import load_segmenter
from segibn.predict import InferenceOptions, Predictor, find_checkpoint


@dataclass(frozen=True, eq=False)
class Prediction:
    """One frame, understood."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB, the frame itself."""
    train_ids: np.ndarray
    """(H, W) uint8, index into ``class_names`` for each pixel."""
    class_names: tuple[str, ...]
    """K names."""
    palette: np.ndarray
    """(K, 3) uint8 RGB."""

    def colors(self) -> np.ndarray:
        """Return the label map in colours: (H, W, 3) uint8 RGB."""
        return visualize.colorize(self.train_ids, self.palette)

    def overlay(self, alpha: float = 0.5) -> np.ndarray:
        """Return the frame with the label map laid over it: (H, W, 3) uint8 RGB."""
        return visualize.overlay(self.image, self.train_ids, self.palette, alpha)

    def mask(self, class_name: str) -> np.ndarray:
        """Return where one class is: (H, W) bool.

        Raises:
            KeyError: the network has no such class; the message lists those it has.
        """
        if class_name not in self.class_names:
            raise KeyError(f"no class '{class_name}'; there are {', '.join(self.class_names)}")
        return self.train_ids == self.class_names.index(class_name)

    def shares(self) -> dict[str, float]:
        """Return the share of the frame's pixels that each class covers, fractions."""
        counts = np.bincount(self.train_ids.ravel(), minlength=len(self.class_names))
        pairs = zip(self.class_names, counts, strict=True)
        return {name: float(count) / self.train_ids.size for name, count in pairs}


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A trained network with its classes; ``load`` makes one."""

    predictor: Predictor
    class_names: tuple[str, ...]
    palette: np.ndarray
    iteration: int

    def predict(self, image: np.ndarray | str | Path) -> Prediction:
        """Predict one frame.

        Args:
            image: (H, W, 3) uint8 RGB, or the path of a picture.

        Raises:
            ImageFileError: the file is missing or damaged.
            ValueError: the array is not an RGB image.
        """
        frame = np.asarray(image) if isinstance(image, np.ndarray) else read_image(Path(image))
        return Prediction(frame, self.predictor(frame), self.class_names, self.palette)


def load(
    path: str | Path,
    device: torch.device | str | None = None,
    options: InferenceOptions | None = None,
) -> LoadedModel:
    """Load a trained network for prediction.

    Args:
        path: a run folder or a checkpoint file.
        device: where to compute; None = the GPU if there is one.
        options: how frames reach the network; None = whole, at the size the run was scored at.

    Raises:
        CheckpointError: no such file, or not a segibn checkpoint.
    """
    segmenter, config, meta = load_segmenter(find_checkpoint(path))
    if options is None:
        scored = config.evaluation
        options = InferenceOptions(input_size=scored.input_size, input_height=scored.input_height)
    return LoadedModel(
        Predictor(segmenter, device or distributed.default_device(), options),
        tuple(meta["class_names"]),
        np.array(meta["palette"], dtype=np.uint8),
        int(meta["iteration"]),
    )
