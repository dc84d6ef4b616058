import pytest
import torch
from torch.nn import functional as F

from segibn.models.layers import banded_argmax, upsample

SIZES = [
    ((2, 19, 11, 20), (176, 320)),
    ((1, 19, 23, 31), (365, 487)),
    ((1, 3, 23, 40), (360, 640)),
    ((3, 11, 8, 6), (8, 6)),
    ((1, 2, 4, 4), (3, 7)),
    ((1, 1, 4, 4), (9, 9)),
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("band", [1, 4])
@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_labels_equal_interpolate_then_argmax_in_every_pixel(shape, size, band, layout) -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(shape, generator=generator)
    expected = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False).argmax(dim=1)
    before = coarse.clone()
    pred = banded_argmax(coarse.contiguous(memory_format=layout), size, band)
    assert pred.dtype == torch.uint8
    assert torch.equal(pred.long(), expected)
    assert torch.equal(coarse, before)


def test_of_equal_logits_the_first_class_wins() -> None:
    assert banded_argmax(torch.zeros(1, 4, 2, 2), (8, 8)).sum() == 0


def test_upsampling_is_bilinear_between_pixel_centres() -> None:
    row = upsample(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))
    assert row.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]
