"""Batch norms that are folded into convolutions for prediction: the same logits, or the network as it was."""

import copy

import pytest
import torch
from torch import nn

from segibn.builders.models import build_segmenter
from segibn.config.schema import RunConfig
from segibn.inference.folding import fold_norms
from segibn.models.segmenter import SegmenterOutput


def _segmenter(backbone: dict) -> nn.Module:
    torch.manual_seed(0)
    model = {"backbone": backbone, "head": {"name": "fcn", "channels": 8}, "weights": "none"}
    config = RunConfig.model_validate({"name": "x", "data": {"train": {"name": "camvid"}}, "model": model})
    segmenter = build_segmenter(config.model, 5).eval()
    for module in segmenter.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return segmenter


@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "resnet18"},
        {"name": "resnet18", "ibn": "a"},
        {"name": "resnet18", "ibn": "b"},
        {"name": "timm", "model": "tf_efficientnet_lite0", "ibn": "share", "ibn_where": {"places": ["last"]}},
    ],
    ids=["plain", "a", "b", "share"],
)
def test_folded_networks_give_the_same_logits(backbone) -> None:
    segmenter = _segmenter(backbone)
    image = torch.randn(1, 3, 96, 160)
    with torch.inference_mode():
        expected = segmenter(image).logits
        count = sum(type(module) is nn.BatchNorm2d for module in segmenter.modules())
        folded = fold_norms(segmenter)
        found = segmenter(image).logits
    left = sum(type(module) is nn.BatchNorm2d for module in segmenter.modules())
    assert folded >= 8
    assert left == count - folded
    torch.testing.assert_close(found, expected, atol=1e-4 * expected.abs().max().item(), rtol=0)


class _Shared(nn.Module):
    """A network whose convolution has another reader beside the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.norm.running_var.fill_(4)

    def forward(self, x: torch.Tensor) -> SegmenterOutput:
        found = self.conv(x)
        return SegmenterOutput(found + self.norm(found), None, (126, 126), False, {})


def test_a_convolution_with_another_reader_stays_as_it_is() -> None:
    network = _Shared().eval()
    before = copy.deepcopy(network.state_dict())
    assert fold_norms(network) == 0
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
