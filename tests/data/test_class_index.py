"""The index of classes: the same however it is built, kept, and never used when it is stale."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.data.class_index import ClassIndex, IndexJob
from segibn.data.datasets import cityscapes
from segibn.data.datasets.catalog import dataset_source
from segibn.data.frame import resize_target
from segibn.data.regions import class_regions
from segibn.data.samples import SamplePaths
from segibn.errors import DatasetError, LabelValueError
from segibn.files.encode import write_label_png
from segibn.files.pictures import read_label_map

CITYSCAPES = dataset_source("cityscapes").label_set()


def _assert_equal(one: ClassIndex, other: ClassIndex) -> None:
    for name in ("pixels", "frame", "train_id", "place"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def _load(samples: list[SamplePaths], root: Path, **options: object) -> tuple[ClassIndex, int]:
    """The index, and how many frames were read for it."""
    read: list[int] = []
    job = IndexJob("cityscapes:train", samples, CITYSCAPES, datasets_root=root, **options)
    index = job.load_or_build(progress=lambda done, total: read.append(done))
    assert read == list(range(1, len(read) + 1))
    return index, len(read)


@pytest.mark.parametrize("resize", [None, (12, 30)], ids=str)
def test_it_holds_the_regions_of_every_frame(samples: list[SamplePaths], resize: tuple[int, int] | None) -> None:
    index = IndexJob("", samples, CITYSCAPES, resize).build()
    for number, sample in enumerate(samples):
        assert sample.target is not None
        target = CITYSCAPES.to_train_ids(read_label_map(sample.target))
        if resize is not None:
            target = resize_target(target, resize)
        pixels, points = class_regions(target, 19)
        own = index.frame == number
        assert index.pixels[number].tolist() == pixels.tolist()
        assert index.train_id[own].tolist() == points[:, 0].tolist()
        assert index.place[own].tolist() == points[:, 1:].tolist()
        for train_id, (y, x) in zip(index.train_id[own], index.place[own], strict=True):
            assert target[y, x] == train_id


def test_several_processes_build_what_one_builds(
    make_cityscapes: Callable[..., Path], index: Callable[..., list]
) -> None:
    samples = index(cityscapes.SOURCE.find, make_cityscapes(count=40), "train")
    job = IndexJob("", samples, CITYSCAPES)
    _assert_equal(job.build(jobs=2), job.build())


def test_it_is_built_once_and_then_read(samples: list[SamplePaths], root: Path) -> None:
    first, frames = _load(samples, root)
    again, frames_again = _load(samples, root)
    assert (frames, frames_again) == (5, 0)
    _assert_equal(first, again)
    _, frames_of_another_size = _load(samples, root, resize=(12, 30))
    assert frames_of_another_size == 5
    assert _load(samples, root)[1] == 0  # both sizes are kept
    assert len(list((root / ".segibn/class_index").iterdir())) == 2


def test_a_changed_label_map_or_list_or_table_makes_it_stale(
    samples: list[SamplePaths], root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _load(samples, root)
    changed = samples[3].target
    assert changed is not None
    write_label_png(changed, np.full((24, 40), 26, np.uint8))
    index, frames = _load(samples, root)
    assert frames == 5
    assert "have changed" in caplog.text
    assert index.pixels[3].tolist() == [24 * 40 if k == 13 else 0 for k in range(19)]
    os.utime(changed, ns=(10**18, 10**18))  # rewritten with as many bytes
    assert _load(samples, root)[1] == 5
    assert _load(samples[:4], root)[1] == 4
    street = dataset_source("cityscapes").label_set("street11")
    tables = (street, CITYSCAPES)
    assert len({IndexJob("a", samples, table, None, root).file for table in tables}) == 2
    assert len(list((root / ".segibn/class_index").iterdir())) == 2  # stale ones are replaced


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", "half", "not ours"], ids=str)
def test_a_damaged_file_is_built_anew(
    samples: list[SamplePaths], root: Path, content: bytes | str, caplog: pytest.LogCaptureFixture
) -> None:
    index, _ = _load(samples, root)
    file = IndexJob("cityscapes:train", samples, CITYSCAPES, None, root).file
    if content == "not ours":
        with file.open("wb") as stream:
            np.savez(stream, something=np.arange(3))
    else:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with caplog.at_level(logging.WARNING):
        again, frames = _load(samples, root)
    assert frames == 5
    assert str(file) in caplog.text
    _assert_equal(index, again)


_SLOW_BUILD = """
import sys, time
from pathlib import Path
from segibn.data.datasets import cityscapes
from segibn.data.class_index import IndexJob
from segibn.data.datasets.catalog import dataset_source

def slow(done, total):
    print(done, flush=True)
    time.sleep(0.2)

if __name__ == "__main__":
    root = Path(sys.argv[1])
    samples = cityscapes.SOURCE.find(root / "cityscapes", "train").samples
    table = dataset_source("cityscapes").label_set()
    job = IndexJob("cityscapes:train", samples, table, datasets_root=root)
    job.load_or_build(jobs=2, progress=slow)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_build_leaves_no_file_and_no_process(
    make_cityscapes: Callable[..., Path], root: Path, tmp_path: Path, repository: Path, index: Callable[..., list]
) -> None:
    samples = index(cityscapes.SOURCE.find, make_cityscapes(count=40), "train")
    script = tmp_path / "slow_build.py"
    script.write_text(_SLOW_BUILD)
    process = subprocess.Popen(
        [sys.executable, str(script), str(root)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(repository)},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.read()  # ends when the last worker has let go of its end
    assert not list(root.rglob("*.npz*"))
    assert _load(samples, root)[1] == 40
    assert len(list((root / ".segibn/class_index").iterdir())) == 1


def test_errors_name_the_label_map(samples: list[SamplePaths], root: Path) -> None:
    target = samples[1].target
    assert target is not None
    write_label_png(target, np.full((24, 40), 77, np.uint8))
    with pytest.raises(LabelValueError, match=target.name):
        _load(samples, root)
    target.unlink()
    with pytest.raises(DatasetError, match=target.name):
        _load(samples, root)
    assert not (root / ".segibn").exists()


def test_the_processes_that_build_it_load_no_torch() -> None:
    code = "import sys, segibn.data.class_index; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
