"""The official layouts and encodings, on real frames."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.builders.loader import build_eval_frames
from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.data import DatasetConfig
from segibn.data.class_index import IndexJob
from segibn.data.dataset import SegmentationDataset
from segibn.data.disk_cache import DiskCache
from segibn.data.frame import ArrayFrame, open_frame
from segibn.data.transforms import TrainTransform
from segibn.labels.drivable_encoding import Decision, decide_drivable_encoding

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(
    ("name", "split", "size", "common"),
    [
        ("cityscapes", "train", (1024, 2048), {0, 1, 2, 8, 10, 13}),
        ("camvid", "val", (360, 480), {0, 1, 3, 4, 5, 8}),
        ("bdd100k_semseg", "train", (720, 1280), {0, 2, 8, 10, 13}),
        ("bdd100k_drivable", "val", (720, 1280), {0, 1, 2}),
    ],
)
def test_frames_have_their_size_and_the_common_classes(
    real_data: Path, name: str, split: str, size: tuple[int, int], common: set[int]
) -> None:
    frames = build_eval_frames(DatasetConfig(name=name, split=split), real_data)
    seen: set[int] = set()
    for _, (_, image, target) in zip(range(8), frames, strict=False):
        assert image.shape == (*size, 3)
        assert target.shape == size
        seen |= set(np.unique(target).tolist())
    assert common <= seen
    assert seen <= {*range(frames.label_set.num_classes), 255}


def test_bdd100k_night_is_darker_than_the_rest(real_data: Path) -> None:
    brightness = {}
    for split in ("night", "train"):
        frames = build_eval_frames(DatasetConfig(name="bdd100k_semseg", split=split), real_data)
        brightness[split] = np.mean([image.mean() for _, image, _ in frames])
    assert brightness["night"] < 0.7 * brightness["train"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_single_real_drivable_map_tells_its_encoding(real_data: Path, split: str) -> None:
    samples = index_dataset(DatasetConfig(name="bdd100k_drivable", split=split), real_data)
    for sample in samples[::8]:
        assert sample.target is not None
        assert decide_drivable_encoding([sample.target]) == Decision("2018")


def test_test_frames_of_the_challenge_have_no_labels(real_data: Path) -> None:
    samples = index_dataset(DatasetConfig(name="bdd100k_drivable", split="test"), real_data)
    assert {sample.target for sample in samples} == {None}


def test_the_road_lies_below_the_sky_in_every_data_set(real_data: Path) -> None:
    for name, split in (("cityscapes", "train"), ("camvid", "train"), ("bdd100k_semseg", "train")):
        dataset = DatasetConfig(name=name, split=split)
        samples = index_dataset(dataset, real_data)
        labels = build_label_set(dataset, "cityscapes19")
        road = labels.class_names.index("road")
        sky = labels.class_names.index("sky")
        heights: dict[int, list[float]] = {road: [], sky: []}
        for index in range(0, len(samples), max(1, len(samples) // 6)):
            target = open_frame(samples[index], labels).read()[1]
            for train_id, found in heights.items():
                found.extend(np.nonzero(target == train_id)[0] / target.shape[0])
        assert np.mean(heights[sky]) + 0.2 < np.mean(heights[road])


def test_points_lie_on_their_class_and_crops_around_them_show_it(real_data: Path) -> None:
    dataset = DatasetConfig(name="cityscapes")
    samples = index_dataset(dataset, real_data)
    labels = build_label_set(dataset)
    index = IndexJob("cityscapes:train", samples, labels).build()
    transform = TrainTransform((256, 256))
    columns, shown = [], []
    for number in range(len(samples)):
        image, target = open_frame(samples[number], labels).read()
        own = index.frame == number
        for train_id, place in zip(index.train_id[own], index.place[own].tolist(), strict=True):
            assert target[tuple(place)] == train_id
            columns.append(place[1])
        for seed, (train_id, place) in enumerate(
            zip(index.train_id[own][::9], index.place[own][::9].tolist(), strict=True)
        ):
            _, crop = transform(ArrayFrame(image, target), seed, tuple(place))
            shown.append((crop == train_id).any())
    assert min(columns) < 256
    assert max(columns) > 2048 - 256
    assert np.mean(shown) > 0.99  # halving a frame may lose a thin pole


@pytest.mark.parametrize("name", ["cityscapes", "bdd100k_semseg"])
def test_samples_of_real_frames_from_the_cache_are_those_of_the_files(
    real_data: Path, tmp_path: Path, name: str
) -> None:
    """PNG and JPEG frames, at sizes and scales of a real training."""
    dataset = DatasetConfig(name=name, split="train")
    samples = index_dataset(dataset, real_data)[:4]
    labels = build_label_set(dataset)
    transform = TrainTransform((768, 768), (0.5, 2.0), color_jitter=(0.4, 0.4, 0.4, 0.1))
    plain = SegmentationDataset(samples, labels, transform)
    cached = SegmentationDataset(samples, labels, transform, cache=DiskCache(samples, labels, None, tmp_path / "cache"))
    for position in range(24):
        key = (position, position % len(samples))
        for part in ("image", "target"):
            assert torch.equal(plain[key][part], cached[key][part])
