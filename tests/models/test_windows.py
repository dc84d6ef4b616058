"""Windows and their blending, against loops over pixels."""

import math

import numpy as np
import pytest
import torch

from segibn.inference.windows import slide, window_slices, window_weights

WINDOW, STRIDE = (9, 12), (5, 8)


def logits_of(part):
    """Return logits that depend on what else is in the window, as instance norm's do."""
    centred = part - part.mean(dim=(-2, -1), keepdim=True)
    return torch.cat([centred, centred.square()], dim=1)


def weight(row, column, size, blending):
    if blending == "flat":
        return 1.0
    exponent = 0.0
    for place, length in ((row, size[0]), (column, size[1])):
        exponent += ((place - (length - 1) / 2) / (length / 8)) ** 2 / 2
    return math.exp(-exponent)


def slow_slide(image, window, stride, blending):
    """Every pixel asks every window whether it is in it, in float64."""
    height, width = image.shape[-2:]
    window = (min(window[0], height), min(window[1], width))

    def starts(length, side, step):
        found, place = [], 0
        while place + side < length:
            found.append(place)
            place += step
        return [*found, length - side]

    total, norm = np.zeros((6, height, width)), np.zeros((height, width))
    for top in starts(height, window[0], stride[0]):
        for left in starts(width, window[1], stride[1]):
            part = image[..., top : top + window[0], left : left + window[1]]
            logits = logits_of(part)[0].double().numpy()
            for row in range(window[0]):
                for column in range(window[1]):
                    share = weight(row, column, window, blending)
                    total[:, top + row, left + column] += share * logits[:, row, column]
                    norm[top + row, left + column] += share
    return total / norm


@pytest.mark.parametrize("blending", ["flat", "gaussian"])
@pytest.mark.parametrize("size", [(9, 12), (23, 31), (14, 20), (5, 40), (3, 4)])
def test_windows_are_blended_as_a_loop_over_pixels_says(size, blending):
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    found = slide(logits_of, image, WINDOW, STRIDE, blending)
    expected = slow_slide(image, WINDOW, STRIDE, blending)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("blending", ["flat", "gaussian"])
def test_what_all_windows_agree_on_stays_as_it_is(blending):
    image = torch.randn(2, 4, 37, 50)
    found = slide(lambda part: part.clone(), image, (16, 20), (16, 13), blending)
    torch.testing.assert_close(found, image, rtol=1e-5, atol=1e-5)


def test_gaussian_weights_are_positive_symmetric_and_largest_in_the_middle():
    weights = window_weights((769, 512), "gaussian")
    assert weights.dtype == torch.float32
    assert weights.min() > 1e-8
    torch.testing.assert_close(weights, weights.flip(0, 1))
    assert weights.argmax() // 512 == 384
    assert weights[384 + 96, 256] == pytest.approx(math.exp(-0.5), rel=0.02)  # 96 = 769 / 8


def test_another_blending_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'linear'.*flat, gaussian"):
        window_weights((4, 4), "linear")


@pytest.mark.parametrize("size", [(10, 10), (33, 47), (64, 40)])
def test_windows_cover_every_pixel_and_end_at_the_border(size):
    seen = np.zeros(size, int)
    for rows, columns in window_slices(size, (16, 20), (10, 13)):
        assert rows.stop <= max(size[0], 16)
        assert columns.stop <= max(size[1], 20)
        seen[rows, columns] += 1
    assert seen.min() >= 1
