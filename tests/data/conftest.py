"""Tiny data sets in the official layouts, written into a temporary folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.data.datasets import cityscapes, folder
from segibn.data.samples import Pairing, SamplePaths
from segibn.files.encode import write_image, write_label_png

HEIGHT, WIDTH = 24, 40


def picture(seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def label_map(seed: int, values: list[int], size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values, np.uint8), size)


def drivable_map(seed: int, encoding: str) -> np.ndarray:
    """Background above, direct and alternative below, as on a road."""
    background, direct, alternative = {"2018": (0, 1, 2), "2021": (2, 0, 1)}[encoding]
    out = np.full((HEIGHT, WIDTH), background, np.uint8)
    out[HEIGHT // 2 :, seed % 5 : WIDTH // 2] = direct
    out[HEIGHT // 2 :, WIDTH // 2 : WIDTH - 3] = alternative
    return out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder above the data sets, still empty."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


@pytest.fixture
def make_cityscapes(root: Path) -> Callable[..., Path]:
    def make(split: str = "train", city: str = "aachen", count: int = 3) -> Path:
        for i in range(count):
            name = f"{city}_{i:06d}_000019"
            image = root / "cityscapes/leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
            target = root / "cityscapes/gtFine" / split / city / f"{name}_gtFine_labelIds.png"
            write_image(image, picture(i))
            write_label_png(target, label_map(i, list(range(34))))
        return root / "cityscapes"

    return make


@pytest.fixture
def make_gta5(root: Path) -> Callable[..., Path]:
    def make(ids: list[int], images: str = "images", labels: str = "labels") -> Path:
        palette = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
        for i in ids:
            write_image(root / "gta5" / images / f"{i:05d}.png", picture(i))
            target = root / "gta5" / labels / f"{i:05d}.png"
            write_label_png(target, label_map(i, [7, 11, 23, 26, 34]), palette)
        return root / "gta5"

    return make


@pytest.fixture
def make_drivable(root: Path) -> Callable[..., Path]:
    def make(encoding: str, split: str = "train", count: int = 3, values: str = "") -> Path:
        folder, suffix = {
            "2018": ("drivable_maps/labels", "_drivable_id.png"),
            "2021": ("labels/drivable/masks", ".png"),
        }[encoding]
        for i in range(count):
            name = f"{i:08x}-{i + 99:08x}"
            write_image(root / "bdd100k/images/100k" / split / f"{name}.jpg", picture(i))
            target = root / "bdd100k" / folder / split / f"{name}{suffix}"
            write_label_png(target, drivable_map(i, values or encoding))
        return root / "bdd100k"

    return make


@pytest.fixture
def make_camvid(root: Path) -> Callable[..., Path]:
    def make(split: str = "train", count: int = 3) -> Path:
        for i in range(count):
            name = f"0001TP_{i:06d}.png"
            write_image(root / "camvid" / split / name, picture(i))
            write_label_png(root / "camvid" / f"{split}annot" / name, label_map(i, [*range(12)]))
        return root / "camvid"

    return make


@pytest.fixture
def index() -> Callable[..., list[SamplePaths]]:
    """Return what lists the samples of ``find(root, split)`` of a data set's module, or raises."""

    def run(find: Callable[..., Pairing], root: Path, split: str, **given: str) -> list[SamplePaths]:
        source = getattr(find, "__self__", folder.SOURCE)
        return source.complete(find(root, split, **given), split, root)

    return run


@pytest.fixture
def samples(make_cityscapes: Callable[..., Path], index) -> list[SamplePaths]:
    """Five labelled Cityscapes samples."""
    return index(cityscapes.SOURCE.find, make_cityscapes(count=5), "train")
