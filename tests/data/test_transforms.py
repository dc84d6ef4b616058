"""Image and target move together; padding is ignored; one seed means one result."""

import hashlib

import numpy as np
import pytest

from segibn.data.frame import ArrayFrame
from segibn.data.transforms import IGNORE_INDEX, PAD_COLOR, TrainTransform, resize_image, resize_target


def _ramp(axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame whose target is its coordinate along an axis, and whose image is twice that."""
    shape = (120, 120)
    target = np.arange(120, dtype=np.uint8)
    target = np.broadcast_to(target[:, None] if axis == 0 else target[None, :], shape).copy()
    return np.repeat((2 * target)[:, :, None], 3, axis=2), target


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize("scale", [0.55, 0.7, 1.0, 1.4, 1.9])
def test_a_target_that_encodes_its_coordinates_moves_with_the_image(axis: int, scale: float) -> None:
    frame, coordinates = _ramp(axis)
    transform = TrainTransform((48, 40), (scale, scale), 0.5)
    differences = []
    for seed in range(20):
        image, target = transform(ArrayFrame(frame, coordinates), seed)
        differences.append(image[..., 0] / 2 - target)
    worst = np.abs(differences).max()
    assert worst <= 0.5 / min(1.0, scale) + 0.3  # half a pixel of the coarser grid, and rounding
    # The two grids are not shifted against each other: cv2.INTER_NEAREST would show a quarter pixel
    # or more; what is left is how OpenCV rounds.
    assert abs(np.mean(differences)) < 0.1


def test_at_scale_one_a_crop_is_a_piece_of_the_frame() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    labels = np.arange(1500).reshape(30, 50) % 19
    image, target = TrainTransform((30, 50), (1, 1), 1.0)(ArrayFrame(frame, labels.astype(np.uint8)), 3)
    np.testing.assert_array_equal(image, frame[:, ::-1])
    np.testing.assert_array_equal(target, labels[:, ::-1])


def test_flips_come_as_often_as_asked() -> None:
    frame, coordinates = _ramp(1)
    transform = TrainTransform((120, 120), (1, 1), 0.25)
    flipped = [transform(ArrayFrame(frame, coordinates), seed)[1][0, 0] > 0 for seed in range(400)]
    assert 0.18 < np.mean(flipped) < 0.32  # three standard deviations


def test_windows_reach_every_edge_of_the_frame_and_stay_inside() -> None:
    rng = np.random.default_rng(0)
    transform = TrainTransform((16, 16), (1, 2))
    windows = np.array([transform.window(rng, (20, 30)).source for _ in range(2000)])
    assert windows.min(axis=0)[:2].tolist() == [0, 0]
    assert windows.max(axis=0)[2:].tolist() == [20, 30]


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_frame_smaller_than_the_crop_is_padded_with_ignore(scale: float) -> None:
    frame = np.full((20, 60, 3), 7, np.uint8)
    transform = TrainTransform((48, 40), (scale, scale))
    places = set()
    for seed in range(10):
        image, target = transform(ArrayFrame(frame, np.zeros((20, 60), np.uint8)), seed)
        assert image.shape == (48, 40, 3)
        assert target.shape == (48, 40)
        padding = target == IGNORE_INDEX
        assert (~padding).sum() == round(20 * scale) * min(40, round(60 * scale))
        assert (image[padding] == PAD_COLOR).all()
        assert (image[~padding] == 7).all()
        places.add(int(np.flatnonzero(~padding.all(axis=1))[0]))
    assert len(places) > 3  # the frame does not always lie in the same corner


def test_resized_targets_hold_no_new_value() -> None:
    labels = np.random.default_rng(0).choice(np.array([3, 9, 18], np.uint8), (64, 64))
    for seed in range(20):
        black = ArrayFrame(np.zeros((64, 64, 3), np.uint8), labels)
        _, target = TrainTransform((40, 80))(black, seed)
        assert set(np.unique(target)) <= {3, 9, 18, IGNORE_INDEX}


def test_one_seed_one_result_and_inputs_stay_as_they_were() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    labels = frame[..., 0] % 19
    before = frame.copy(), labels.copy()
    settings = {"color_jitter": (0.4, 0.4, 0.4, 0.1), "blur_sigma": (0.2, 1.5)}
    one, other = TrainTransform((32, 48), **settings), TrainTransform((32, 48), **settings)
    sample = ArrayFrame(frame, labels)
    one(sample, 1)  # a call before must not matter
    for seed in (5, 2**63):
        for a, b in zip(one(sample, seed), other(sample, seed), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_colour_changes_leave_geometry_and_padding_alone() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    labels = frame[..., 0] % 19
    jitter = {"color_jitter": (0.5, 0.5, 0.5, 0.2), "color_jitter_probability": 1.0}
    plain, colored = TrainTransform((48, 64)), TrainTransform((48, 64), **jitter)
    for seed in range(5):
        image, target = plain(ArrayFrame(frame, labels), seed)
        changed, same_target = colored(ArrayFrame(frame, labels), seed)
        np.testing.assert_array_equal(target, same_target)
        assert (changed != image).any()
        assert (changed[target == IGNORE_INDEX] == PAD_COLOR).all()


def test_halving_and_more_averages_every_pixel() -> None:
    checkers = np.indices((64, 64)).sum(axis=0) % 2 * 255
    image = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    for size in ((32, 32), (16, 16)):
        assert np.abs(resize_image(image, size).astype(float) - 127.5).max() <= 1


def test_resize_target_takes_the_nearest_pixel_centre() -> None:
    target = np.arange(9, dtype=np.uint8)[None].repeat(9, axis=0)
    assert resize_target(target, (3, 3))[0].tolist() == [1, 4, 7]


def test_windows_without_a_focus_are_those_of_the_first_version() -> None:
    # What crops showed before windows could be told to contain a point (commit 83a65fa).
    seen = hashlib.sha256()
    transform = TrainTransform((64, 96), (0.5, 2.0), aspect_range=(0.8, 1.25))
    for seed in range(300):
        rng = np.random.Generator(np.random.PCG64(seed))
        size = [(120, 160), (60, 500), (33, 47)][seed % 3]
        window = transform.window(rng, size)
        seen.update(repr((window.source, window.size, window.offset)).encode())
    assert seen.hexdigest() == "1e4014ab484444a013c79a6da73ab37402bd9530be8af2465a755a6449d819bb"


@pytest.mark.parametrize("frame", [(120, 160), (60, 500), (33, 47)], ids=str)
def test_the_focus_is_in_every_window_also_where_the_frame_is_padded(frame: tuple[int, int]) -> None:
    transform = TrainTransform((64, 96), (0.5, 2))
    corners = [(0, 0), (0, frame[1] - 1), (frame[0] - 1, 0), (frame[0] - 1, frame[1] - 1)]
    for seed in range(400):
        rng = np.random.Generator(np.random.PCG64(seed))
        focus = (corners[seed % 4], tuple(rng.integers(0, frame).tolist()))[seed % 5 > 0]
        free = transform.window(np.random.Generator(np.random.PCG64(seed)), frame)
        held = transform.window(np.random.Generator(np.random.PCG64(seed)), frame, focus)
        top, left, bottom, right = held.source
        assert 0 <= top <= focus[0] < bottom <= frame[0]
        assert 0 <= left <= focus[1] < right <= frame[1]
        # The same random numbers give the same scale: the focus moves a window, no more.
        assert (bottom - top, right - left) == (free.source[2] - free.source[0], free.source[3] - free.source[1])
        assert (held.size, held.offset) == (free.size, free.offset)


def test_every_window_that_contains_the_focus_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    transform = TrainTransform((16, 16), (1, 1))
    tops = [transform.window(rng, (40, 40), focus=(5, 39)).source[:2] for _ in range(6000)]
    rows, counts = np.unique([top for top, _ in tops], return_counts=True)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]  # the frame's edge leaves six of the sixteen
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000 * 5 / 6)
    assert {left for _, left in tops} == {24}


def test_the_focus_pixel_is_seen_in_the_crop_with_flips_and_padding() -> None:
    for size in [(70, 90), (20, 200), (16, 16)]:
        transform = TrainTransform((32, 48), (1.0, 2.0), 0.5)  # enlarging loses no pixel
        for seed in range(120):
            focus = tuple(np.random.default_rng(seed).integers(0, size).tolist())
            labels = np.zeros(size, np.uint8)
            labels[focus] = 1
            _, target = transform(ArrayFrame(np.zeros((*size, 3), np.uint8), labels), seed, focus)
            assert (target == 1).any()


def test_a_focus_outside_the_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside a frame"):
        TrainTransform((8, 8)).window(np.random.default_rng(0), (20, 30), focus=(20, 0))
