import pytest
import torch
from torch.nn import functional as F

from segibn.models.kernels.best_class import best_classes
from segibn.models.layers import NOT_FINITE, banded_argmax, upsample

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


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("coarse_size", "size"),
    [((45, 80), (180, 320)), ((12, 21), (100, 171)), ((32, 56), (45, 79)), ((1, 7), (5, 40)), ((9, 1), (21, 3))],
)
def test_labels_of_smooth_logits_equal_the_argmax_except_where_two_classes_are_equal(
    coarse_size, size, align_corners
) -> None:
    generator = torch.Generator().manual_seed(0)
    blobs = F.interpolate(torch.randn((3, 19, 4, 6), generator=generator), coarse_size, mode="bicubic") * 5
    blobs[1, 7] += 40  # one class wins all of an image
    logits = F.interpolate(blobs, size=size, mode="bilinear", align_corners=align_corners)
    best, expected = logits.max(dim=1)
    pred = banded_argmax(blobs, size, align_corners=align_corners).long()
    other = logits.gather(1, pred[:, None])[:, 0]
    assert best_classes(blobs, size, align_corners=align_corners) is not None
    torch.testing.assert_close(other, best, atol=1e-5, rtol=0)
    assert (pred != expected).float().mean() < 1e-3
    assert pred[1].eq(7).all()


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
def test_what_is_not_finite_is_marked_where_it_is(fault) -> None:
    coarse = torch.zeros(1, 3, 6, 6)
    coarse[0, 1, 0, 0] = fault
    pred = banded_argmax(coarse, (24, 24))
    assert (pred[0, :3, :3] == NOT_FINITE).all()
    assert (pred[0, 8:, 8:] == 0).all()


def test_of_equal_logits_the_first_class_wins() -> None:
    assert banded_argmax(torch.zeros(1, 4, 2, 2), (8, 8)).sum() == 0
    slope = torch.linspace(1, -1, 16).expand(1, 1, 16, 16)
    equal = torch.cat([slope, torch.zeros(1, 2, 16, 16)], dim=1)
    assert best_classes(equal, (64, 64)) is not None
    assert banded_argmax(equal, (64, 64)).unique().tolist() == [0, 1]


def test_upsampling_is_bilinear_between_pixel_centres() -> None:
    row = upsample(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))
    assert row.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]
