"""Frames and label maps are resized and cut alike."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from segibn.data.framing import Framing


def _frame(height, width):
    """Return a frame whose red and green say where a pixel was, and a target that says it too."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8)
    return image, ((rows // 10) * 12 + columns // 10).astype(np.uint8)


def test_the_centre_is_cut_out_of_both():
    image, target = _frame(60, 90)
    small, labels = Framing(crop=(20, 30))(image, target)
    np.testing.assert_array_equal(small, image[20:40, 30:60])
    np.testing.assert_array_equal(labels, target[20:40, 30:60])


def test_smaller_frames_are_padded_and_their_padding_is_never_scored():
    image, target = _frame(10, 40)
    padded, labels = Framing(crop=(20, 20))(image, target)
    np.testing.assert_array_equal(padded[5:15], image[:, 10:30])
    np.testing.assert_array_equal(labels[5:15], target[:, 10:30])
    assert (labels[:5] == 255).all()
    assert (labels[15:] == 255).all()
    assert not padded[:5].any()


@pytest.mark.parametrize("framing", [Framing(height=30), Framing(scale=0.5)])
def test_frame_and_labels_stay_aligned_when_they_shrink(framing):
    image, target = _frame(60, 90)
    small, labels = framing(image, target)
    assert small.shape == (30, 45, 3)
    assert labels.shape == (30, 45)
    inside = np.s_[2::5]  # pixels in the middle of blocks of one label
    expected = (small[..., 0] // 10) * 12 + small[..., 1] // 10
    np.testing.assert_array_equal(labels[inside, inside], expected[inside, inside])


@pytest.mark.parametrize("size", [(60, 90), (61, 47)])
def test_reins_halves_equal_its_steps_in_pillow(size):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    target = random.integers(0, 19, size, dtype=np.uint8)
    half = (size[1] // 2, size[0] // 2)
    small, labels = Framing(scale=0.5)(image, target)
    np.testing.assert_array_equal(small, Image.fromarray(image).resize(half, Image.BICUBIC))
    np.testing.assert_array_equal(labels, Image.fromarray(target).resize(half, Image.NEAREST))


def test_labels_are_never_mixed():
    target = np.zeros((33, 47), np.uint8)
    target[:, 20:] = 200
    _, labels = Framing(height=50)(np.zeros((33, 47, 3), np.uint8), target)
    assert set(np.unique(labels)) == {0, 200}


@pytest.mark.parametrize("size", [(64, 48), (64, 27), (40, 90), (64, 64), (50, 59)])
def test_robustnets_framing_equals_its_steps_in_pillow(size):
    """ResizeHeight(32) and CenterCropPad(32): padded on both sides, cut where it was before."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    target = random.integers(0, 19, size, dtype=np.uint8)
    width = int(size[1] / size[0] * 32)
    expected = []
    for array, method in ((image, Image.BICUBIC), (target, Image.NEAREST)):
        picture = Image.fromarray(array).resize((width, 32), method)
        missing = max(0, 32 - width)
        picture = ImageOps.expand(picture, (missing, 0, missing, 0), fill=0)
        left = round((width - 32) / 2)
        expected.append(np.array(picture.crop((left, 0, left + 32, 32))))
    framing = Framing(height=32, crop=(32, 32), as_robustnet=True)
    np.testing.assert_array_equal(framing(image, target)[0], expected[0])
    np.testing.assert_array_equal(framing(image, target)[1], expected[1])


def test_the_name_says_all_of_it():
    assert Framing(height=1536, crop=(1536, 1536)).name == "h1536-crop1536x1536"
    assert Framing(scale=0.5).name == "x0.5"
    assert Framing(8, crop=(8, 8), as_robustnet=True).name == "h8-crop8x8-as-robustnet"
    assert Framing().name == ""
