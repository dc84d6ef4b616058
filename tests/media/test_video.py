"""Videos written and read by OpenCV, without and with our code on one of the two sides."""

import dataclasses
import math
import struct

import cv2
import numpy as np
import pytest

from segibn.errors import ConfigError
from segibn.media.codecs import CODECS, choose_codec, works
from segibn.media.faults import MediaError, OutputError
from segibn.media.video import VideoReader
from segibn.media.video_writer import VideoWriter


def write_plainly(path, frames, fps, fourcc="FFV1"):
    """FFV1 is lossless."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


def read_plainly(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return frames, capture.get(cv2.CAP_PROP_FPS)


def test_frames_come_in_order_and_whole(make_image, tmp_path):
    frames = [make_image(32, 48, seed) for seed in range(11)]
    write_plainly(tmp_path / "vidéo 1.mkv", frames, 12.5)
    with VideoReader(tmp_path / "vidéo 1.mkv") as video:
        found = list(video)
        assert (video.fps, video.expected) == (12.5, 11)
    assert len(found) == 11
    plain, _ = read_plainly(tmp_path / "vidéo 1.mkv")
    for frame, expected, original in zip(found, plain, frames, strict=True):
        np.testing.assert_array_equal(frame, expected)
        assert np.abs(frame.astype(int) - original).mean() < 8  # colours at half the size


@pytest.mark.parametrize("size", [(32, 48), (17, 33), (1, 1), (3, 18)])
def test_what_is_written_has_count_rate_and_size(size, make_image, tmp_path):
    frames = [make_image(*size, seed) for seed in range(7)]
    with VideoWriter(tmp_path / "out.mp4", 30000 / 1001, size) as writer:
        for frame in frames:
            writer.write(frame)
    found, fps = read_plainly(tmp_path / "out.mp4")
    assert len(found) == 7
    assert fps == pytest.approx(29.97, abs=0.01)
    height, width = size
    assert found[0].shape[:2] == (max(2, height + height % 2), max(2, width + width % 2))
    if size == (32, 48):
        for frame, original in zip(found, frames, strict=True):
            assert np.abs(frame.astype(int) - original).mean() < 20


def test_a_truncated_video_gives_its_readable_frames_and_a_fault(make_image, tmp_path):
    path = tmp_path / "cut.avi"
    write_plainly(path, [make_image(32, 48, seed) for seed in range(40)], 25, "MJPG")
    whole, _ = read_plainly(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoReader(path) as video:
        found = list(video)
        fault = video.fault_after(len(found))
    assert 5 < len(found) < 35
    np.testing.assert_array_equal(found[0], whole[0])
    assert f"{len(found)} of about 40 frames" in fault.reason


def test_a_whole_video_has_no_fault(make_image, tmp_path):
    write_plainly(tmp_path / "whole.mkv", [make_image(32, 48)] * 9, 25)
    with VideoReader(tmp_path / "whole.mkv") as video:
        assert video.fault_after(len(list(video))) is None


def test_what_is_no_video_is_said(tmp_path):
    for name, content, reason in (
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"hello\n" * 99, r"not a readable video \(text inside"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nreal.mp4\n", r"\(text inside"),
        ("noise.mp4", bytes(range(256)) * 9, "not a readable video, or cut short"),
        ("missing.mp4", None, "no such file"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError, match=reason):
            VideoReader(tmp_path / name)


def test_leaving_while_frames_are_read_ahead_does_not_hang(make_image, tmp_path):
    write_plainly(tmp_path / "long.avi", [make_image(320, 480, seed) for seed in range(30)], 25)
    for _ in range(20):
        with VideoReader(tmp_path / "long.avi") as video:
            frames = iter(video)
            next(frames)
        assert len(list(frames)) < 29  # those that were decoded, then the end


def patch_matrix(path, *rows):
    """Replace the display matrix in an .mp4's track header: a b u c d v, in 16.16."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: ISO/IEC 14496-12, 8.3.2
    data[place : place + 24] = struct.pack(">6i", *(round(row * 65536) for row in rows))
    path.write_bytes(data)


def test_frames_come_upright_and_of_square_pixels(tmp_path):
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[:16, :24] = 255  # the upper left
    forms = {
        "quarter.mp4": ((0, 1, 0, -1, 0, 0), (48, 32), "upper right"),
        "half.mp4": ((-1, 0, 0, 0, -1, 0), (32, 48), "lower right"),
        "wide.mp4": ((2, 0, 0, 0, 1, 0), (32, 96), "upper left"),
    }
    for name, (matrix, size, corner) in forms.items():
        write_plainly(tmp_path / name, [frame] * 4, 25, "mp4v")
        patch_matrix(tmp_path / name, *matrix)
        with VideoReader(tmp_path / name) as video:
            found = next(iter(video))
        assert found.shape[:2] == size, name
        halves = found[: size[0] // 2, ..., 0], found[size[0] // 2 :, ..., 0]
        bright = {
            f"{row} {side}": part.mean() > 200
            for row, half in zip(("upper", "lower"), halves, strict=True)
            for side, part in zip(("left", "right"), np.hsplit(half, 2), strict=True)
        }
        assert [place for place, is_bright in bright.items() if is_bright] == [corner], name


def test_a_varying_rate_keeps_every_frame_and_is_averaged(make_image, tmp_path):
    path = tmp_path / "screen.webm"
    with VideoWriter(path, 25, (32, 48), CODECS["vp8"]) as writer:
        for seed in range(20):
            writer.write(make_image(32, 48, seed))
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88") + 3  # Duration in ms
    data[place : place + 8] = struct.pack(">d", 2400)
    place = data.index(b"\x1f\x43\xb6\x75")  # the cluster
    for number in range(20):
        place = data.index(b"\x81" + struct.pack(">h", 40 * number), place) + 1  # track, then time
        data[place : place + 2] = struct.pack(">h", 120 * number + 50 * (number % 2))
    path.write_bytes(data)
    with VideoReader(path) as video:
        found = list(video)
        assert video.fault_after(len(found)) is None
        assert video.fault_after(12) is not None
    assert len(found) == 20
    assert video.fps == pytest.approx(19 / 2.33, rel=0.01)


@pytest.mark.parametrize("fps", [105.611, 30000 / 1001, 239.762, 0.0, math.nan, 1e6, -5, 0.001])
@pytest.mark.parametrize("codec", ["vp9", "vp8", "mpeg4"])
def test_every_rate_is_written_at_the_nearest_that_the_encoder_takes(codec, fps, tmp_path):
    codec = CODECS[codec]
    path = tmp_path / f"out{codec.suffix}"
    with VideoWriter(path, fps, (48, 64), codec) as writer:
        for grey in (0, 90, 180):
            writer.write(np.full((48, 64, 3), grey, np.uint8))
    found, rate = read_plainly(path)
    assert len(found) == 3
    wanted = fps if 0.1 <= fps <= 1000 else {1e6: 1000, 0.001: 0.1}.get(fps, 25)
    assert rate == pytest.approx(wanted, rel=1e-4)


def test_a_size_that_no_encoder_takes_is_that_files_fault(tmp_path):
    with pytest.raises(MediaError, match=r"drive\.avi: no MPEG-4.*64x8210.*at 30 frames") as caught:
        VideoWriter(tmp_path / "o.mp4", 30, (64, 8209), CODECS["mpeg4"], tmp_path / "drive.avi")
    assert "--video-codec" in caught.value.fix
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        VideoWriter(tmp_path / "file" / "o.mp4", 30, (64, 64))


def test_a_header_of_an_absurd_size_is_refused_before_a_frame_is_made(make_image, tmp_path):
    path = tmp_path / "huge.avi"
    write_plainly(path, [make_image(32, 48)] * 3, 25)
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 12  # BITMAPINFOHEADER: width, height
    data[place : place + 8] = struct.pack("<ii", 16000, 12000)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="12000x16000"):
        VideoReader(path)


def test_a_codec_is_what_it_is_called_or_refused():
    with pytest.raises(ConfigError, match="no such encoder; it has"):
        choose_codec(next(name for name, codec in CODECS.items() if not works(codec)))
    assert choose_codec() == next(codec for codec in CODECS.values() if works(codec))
    assert works(CODECS["vp9"])
    assert not works(dataclasses.replace(CODECS["vp9"], read_as=("avc1",)))
