"""Writing: a stream that outlives kills, the same bytes however often it was interrupted."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from segibn.errors import LabelValueError, SegibnError, SubmissionError
from segibn.submission.expected import expect_test_set
from segibn.submission.formats import FORMATS
from segibn.submission.write import write_submission

WAD = FORMATS["wad"]
SIZES = {f"0004a4c0-{number:08x}": (6, 8) for number in (3, 1, 2, 0, 4)}


def _map(key, shape=(6, 8)):
    return np.random.default_rng(int(key[-8:], 16)).integers(0, 3, shape, dtype=np.uint8)


def _maps(keys):
    return ((key, _map(key)) for key in keys)


def _stops_after(count):
    """Return a source of maps that is interrupted, as a Ctrl-C does."""

    def maps(keys):
        for done, key in enumerate(keys):
            if done == count:
                raise KeyboardInterrupt
            yield key, _map(key)

    return maps


def test_zipfile_and_pillow_read_back_what_was_written(tmp_path):
    report = write_submission(tmp_path / "s.zip", WAD, SIZES, _maps)
    assert report.is_valid
    assert [path.name for path in tmp_path.iterdir()] == ["s.zip"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == [f"{key}_drivable_id.png" for key in sorted(SIZES)]
        for key in SIZES:
            with Image.open(archive.open(f"{key}_drivable_id.png")) as image:
                assert image.mode == "L"
                np.testing.assert_array_equal(np.asarray(image), _map(key))


@pytest.mark.parametrize("suffix", ["zip", "json"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_an_interrupted_submission_goes_on_and_has_the_same_bytes(tmp_path, suffix, count):
    if suffix == "json":
        pytest.importorskip("pycocotools")
    form = FORMATS["bdd100k_drivable"]
    write_submission(tmp_path / f"whole.{suffix}", form, SIZES, _maps)
    output = tmp_path / f"s.{suffix}"
    with pytest.raises(KeyboardInterrupt):
        write_submission(output, form, SIZES, _stops_after(count))
    assert not output.exists()
    asked, shown = [], []

    def maps(keys):
        asked.extend(keys)
        return _maps(keys)

    write_submission(output, form, SIZES, maps, progress=lambda done, total: shown.append((done, total)))
    assert asked == sorted(SIZES)[count:]
    assert shown == [(done, 5) for done in range(count, 6)]
    assert output.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", ["zip", "json"])
@pytest.mark.parametrize(("finished", "begins"), [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 5), (6, 5), (7, 7)])
def test_an_interrupted_batch_is_done_again_as_a_whole(tmp_path, suffix, finished, begins):
    """Batches of two: 0 1 | 2 3 | 4 | 5 6, since the frames from 5 on have another size."""
    if suffix == "json":
        pytest.importorskip("pycocotools")
    form = FORMATS["bdd100k_drivable"]
    sizes = {f"0004a4c0-{i:08x}": (6, 8) if i < 5 else (4, 4) for i in range(8)}
    output, asked = tmp_path / f"s.{suffix}", []

    def maps(keys, stop=None):
        asked[:] = keys
        for key in keys[:stop]:
            yield key, _map(key, sizes[key])

    with pytest.raises(SubmissionError, match=rf"{8 - finished} maps? not made"):
        write_submission(output, form, sizes, lambda keys: maps(keys, finished), batch_size=2)
    write_submission(output, form, sizes, maps, batch_size=2)
    assert asked == sorted(sizes)[begins:]
    write_submission(tmp_path / f"whole.{suffix}", form, sizes, maps)
    assert output.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()


SLOWLY = """
import pathlib, sys, time
import numpy as np
from segibn.submission.formats import FORMATS
from segibn.submission.write import write_submission
def maps(keys):
    for key in keys:
        seed = int(key[-8:], 16)
        yield key, np.random.default_rng(seed).integers(0, 3, (6, 8), dtype=np.uint8)
        time.sleep(0.2)
sizes = {f"0004a4c0-{number:08x}": (6, 8) for number in (3, 1, 2, 0, 4)}
write_submission(pathlib.Path(sys.argv[1]), FORMATS["wad"], sizes, maps)
"""


def test_a_killed_process_leaves_whole_maps_that_the_next_one_takes_over(tmp_path):
    output = tmp_path / "s.zip"
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, str(output)])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".s.zip.*.partial/0004*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    asked = []

    def maps(keys):
        asked.extend(keys)
        return _maps(keys)

    write_submission(output, WAD, SIZES, maps)
    assert 0 < len(asked) < 5
    write_submission(tmp_path / "whole.zip", WAD, SIZES, _maps)
    assert output.read_bytes() == (tmp_path / "whole.zip").read_bytes()


def test_other_work_is_not_taken_over(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_submission(tmp_path / "s.zip", WAD, SIZES, _stops_after(3), work={"net": "a"})
    asked = []

    def maps(keys):
        asked.extend(keys)
        return _maps(keys)

    write_submission(tmp_path / "s.zip", WAD, SIZES, maps, work={"net": "b"})
    assert asked == sorted(SIZES)
    assert [path.name for path in tmp_path.iterdir()] == ["s.zip"]


def test_bytes_depend_on_the_maps_not_on_the_order_of_the_frames(tmp_path):
    write_submission(tmp_path / "a.zip", WAD, SIZES, _maps)
    write_submission(tmp_path / "b.zip", WAD, dict(sorted(SIZES.items())), _maps, work={"x": 1})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_map_that_does_not_fit_stops_before_it_is_written(tmp_path):
    output = tmp_path / "s.zip"
    output.write_bytes(b"the one before")
    with pytest.raises(SubmissionError, match=r"map of 0004a4c0-00000000 is \(8, 6\)"):
        write_submission(output, WAD, SIZES, lambda keys: ((k, _map(k, (8, 6))) for k in keys))
    with pytest.raises(LabelValueError, match="train id 7"):
        write_submission(output, WAD, SIZES, lambda keys: ((k, _map(k) * 0 + 7) for k in keys))
    with pytest.raises(SubmissionError, match="2 maps not made, from 0004a4c0-00000003 on"):
        write_submission(output, WAD, SIZES, lambda keys: _maps(keys[:3]))
    assert output.read_bytes() == b"the one before"


@contextmanager
def _largest_file(limit):
    """Let the operating system refuse to let a file grow past ``limit`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_says_so_and_keeps_what_is_finished(tmp_path):
    """Wherever it strikes: in a map, or in the zip of all of them."""
    whole, output, asked = tmp_path / "whole.zip", tmp_path / "s.zip", []

    def maps(keys):
        asked.extend(keys)
        return _maps(keys)

    write_submission(whole, WAD, SIZES, _maps)
    kept = "; what is finished is kept, the same command resumes from there"
    for limit, left, more in ((10, 5, kept), (300, 0, "")):
        refused = rf"s\.zip: cannot be written \({os.strerror(errno.EFBIG)}\){more}"
        with _largest_file(limit), pytest.raises(SegibnError, match=refused):
            write_submission(output, WAD, SIZES, _maps)
        assert not output.exists()
        asked.clear()
        write_submission(output, WAD, SIZES, maps)
        assert len(asked) == left
        assert output.read_bytes() == whole.read_bytes()
        output.unlink()


@pytest.mark.parametrize("name", ["s.tar", "s", "s.json"])
def test_only_known_kinds_of_files_are_written(tmp_path, name):
    with pytest.raises(SubmissionError, match=r"is a \.zip of maps"):
        write_submission(tmp_path / name, WAD, SIZES, _maps)


def test_memory_grows_by_names_not_by_maps_and_there_is_one_folder(tmp_path):
    sizes = {f"0004a4c0-{number:08x}": (100, 100) for number in range(1000)}
    files = set()

    def maps(keys):
        for key in keys:
            files.add(len(list(tmp_path.iterdir())))
            yield key, _map(key, (100, 100))

    write_submission(tmp_path / "first.zip", WAD, dict(list(sizes.items())[:2]), _maps_of_100)
    (tmp_path / "first.zip").unlink()
    tracemalloc.start()
    write_submission(tmp_path / "s.zip", WAD, sizes, maps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert files == {1}
    stored = (tmp_path / "s.zip").stat().st_size / len(sizes)
    assert stored > 2200  # the PNG of a map; its pixels are 10,000 bytes
    assert peak / len(sizes) < 8000


def _maps_of_100(keys):
    return ((key, _map(key, (100, 100))) for key in keys)


@pytest.mark.slow
def test_the_20000_official_frames_are_written_checked_and_complete(tmp_path):
    expected = expect_test_set(WAD)
    street = np.zeros((720, 1280), np.uint8)
    street[400:, 300:900] = 1

    def maps(keys):
        for number, key in enumerate(keys):
            street[number % 720] = 2
            yield key, street

    report = write_submission(tmp_path / "s.zip", WAD, expected.sizes, maps)
    assert (report.is_valid, report.num_maps) == (True, 20_000)
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == [f"{key}_drivable_id.png" for key in sorted(expected.sizes)]
