import importlib.util

import numpy as np
import pytest
import torch

from segibn.errors import ConfigError
from segibn.export import TOLERANCE, export
from segibn.models.heads.fcn import FCNHead
from segibn.models.plans import IbnPlan
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import Segmenter


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), IbnPlan("b"))
    model = Segmenter(backbone, FCNHead(backbone.feature_specs, 3, channels=4)).eval()
    torch.nn.init.normal_(model.head.classifier.weight)
    return model


@pytest.mark.slow
def test_the_graph_repeats_the_network_at_sizes_it_was_not_traced_at(segmenter, tmp_path):
    path = tmp_path / "model.pt2"
    assert export(segmenter, path) <= TOLERANCE
    graph = torch.export.load(path).module()
    frame = np.random.default_rng(0).integers(0, 256, (1, 3, 50, 70)).astype(np.float32)
    image = torch.from_numpy(frame)
    logits = graph(image)
    assert logits.shape == (1, 3, 50, 70)
    expected = segmenter(segmenter.normalize(image.to(torch.uint8))).logits
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ONNX, reason="needs the extra `export`")
def test_onnx_repeats_the_network_too(segmenter, tmp_path):
    assert export(segmenter, tmp_path / "model.onnx") <= TOLERANCE


@pytest.mark.skipif(HAS_ONNX, reason="the packages are there")
def test_onnx_without_its_packages_says_what_to_install(segmenter, tmp_path):
    with pytest.raises(ConfigError, match=r"segibn\[export\]"):
        export(segmenter, tmp_path / "model.onnx")
    assert not any(tmp_path.iterdir())


def test_another_suffix_is_refused(segmenter, tmp_path):
    with pytest.raises(ConfigError, match=r"\.pt2 or \.onnx"):
        export(segmenter, tmp_path / "model.pt")
