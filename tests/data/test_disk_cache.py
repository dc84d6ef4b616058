"""The disk cache: samples to the bit, nothing stale, nothing half written, nothing growing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from segibn.data.cache.disk_cache import CacheJob, build, estimate, path_of, verify
from segibn.data.cache.tile_file import TileFile, write_tile_file
from segibn.data.cache.tiles import encode
from segibn.data.dataset import SegmentationDataset
from segibn.data.datasets.catalog import dataset_source
from segibn.data.frames import preload
from segibn.data.loader import collate, make_loader
from segibn.data.plan import Plan, PositionSampler, Stream
from segibn.data.samples import SamplePaths
from segibn.data.transforms import TrainTransform
from segibn.errors import DatasetError, ImageFileError, LabelValueError, SegibnError
from segibn.files.encode import write_image, write_label_png

CITYSCAPES = dataset_source("cityscapes").label_set()
SIZES = ((133, 301), (129, 257), (64, 500), (300, 290), (1, 7))


@pytest.fixture
def odd_samples(tmp_path: Path) -> list[SamplePaths]:
    """Five frames of odd and different sizes, one of them a JPEG."""
    rng = np.random.default_rng(0)
    samples = []
    for number, size in enumerate(SIZES):
        suffix = ".jpg" if number == 2 else ".png"
        image, target = (tmp_path / f"images/{number}{suffix}", tmp_path / f"labels/{number}.png")
        write_image(image, rng.integers(0, 256, (*size, 3)).astype(np.uint8))
        write_label_png(target, rng.integers(0, 34, size).astype(np.uint8))
        samples.append(SamplePaths(f"sub/{number}", image, target))
    return samples


@pytest.fixture
def job(odd_samples: list[SamplePaths], tmp_path: Path) -> CacheJob:
    return CacheJob(odd_samples, CITYSCAPES, None, tmp_path / "cache")


def _build(job: CacheJob, threads: int = 2) -> None:
    build(job, job.inspect().bad, threads)


def _open(job: CacheJob):
    return job.open()


def _transform() -> TrainTransform:
    """Everything on; with these frames some windows are padded, some shrunk to a third."""
    return TrainTransform(
        (96, 112), (0.3, 2.5), 0.5, aspect_range=(0.8, 1.25), color_jitter=(0.4, 0.4, 0.4, 0.1), blur_sigma=(0.1, 1.0)
    )


def _assert_same(one: dict, other: dict) -> None:
    assert torch.equal(one["image"], other["image"])
    assert torch.equal(one["target"], other["target"])


@pytest.mark.parametrize("resize", [None, (151, 263)])
def test_files_memory_and_disk_give_the_same_samples_to_the_bit(job: CacheJob, resize: tuple[int, int] | None) -> None:
    job = CacheJob(job.samples, job.label_set, resize, job.folder)
    _build(job)
    common = {"transform": _transform(), "seed": 5, "resize": resize}
    plain = SegmentationDataset(job.samples, CITYSCAPES, **common)
    memory = preload(job.samples, CITYSCAPES, resize)
    cached = SegmentationDataset(job.samples, CITYSCAPES, cache=_open(job), **common)
    in_memory = SegmentationDataset(job.samples, CITYSCAPES, cache=memory, **common)
    padded = 0
    for position in range(120):
        key = (position, position % len(SIZES))
        sample = plain[key]
        _assert_same(sample, cached[key])
        _assert_same(sample, in_memory[key])
        padded += bool((sample["target"] == 255).all(dim=1).any())
    assert padded > 10
    whole = SegmentationDataset(job.samples, CITYSCAPES, resize=resize, cache=_open(job))
    for index, (image, target) in enumerate(memory):
        sample = whole[0, index]
        np.testing.assert_array_equal(sample["image"].permute(1, 2, 0), image)
        np.testing.assert_array_equal(sample["target"], target)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_of_any_number_of_workers_are_those_of_the_files(job: CacheJob, workers: int) -> None:
    _build(job)
    sampler = PositionSampler(Plan((Stream(len(SIZES)),), seed=7), 4, end_iteration=5)
    plain = SegmentationDataset(job.samples, CITYSCAPES, _transform(), seed=7)
    cached = SegmentationDataset(job.samples, CITYSCAPES, _transform(), seed=7, cache=_open(job))
    for one, other in zip(make_loader(plain, sampler), make_loader(cached, sampler, workers=workers), strict=True):
        assert one["name"] == other["name"]
        _assert_same(one, other)


def test_workers_that_are_started_anew_read_the_cache_too(job: CacheJob) -> None:
    _build(job)
    sampler = PositionSampler(Plan((Stream(len(SIZES)),), seed=7), 4, end_iteration=2)
    cached = SegmentationDataset(job.samples, CITYSCAPES, _transform(), seed=7, cache=_open(job))
    spawned = DataLoader(
        cached, batch_sampler=sampler, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    for one, other in zip(make_loader(cached, sampler), spawned, strict=True):
        _assert_same(one, other)


def test_a_part_of_the_samples_uses_the_cache_of_all(job: CacheJob) -> None:
    _build(job)
    part = replace(job, samples=job.samples[3:1:-1]).open()
    assert [frame.size for frame in part] == [SIZES[3], SIZES[2]]


def test_a_set_that_is_not_cached_or_only_partly_is_refused_with_the_command(job: CacheJob) -> None:
    with pytest.raises(DatasetError, match=r"no cache for this data set yet(.|\n)*segibn cache"):
        _open(job)
    build(job, [0, 3], threads=1)
    with pytest.raises(DatasetError, match=r"3 are not cached: sub/1, sub/2, sub/4\n(.|\n)*segibn"):
        _open(job)


def _touch(sample: SamplePaths) -> None:
    os.utime(sample.image, ns=(1, 1))


def _repaint_label(sample: SamplePaths) -> None:
    assert sample.target is not None
    write_label_png(sample.target, np.full(SIZES[0], 7, np.uint8))


@pytest.mark.parametrize("change", [_touch, _repaint_label])
def test_a_changed_file_makes_the_cache_stale_until_it_is_cached_again(
    job: CacheJob, change: Callable[[SamplePaths], None]
) -> None:
    _build(job)
    others = [path_of(job.folder, s.name).stat().st_ino for s in job.samples[1:]]
    change(job.samples[0])
    with pytest.raises(DatasetError, match=r"1 changed after they were cached: sub/0\n"):
        _open(job)
    _build(job)
    image, target = _open(job)[0].read()
    plain = SegmentationDataset(job.samples, CITYSCAPES)[0, 0]
    np.testing.assert_array_equal(plain["image"].permute(1, 2, 0), image)
    np.testing.assert_array_equal(plain["target"], target)
    assert others == [path_of(job.folder, s.name).stat().st_ino for s in job.samples[1:]]


def test_files_that_were_only_copied_are_not_encoded_again(job: CacheJob) -> None:
    """The cache is given other pixels under the same note: they are still there afterwards."""
    _build(job)
    path = path_of(job.folder, "sub/0")
    forged = np.full((*SIZES[0], 3), 5, np.uint8), np.full(SIZES[0], 3, np.uint8)
    write_tile_file(path, SIZES[0], TileFile(path).note, *encode(*forged))
    _touch(job.samples[0])
    assert job.inspect().changed == [0]
    _build(job)
    assert job.inspect().good == [0, 1, 2, 3, 4]
    for got, written in zip(_open(job)[0].read(), forged, strict=True):
        np.testing.assert_array_equal(got, written)


def test_another_decoder_makes_jpegs_and_resized_frames_stale(job: CacheJob, monkeypatch: pytest.MonkeyPatch) -> None:
    _build(job)
    resized = CacheJob(job.samples, CITYSCAPES, (50, 60), job.folder.with_name("resized"))
    _build(resized)
    monkeypatch.setattr(cv2, "__version__", "99.0")
    assert job.inspect().changed == [2]
    assert resized.inspect().changed == [0, 1, 2, 3, 4]


def test_a_broken_or_unknown_file_stops_the_build_with_its_name_and_keeps_the_rest(job: CacheJob) -> None:
    broken = job.samples[4].image
    content = broken.read_bytes()
    broken.write_bytes(content[:-20])
    with pytest.raises(ImageFileError, match=broken.name):
        _build(job, threads=1)
    assert job.inspect().good == [0, 1, 2, 3]
    broken.write_bytes(content)
    target = job.samples[4].target
    assert target is not None
    write_label_png(target, np.full(SIZES[4], 77, np.uint8))
    with pytest.raises(LabelValueError, match="77"):
        _build(job, threads=1)
    assert [p.name for p in job.folder.rglob(".*.part*")] == []


def test_damage_is_found_named_removed_and_mended(job: CacheJob) -> None:
    _build(job)
    steps: list[tuple[int, int]] = []
    assert verify(job, 2, lambda done, total: steps.append((done, total))) == (5, [])
    assert steps == [(i, 5) for i in range(1, 6)]
    path = path_of(job.folder, "sub/1")
    content = bytearray(path.read_bytes())
    content[-1000] ^= 4
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"1\.tiles: damaged tile"):
        _open(job)[1].read()
    checked, (error,) = verify(job, 2)
    assert checked == 5
    assert str(path) in str(error)
    assert job.inspect().missing == [1]
    path_of(job.folder, "sub/3").write_bytes(b"cut short")
    assert job.inspect().damaged == [3]
    _build(job)
    assert verify(job, 2) == (5, [])


def test_verify_finds_a_source_that_was_replaced_behind_its_date(job: CacheJob) -> None:
    _build(job)
    source = job.samples[0].image
    times = source.stat()
    content = bytearray(source.read_bytes())
    content[-1] ^= 1
    source.write_bytes(content)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert job.inspect().good == [0, 1, 2, 3, 4]
    _, (error,) = verify(job, 1)
    assert str(source) in str(error)


KILLED = """
import os, signal, sys
from pathlib import Path
from segibn.data.cache.disk_cache import CacheJob
from segibn.data.cache.disk_cache import build
from segibn.data.samples import SamplePaths
from segibn.data.datasets.catalog import dataset_source

root, stop = Path(sys.argv[1]), int(sys.argv[2])
names = sorted(root.glob("images/*"))
samples = [SamplePaths(f"sub/{p.stem}", p, root / f"labels/{p.stem}.png") for p in names]
job = CacheJob(samples, dataset_source("cityscapes").label_set(), None, root / "cache")
(root / "cache/sub").mkdir(parents=True, exist_ok=True)
(root / "cache/sub/.4.abcd.part.tiles").write_bytes(b"half")

def progress(done, total):
    if done == stop:
        os.kill(os.getpid(), signal.SIGKILL)

build(job, job.inspect().bad, 1, progress)
"""


def test_a_killed_build_goes_on_and_finished_frames_are_not_made_again(
    job: CacheJob, tmp_path: Path, repository: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), "2"]
    done = subprocess.run(command, cwd=repository, check=False)
    assert done.returncode == -signal.SIGKILL
    finished = job.inspect().good
    assert 2 <= len(finished) < 5
    before = {i: path_of(job.folder, job.samples[i].name).stat().st_ino for i in finished}
    _build(job)
    assert job.inspect().good == [0, 1, 2, 3, 4]
    assert before == {i: path_of(job.folder, job.samples[i].name).stat().st_ino for i in finished}
    assert list(job.folder.rglob(".*.part*")) == []
    assert verify(job, 1) == (5, [])


def test_only_one_process_builds_a_cache(job: CacheJob, repository: Path) -> None:
    pytest.importorskip("fcntl")
    job.folder.mkdir()
    script = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(job.folder / ".building")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DatasetError, match="another process"):
            _build(job)
        other.kill()
    _build(job)


def test_a_full_disk_says_so_and_leaves_only_whole_frames(job: CacheJob, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        full = CacheJob(job.samples, CITYSCAPES, None, disk / "cache")
        with pytest.raises(SegibnError, match="No space left on device"):
            _build(full)
        state = full.inspect()
        assert len(state.good) >= 1
        assert len(state.good) + len(state.missing) == 5
        assert verify(full, 1) == (len(state.good), [])
        assert list(disk.rglob(".*.part*")) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_estimate_is_the_size(job: CacheJob) -> None:
    same = [SamplePaths(f"copy{i}", s.image, s.target) for i in range(4) for s in job.samples[:1]]
    copies = CacheJob(same, CITYSCAPES, None, job.folder)
    total_bytes, duration_s, measured = estimate(copies, range(4), threads=2)
    assert measured == 3
    assert duration_s > 0
    assert not job.folder.exists()
    _build(copies)
    size = sum(path.stat().st_size for path in job.folder.glob("*.tiles"))
    assert total_bytes == pytest.approx(size, rel=0.01)


@pytest.mark.parametrize("cached", [True, False], ids=["tiles", "files"])
def test_reading_over_epochs_leaves_no_file_open_and_memory_as_it_was(job: CacheJob, cached: bool) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not tell")
    _build(job)
    cache = _open(job) if cached else None
    data = SegmentationDataset(job.samples, CITYSCAPES, _transform(), cache=cache)

    def epochs(count: int) -> tuple[int, int]:
        for position in range(count * len(SIZES)):
            data[position, position % len(SIZES)]
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGE_SIZE")

    files_before, memory_before = epochs(30)
    files_after, memory_after = epochs(150)
    assert files_after == files_before
    assert memory_after - memory_before < 2 << 20  # less than one frame in 750 samples
