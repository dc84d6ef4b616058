"""The disk cache: what is in a file, when a file is another, and what a broken one does."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segibn.data.disk_cache import DiskCache
from segibn.data.frame import open_frame
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError, LabelValueError
from segibn.files.encode import write_image, write_label_png
from segibn.labels.cityscapes import CITYSCAPES


@pytest.fixture
def samples(tmp_path: Path) -> list[SamplePaths]:
    random, found = np.random.default_rng(0), []
    for name in ("a", "b"):
        image, target = tmp_path / f"{name}.png", tmp_path / f"{name}_ids.png"
        write_image(image, random.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        write_label_png(target, random.integers(0, 34, (20, 30), dtype=np.uint8))
        found.append(SamplePaths(f"sub/{name}", image, target))
    return found


def _cache(samples: list[SamplePaths], tmp_path: Path, **changes: object) -> DiskCache:
    return DiskCache(
        **{"samples": samples, "label_set": CITYSCAPES, "resize": None, "folder": tmp_path / "c"} | changes
    )


@pytest.mark.parametrize("box", [None, (3, 4, 17, 29), (0, 0, 1, 1)])
@pytest.mark.parametrize("resize", [None, (10, 12)])
def test_windows_are_those_of_the_files(samples, tmp_path, box, resize) -> None:
    if resize and box and box[2] > resize[0]:
        box = (1, 2, 9, 11)
    cache = _cache(samples, tmp_path, resize=resize)
    for _ in range(2):
        for index, sample in enumerate(samples):
            plain = open_frame(sample, CITYSCAPES, resize)
            assert cache[index].size == plain.size
            for found, expected in zip(cache[index].read(box), plain.read(box), strict=True):
                np.testing.assert_array_equal(found, expected)
                assert found.flags.c_contiguous


def test_a_frame_that_changed_is_another_file(samples, tmp_path) -> None:
    cache = _cache(samples, tmp_path)
    before = cache.path_of(0)
    others = [cache.path_of(1), _cache(samples, tmp_path, resize=(4, 4)).path_of(0)]
    turned = CITYSCAPES.in_order(CITYSCAPES.class_names[::-1])
    others.append(_cache(samples, tmp_path, label_set=turned).path_of(0))
    os.utime(samples[0].image, ns=(1, 1))
    others.append(cache.path_of(0))
    assert len({before, *others}) == 5


def test_a_broken_file_is_written_anew_and_a_killed_writer_leaves_none(samples, tmp_path) -> None:
    cache = _cache(samples, tmp_path)
    expected = cache[0].read()
    path = cache.path_of(0)
    for content in (b"", path.read_bytes()[:200], b"\x80\x04K\x01."):  # empty, cut short, a pickle
        path.write_bytes(content)
        for found, wanted in zip(cache[0].read(), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert np.load(path).shape == (20, 30, 4)
    assert {file.suffix for file in (tmp_path / "c").rglob("*") if file.is_file()} == {".npy"}


def test_frames_of_another_size_make_no_room(samples, tmp_path, monkeypatch) -> None:
    large, small = _cache(samples, tmp_path), _cache(samples, tmp_path, resize=(4, 4))
    for cache in (large, small):
        _ = cache[0], cache[1]
    other = _cache(samples, tmp_path, resize=(10, 15))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    large.require_space()  # all of it is there
    with pytest.raises(DatasetError, match="would take"):
        other.require_space()


def test_faults_of_a_sample_are_those_of_its_files(samples, tmp_path) -> None:
    write_label_png(samples[0].target, np.full((20, 30), 77, np.uint8))
    with pytest.raises(LabelValueError, match="a_ids"):
        _cache(samples, tmp_path)[0]
    samples[1].image.unlink()
    with pytest.raises(DatasetError, match=r"b\.png"):
        _cache(samples, tmp_path)[1]
    assert not list((tmp_path / "c").rglob("*.npy"))
