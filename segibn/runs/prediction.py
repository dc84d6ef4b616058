"""What a network says about one frame: classes, names, colours, pictures, files."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image

from segibn.data.datasets.catalog import dataset_source
from segibn.errors import ConfigError
from segibn.files.encode import write_image, write_label_png
from segibn.labels import drawing
from segibn.labels.label_set import LabelSet
from segibn.labels.marks import with_legend_inside, with_region_names

Kind = Literal["overlay", "colors", "labels", "label_ids", "side_by_side"]

_NOTEBOOK_WIDTH = 640  # pixels


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """One frame, understood."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB, the frame itself, upright."""
    train_ids: np.ndarray
    """(H, W) uint8, index into ``class_names`` for each pixel."""
    class_names: tuple[str, ...]
    """K names."""
    palette: np.ndarray
    """(K, 3) uint8 RGB."""
    confidence: np.ndarray | None = None
    """(H, W) float32, the probability of each pixel's class; None unless it was asked for."""
    label_set: LabelSet | None = None
    """The label table of the data set that was trained on; None where it is not known."""
    scheme: str | None = None
    """Name of the class list, such as cityscapes19; None for a user's own."""

    def colors(self) -> np.ndarray:
        """Return the label map in colours: (H, W, 3) uint8 RGB."""
        return drawing.colorize(self.train_ids, self.palette)

    def overlay(self, alpha: float = 0.4, *, legend: bool = False, names: bool = False) -> np.ndarray:
        """Return the frame with the label map laid over it: (H, W, 3) uint8 RGB.

        ``legend``: the classes that are there, in a corner; ``names``: each on its large regions.
        """
        picture = drawing.overlay(self.image, self.train_ids, self.palette, alpha)
        for is_wanted, mark in ((names, with_region_names), (legend, with_legend_inside)):
            if is_wanted:
                picture = mark(picture, self.train_ids, self.class_names, self.palette)
        return picture

    def mask(self, class_name: str) -> np.ndarray:
        """Return where one class is: (H, W) bool; a KeyError lists the classes that there are."""
        if class_name not in self.class_names:
            raise KeyError(f"no class '{class_name}'; there are {', '.join(self.class_names)}")
        return self.train_ids == self.class_names.index(class_name)

    def shares(self) -> dict[str, float]:
        """Return the fraction of the frame's pixels that each class covers."""
        shares = np.bincount(self.train_ids.ravel(), minlength=len(self.class_names)) / self.train_ids.size
        return dict(zip(self.class_names, shares.tolist(), strict=True))

    def label_ids(
        self, dataset: str | None = None, encoding: str | None = None, label_map: str | None = None
    ) -> np.ndarray:
        """Return the label map in the values of a data set's files: (H, W) uint8.

        ``dataset``: such as "cityscapes"; None for the one that was trained on. ``encoding``:
        "2018" or "2021" of bdd100k_drivable. ``label_map``: to the 19 classes, of mapillary.
        ConfigError: the data set is not known, or not read in these classes. LabelValueError: it
        has no value for a class that was predicted.
        """
        table = self.label_set
        if dataset is not None:
            source = dataset_source(dataset)
            if self.scheme in source.partial:
                raise ConfigError(f"{dataset} cannot be read in the classes {self.scheme}, not all")
            table = source.label_set(self.scheme, encoding, label_map)
        if table is None:
            raise ConfigError(
                "which data set's values? Name one, such as label_ids('cityscapes') or "
                "label_ids('bdd100k_drivable', encoding='2018')"
            )
        if table.class_names != self.class_names:
            raise ConfigError(
                f"the table '{table.name}' has the classes {', '.join(table.class_names)}; the "
                f"network's are {', '.join(self.class_names)}"
            )
        return table.to_label_ids(self.train_ids)

    def picture(self, kind: Kind = "overlay") -> np.ndarray:
        """Return one of the pictures that ``save`` writes: (H, W, 3) uint8 RGB."""
        if kind == "side_by_side":
            return drawing.panel([[self.image, self.overlay(), self.colors()]], ["frame", "overlay", "classes"])
        return self.colors() if kind == "colors" else self.overlay()

    def save(self, path: str | Path, kind: Kind = "overlay") -> Path:
        """Write a picture or a label map in the format of the suffix, and return its path.

        ``kind``: "overlay" (classes over the frame), "colors", "side_by_side"; "labels" (a PNG of
        train ids that shows colours when looked at) or "label_ids" (a PNG of the data set's
        values). Folders are made. ValueError: another kind, or a label map that is no PNG.
        """
        path = Path(path)
        if kind not in get_args(Kind):
            raise ValueError(f"no kind '{kind}'; there are {', '.join(get_args(Kind))}")
        if kind in ("labels", "label_ids"):
            if path.suffix.lower() != ".png":
                raise ValueError(f"{path}: a label map is a PNG; other formats change its values")
            values = self.train_ids if kind == "labels" else self.label_ids()
            write_label_png(path, values, self.palette if kind == "labels" else None)
        else:
            write_image(path, self.picture(kind))
        return path

    def __repr__(self) -> str:
        height, width = self.train_ids.shape
        largest = sorted(self.shares().items(), key=lambda pair: -pair[1])
        named = [f"{name} {100 * share:.0f} %" for name, share in largest[:4] if share > 0]
        return f"Prediction({height}x{width}: {', '.join(named)})"

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the overlay, and the classes that are in it."""
        height, width = self.train_ids.shape
        size = (_NOTEBOOK_WIDTH, max(1, round(height * _NOTEBOOK_WIDTH / width)))
        how = cv2.INTER_AREA if width > _NOTEBOOK_WIDTH else cv2.INTER_NEAREST
        shown = cv2.resize(self.overlay(), size, interpolation=how)
        present = np.unique(self.train_ids)
        sheet = drawing.with_legend(shown, [self.class_names[index] for index in present], self.palette[present])
        buffer = io.BytesIO()
        Image.fromarray(sheet).save(buffer, "PNG")
        return buffer.getvalue()
