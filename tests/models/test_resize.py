import cv2
import numpy as np
import pytest
import torch

from segibn.models.kernels.resize import resize_image


def _frame(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "target", "mode"),
    [
        ((720, 1280), (176, 320), cv2.INTER_AREA),
        ((45, 71), (13, 20), cv2.INTER_AREA),
        ((40, 30), (20, 14), cv2.INTER_AREA),
        ((64, 128), (32, 64), cv2.INTER_LINEAR),
        ((45, 71), (32, 48), cv2.INTER_LINEAR),
        ((32, 48), (45, 71), cv2.INTER_LINEAR),
    ],
)
def test_resized_images_are_opencvs(size: tuple, target: tuple, mode: int) -> None:
    frame = _frame(size)
    expected = cv2.resize(frame, (target[1], target[0]), interpolation=mode)
    resized = resize_image(torch.from_numpy(frame).permute(2, 0, 1)[None], target)
    assert resized.shape == (1, 3, *target)
    np.testing.assert_allclose(resized[0].permute(1, 2, 0).numpy(), expected, atol=0.01)
    as_elsewhere = resize_image(torch.from_numpy(frame).double().permute(2, 0, 1)[None], target)  # by products
    torch.testing.assert_close(as_elsewhere.float(), resized, atol=0.001, rtol=0)
    of_bytes = resize_image(torch.from_numpy(frame.astype(np.uint8)).permute(2, 0, 1)[None], target)
    torch.testing.assert_close(of_bytes, resized)


@pytest.mark.parametrize(
    ("size", "target"),
    [((720, 1280), (256, 455)), ((1024, 1100), (256, 512)), ((131, 300), (44, 70)), ((1031, 64), (101, 30))],
)
def test_bytes_in_bands_have_the_floats_of_whole_frames(size: tuple, target: tuple) -> None:
    frames = np.stack([_frame(size), _frame(size)[::-1]]).astype(np.uint8)
    image = torch.from_numpy(frames).permute(0, 3, 1, 2)
    resized = resize_image(image, target)
    assert resized.is_contiguous()
    for frame, found in zip(frames, resized, strict=True):
        expected = cv2.resize(frame.astype(np.float32), target[::-1], interpolation=cv2.INTER_AREA)
        assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    assert torch.equal(resize_image(image.contiguous(), target), resized)


def test_one_size_is_left_as_it_is() -> None:
    image = torch.rand(1, 3, 4, 5)
    assert resize_image(image, (4, 5)) is image


def test_autocast_does_not_cost_precision() -> None:
    image = torch.rand(1, 3, 40, 50)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = resize_image(image, (10, 10))
    assert torch.equal(lowered, resize_image(image, (10, 10)))
