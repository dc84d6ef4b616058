import os

import cv2
import numpy as np
import pytest
from PIL import Image

from segibn.errors import DatasetError
from segibn.media.outputs import places_of
from segibn.media.sources import find_sources
from segibn.media.video import VideoReader


@pytest.fixture
def tree(tmp_path):
    for name in ("a.jpg", "sub/a.jpg", "sub/straße 1.PNG", "sub/b.v2.tif", "sub/notes.txt"):
        _touch(tmp_path / "frames" / name)
    return tmp_path


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _names(*inputs, **options):
    return [source.name for source in find_sources(inputs, **options).sources]


def test_a_folder_keeps_its_subfolders(tree):
    assert _names(tree / "frames") == ["a", "sub/a", "sub/b.v2", "sub/straße 1"]


def test_patterns_find_what_the_folder_does_and_name_it_the_same(tree):
    assert _names(f"{tree}/frames/**/*") == _names(tree / "frames")
    assert _names(f"{tree}/frames/*/*.[jt]*") == ["sub/a", "sub/b.v2"]


def test_brackets_in_a_files_name_are_no_pattern(tree):
    _touch(tree / "shot[1].png")
    assert _names(str(tree / "shot[1].png")) == ["shot[1]"]


def test_one_file_given_twice_is_predicted_once(tree):
    assert _names(tree / "frames" / "a.jpg", tree / "frames") == _names(tree / "frames")


def test_names_that_clash_are_told_apart_by_suffix_folder_and_number(tree):
    for name in ("frames/a.png", "x/in/c.jpg", "y/in/c.jpg", "z/c.jpg", "frames/A.bmp"):
        _touch(tree / name)
    inputs = (tree / "frames", tree / "x" / "in", tree / "y" / "in", tree / "z")
    names = _names(*inputs)
    assert names[:3] == ["A.bmp", "a.jpg", "a.png"]  # some file systems take A for a
    assert sorted(names[6:]) == ["in/c.jpg", "in/c.jpg_2", "z/c.jpg"]
    assert len({name.casefold() for name in names}) == len(names)


def test_frames_of_a_video_do_not_lie_among_a_folders_images(tree):
    _touch(tree / "frames" / "sub.mp4")
    assert "sub.mp4" in _names(tree / "frames")


def test_outputs_of_an_earlier_run_inside_the_input_are_left_out(tree):
    frames = tree / "frames"
    _touch(frames / "overlays" / "a.jpg")
    _touch(frames / "legend.png")
    _touch(frames / "summary.json")
    assert {"overlays/a", "legend"} < set(_names(frames))
    assert _names(frames, left_out=places_of(frames)) == ["a", "sub/a", "sub/b.v2", "sub/straße 1"]
    found = find_sources([frames], left_out=places_of(frames))
    assert [path.name for path in found.others] == ["notes.txt"]
    _touch(frames / "predictions.jsonl")  # of a prediction whose outputs go elsewhere now
    assert _names(frames) == ["a", "sub/a", "sub/b.v2", "sub/straße 1"]
    assert find_sources([frames]).outputs == [frames]
    assert _names(frames / "overlays") == ["a"]


def test_inputs_that_are_not_there_or_hold_nothing_are_named(tree):
    (tree / "empty").mkdir()
    for text, message in (
        ("typo.jpg", "no such file or folder"),
        ("frames/*.gif", "matches no image"),
        ("empty", "holds no images"),
    ):
        with pytest.raises(DatasetError, match=message):
            find_sources([str(tree / text)])


def _write_video(path, tag, suffix):
    """Write under a suffix that OpenCV takes for a container, then call it ``path``."""
    written = path.with_name(f"written{suffix}")
    writer = cv2.VideoWriter(str(written), cv2.VideoWriter_fourcc(*tag), 25, (48, 32))
    for grey in range(0, 250, 40):
        writer.write(np.full((32, 48, 3), grey, np.uint8))
    writer.release()
    written.rename(path)


def test_content_tells_pictures_and_videos_whatever_they_are_called(tmp_path):
    containers = {
        **{".avi": "MJPG", ".ts": "mpg2", ".flv": "FLV1", ".3gp": "mp4v", ".asf": "MJPG"},
        **{".vob": "mpg2", ".ogv": "theo", ".webm": "VP90", ".mkv": "mp4v", ".m2ts": "mpg2"},
    }
    for suffix, tag in containers.items():
        if suffix != ".ogv":  # not every OpenCV writes Theora
            _write_video(tmp_path / f"clip {suffix[1:]}.jpg", tag, suffix)
    _write_video(tmp_path / "no suffix", "mp4v", ".mp4")
    Image.new("RGB", (4, 4)).save(tmp_path / "really a picture.mp4", format="PNG")
    (tmp_path / "old.OGV").write_bytes(b"OggS" + bytes(60))
    (tmp_path / "damaged.mp4").write_bytes(b"?" * 99)
    found = find_sources([tmp_path])
    assert not found.others
    stills = [source.name for source in found.sources if source.kind.role == "picture"]
    assert stills == ["really a picture"]
    assert len(found.sources) == len(containers) + 3
    for source in found.sources:
        if source.name.startswith(("clip", "no")):
            with VideoReader(source.path) as video:
                assert len(list(video)) == 7, source.path


def test_pictures_that_are_not_read_are_sources_and_other_files_are_counted(tmp_path):
    unread = {
        "phone.jpg": (b"\0\0\0\x18ftypheic", "HEIC"),
        "web.png": (b"\0\0\0\x18ftypavif", "AVIF"),
        "raw.DNG": (b"II*\0" + bytes(40), "camera raw"),
        "drawing": (b'<?xml version="1.0"?>\n<svg xmlns="', "SVG"),
        "page.x": (b"%PDF-1.7", "PDF"),
        "scan.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        "moving.gif": (b"GIF89a", "GIF"),
        "grid.ppm": (b"P6\n4 4\n255\n", "PNM"),
    }
    for name, (content, _) in unread.items():
        (tmp_path / name).write_bytes(content)
    others = {"notes.txt": b"BM is a format\n", "a.json": b"{}", "Thumbs.db": b"\xd0\xcf", "x.ts": b"G"}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    found = find_sources([tmp_path])
    assert sorted(path.name for path in found.others) == sorted(others)
    told = {source.path.name: source.kind for source in found.sources}
    assert all(unread[name][1] in kind.name for name, kind in told.items())
    assert {kind.role for kind in told.values()} == {"unread"}
    assert len(told) == len(unread)
    named = find_sources([tmp_path / "notes.txt"]).sources[0].kind
    assert (named.role, named.name) == ("unread", "neither a picture nor a video")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.txt").touch()
    with pytest.raises(DatasetError, match=r"holds no images.*among 1 file$"):
        find_sources([tmp_path / "only"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DatasetError, match="device or pipe"):
        find_sources([tmp_path / "pipe.jpg"])
    _touch(tmp_path / "a.jpg")
    assert [path.name for path in find_sources([tmp_path]).others] == ["pipe.jpg"]


def test_equal_stems_get_outputs_of_their_own(tmp_path):
    for name in ("a/1.jpg", "b/1.jpg", "x.mp4", "x.avi", "x.jpg", "x.png", "x.jpg.png"):
        _touch(tmp_path / name)
    inputs = [tmp_path / "a" / "1.jpg", tmp_path / "b" / "1.jpg", tmp_path]
    names = [source.name for source in find_sources(inputs).sources]
    assert len(names) == len(set(names)) == 7
