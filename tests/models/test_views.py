"""Averages of views, against the plain way in full memory."""

import pytest
import torch
from torch.nn import functional as F

from segibn.inference import views
from segibn.inference.views import averaged_argmax, summed_argmax, upsampled_rows
from segibn.models.layers import upsample

SIZES = [((7, 9), (40, 61)), ((40, 61), (40, 61)), ((80, 100), (40, 61)), ((1, 1), (5, 3))]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("coarse", "size"), SIZES)
def test_rows_are_those_of_the_whole(coarse, size, align_corners):
    logits = torch.randn(2, 3, *coarse)
    whole = upsample(logits, size, align_corners=align_corners)
    for rows in (slice(0, 1), slice(1, size[0] - 1), slice(size[0] - 2, size[0])):
        found = upsampled_rows(logits, rows, size, align_corners=align_corners)
        # torch computes positions in float32, which is off by a few units of 1e-6 of a side.
        torch.testing.assert_close(found, whole[:, :, rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("average", [averaged_argmax, summed_argmax])
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_average_is_the_mean_softmax_in_full_memory(average, align_corners, monkeypatch):
    monkeypatch.setattr(views, "_CPU_BAND_BYTES", 7 * 61 * 5 * 4 * 2)  # bands of seven rows
    torch.manual_seed(0)
    looks = [torch.randn(2, 5, 6, 9) * 4, torch.randn(2, 5, 12, 17) * 4, torch.randn(2, 5, 40, 61)]
    full = [F.interpolate(v, (40, 61), mode="bilinear", align_corners=align_corners) for v in looks]
    mean = torch.stack([v.softmax(1) for v in full]).mean(0)
    best = mean.topk(2, dim=1).values
    sure = best[:, 0] - best[:, 1] > 1e-5
    pred = average(looks, (40, 61), align_corners=align_corners)
    assert pred.dtype == torch.uint8
    assert sure.float().mean() > 0.999
    assert torch.equal(pred[sure], mean.argmax(1)[sure].byte())


def test_of_equal_probabilities_the_first_class_wins():
    looks = [torch.zeros(1, 4, 3, 3), torch.zeros(1, 4, 6, 6)]
    assert averaged_argmax(looks, (9, 9)).max() == 0


def test_no_views_are_refused():
    with pytest.raises(ValueError, match="no views"):
        summed_argmax([], (4, 4))
