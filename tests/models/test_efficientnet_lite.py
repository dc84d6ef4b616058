"""EfficientNet-Lite is timm's to the bit, and needs neither timm nor torch's compiler to be loaded."""

import subprocess
import sys

import pytest
import timm
import torch
from torch import nn

from segibn.models.efficientnet_lite import EfficientNetLite, lite_size
from segibn.models.sync_norm import SyncBatchNorm2d, synchronize_batch_norms
from segibn.models.timm_backbone import TimmBackbone


@pytest.mark.parametrize("size", "01234")
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_and_names_are_timms(size: str, output_stride: int) -> None:
    torch.manual_seed(0)
    name = f"tf_efficientnet_lite{size}"
    backbone = TimmBackbone(name, output_stride).eval()
    assert isinstance(backbone.network, EfficientNetLite)
    theirs = timm.create_model(name, output_stride=output_stride, num_classes=0).eval()
    state = theirs.state_dict()
    for key, value in state.items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif key.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1)
    theirs.load_state_dict(state)
    whole = EfficientNetLite(size, output_stride)
    assert list(whole.state_dict()) == list(state)
    assert whole.feature_info == [dict(info) for info in theirs.feature_info]
    own = backbone.network.state_dict()
    backbone.network.load_state_dict({key: state[key] for key in own})
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        found = backbone(image)
        expected = theirs.forward_intermediates(image * backbone.rescale + backbone.shift, intermediates_only=True)
    for ours, other in zip(found.values(), expected[-4:], strict=True):
        assert torch.equal(ours, other)


def test_new_weights_are_spread_as_timms() -> None:
    torch.manual_seed(0)
    ours, theirs = EfficientNetLite("0"), timm.create_model("tf_efficientnet_lite0", num_classes=0)
    for name, module in ours.named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            assert module.weight.std().item() == pytest.approx(theirs.get_submodule(name).weight.std().item(), rel=0.1)


def test_it_trains_in_several_processes_without_a_gpu() -> None:
    backbone = synchronize_batch_norms(TimmBackbone("tf_efficientnet_lite0").train(), torch.device("cpu"))
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 40
    assert all(isinstance(norm, SyncBatchNorm2d) for norm in norms)


def test_names_of_other_networks_are_left_to_timm() -> None:
    names = ["tf_efficientnet_lite0", "tf_efficientnet_lite4.in1k"]
    assert [lite_size(name) for name in names] == ["0", "4"]
    for name in ("tf_efficientnet_lite5", "tf_efficientnet_lite", "tf_efficientnet_lite0.mine", "efficientnet_lite0"):
        assert lite_size(name) is None


def test_a_shipped_network_is_loaded_without_timm_and_the_compiler() -> None:
    code = """
import sys, numpy as np, segibn
segibn.load("street-lite").predict(np.zeros((64, 128, 3), np.uint8))
print([name for name in ("timm", "torchvision", "torch._dynamo", "sympy") if name in sys.modules])"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
