"""Videos written and read by OpenCV, without and with our code on one of the two sides."""

import cv2
import numpy as np
import pytest

from segibn.media.faults import MediaError
from segibn.media.video import VideoReader, VideoWriter


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
        ("text.mp4", b"hello\n" * 99, "not a readable video"),
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
