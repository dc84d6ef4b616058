"""One sample from disk: its arrays, its seed, and what a broken file says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segibn.data.dataset import SegmentationDataset, sample_seed
from segibn.data.datasets import gta5
from segibn.data.datasets.catalog import dataset_source
from segibn.data.frame import open_frame
from segibn.data.frames import estimate_gib, preload
from segibn.data.samples import SamplePaths
from segibn.data.transforms import TrainTransform
from segibn.errors import DatasetError, ImageFileError, LabelValueError
from segibn.files.encode import write_label_png

CITYSCAPES = dataset_source("cityscapes").label_set()


def test_arrays_are_what_pillow_reads_and_labels_are_mapped(samples: list[SamplePaths]) -> None:
    image, target = open_frame(samples[0], CITYSCAPES).read()
    np.testing.assert_array_equal(image, np.array(Image.open(samples[0].image)))
    raw = np.array(Image.open(samples[0].target))
    assert (target[raw == 7] == 0).all()
    assert (target[raw == 33] == 18).all()
    assert (target[raw < 7] == 255).all()


def test_a_sample_is_a_dictionary_of_uint8_tensors(samples: list[SamplePaths]) -> None:
    dataset = SegmentationDataset(samples, CITYSCAPES, TrainTransform((16, 32)))
    sample = dataset[(9, 2)]
    assert sample["image"].shape == (3, 16, 32)
    assert sample["target"].shape == (16, 32)
    assert sample["image"].dtype == sample["target"].dtype == torch.uint8
    assert (sample["name"], sample["position"]) == (samples[2].name, 9)


def test_the_same_frame_looks_different_at_another_position(samples: list[SamplePaths]) -> None:
    dataset = SegmentationDataset(samples, CITYSCAPES, TrainTransform((16, 32)), seed=1)
    images = [dataset[(position, 0)]["image"] for position in range(6)]
    assert len({image.numpy().tobytes() for image in images}) == 6
    assert torch.equal(images[3], dataset[(3, 0)]["image"])


def test_sample_seeds_differ_by_seed_and_position() -> None:
    seeds = {sample_seed(seed, position) for seed in range(20) for position in range(500)}
    assert len(seeds) == 10_000


def test_image_and_label_of_different_size_name_both_and_the_fix(samples: list[SamplePaths]) -> None:
    assert samples[0].target is not None
    write_label_png(samples[0].target, np.full((24, 39), 7, np.uint8))
    with pytest.raises(ImageFileError) as caught:
        open_frame(samples[0], CITYSCAPES).read()
    for part in (str(samples[0].image), str(samples[0].target), "24x40", "24x39", "names_file"):
        assert part in str(caught.value)


def test_a_truncated_image_is_named(samples: list[SamplePaths]) -> None:
    content = samples[1].image.read_bytes()
    samples[1].image.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageFileError, match=samples[1].image.name):
        open_frame(samples[1], CITYSCAPES).read()


def test_a_value_outside_the_table_names_file_and_value(samples: list[SamplePaths]) -> None:
    assert samples[1].target is not None
    write_label_png(samples[1].target, np.full((24, 40), 77, np.uint8))
    with pytest.raises(LabelValueError, match="77") as caught:
        open_frame(samples[1], CITYSCAPES).read()
    assert samples[1].target.name in str(caught.value)


def test_a_sample_without_label_map_is_an_error(samples: list[SamplePaths]) -> None:
    with pytest.raises(DatasetError, match="no label map"):
        open_frame(SamplePaths("x", samples[0].image, None), CITYSCAPES).read()


def test_resize_keeps_class_values_and_gives_the_size(
    make_gta5: Callable[..., Path], index: Callable[..., list]
) -> None:
    (sample,) = index(gta5.SOURCE.find, make_gta5([1]), "train")
    image, target = open_frame(sample, dataset_source("gta5").label_set(), (13, 21)).read()
    assert image.shape == (13, 21, 3)
    assert target.shape == (13, 21)
    assert set(np.unique(target)) <= {0, 2, 10, 13, 255}


def test_cached_samples_equal_decoded_ones(samples: list[SamplePaths]) -> None:
    cache = preload(samples, CITYSCAPES, (12, 20))
    transform = TrainTransform((8, 16))
    plain = SegmentationDataset(samples, CITYSCAPES, transform, resize=(12, 20))
    cached = SegmentationDataset(samples, CITYSCAPES, transform, resize=(12, 20), cache=cache)
    for key in ((0, 4), (7, 1)):
        assert torch.equal(plain[key]["image"], cached[key]["image"])
        assert torch.equal(plain[key]["target"], cached[key]["target"])


def test_a_cache_above_its_limit_is_refused_before_any_decoding(samples: list[SamplePaths]) -> None:
    assert estimate_gib(samples, None) == pytest.approx(5 * 24 * 40 * 4 / 2**30)
    for sample in samples:
        content = sample.image.read_bytes()
        # Decoding would fail, as pixels and checksum are gone: only the header is read.
        sample.image.write_bytes(content[:-20] + bytes(8) + content[-12:])


def test_a_broken_file_stops_the_cache_with_its_name(samples: list[SamplePaths]) -> None:
    samples[3].image.write_bytes(samples[3].image.read_bytes()[:-20])
    with pytest.raises(ImageFileError, match=samples[3].image.name):
        preload(samples, CITYSCAPES)
