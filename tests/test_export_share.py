"""Graphs of networks with IBN by surgery: plain operations, folded where they can be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segibn.builders.models import build_segmenter
from segibn.config.model import ModelConfig
from segibn.export.folding import FoldedNorm2d, fold_batch_channels
from segibn.export.quantize import export_int8
from segibn.export.writing import TOLERANCE, export, load_graph
from segibn.models.segmenter import Segmenter
from segibn.models.share_norm import InstanceShareNorm2d
from tests.test_export import DESCRIPTION, needs_onnx

pytestmark = needs_onnx

FORBIDDEN = {"InstanceNormalization", "GroupNormalization", "LayerNormalization"}


LITE = "tf_efficientnet_lite0"


def _network(ibn: str, name: str = LITE) -> Segmenter:
    torch.manual_seed(0)
    tree = {"backbone": {"name": "timm", "model": name, "ibn": ibn}, "head": {"name": "linear"}}
    network = build_segmenter(ModelConfig.model_validate(tree), 3).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | InstanceShareNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    nn.init.normal_(network.head.classifier.weight, std=0.03)
    return network


@pytest.mark.parametrize("ibn", ["share", "a", "b"])
@pytest.mark.parametrize("name", ["test_efficientnet", pytest.param(LITE, marks=pytest.mark.slow)])
def test_a_graph_is_made_of_plain_operations_and_computes_the_same(name, ibn, tmp_path) -> None:
    import onnx

    network, path = _network(ibn, name), tmp_path / "n.onnx"
    assert export(network, path, DESCRIPTION) < TOLERANCE  # at several sizes
    nodes = onnx.load(path).graph.node
    kinds = {node.op_type for node in nodes}
    assert not kinds & FORBIDDEN
    assert "ReduceMean" in kinds
    image = torch.rand(1, 3, 96, 160) * 255
    with torch.inference_mode():
        expected = network(network.normalize(image)).logits
    torch.testing.assert_close(load_graph(path)(image), expected, rtol=1e-4, atol=1e-4)


def test_channels_without_a_share_fold_into_the_convolution() -> None:
    network = _network("a")
    folded = fold_batch_channels(network)
    names = [n for n, m in folded.named_modules() if isinstance(m, FoldedNorm2d)]
    assert names == [f"backbone.network.blocks.{b}.bn1" for b in ("0.0", "1.0", "1.1", "2.0", "2.1", "3.0")]
    first = folded.get_submodule(names[1])
    assert (first.count, first.norm.num_features) == (48, 48)
    image = torch.randn(2, 3, 96, 128)
    with torch.inference_mode():
        expected, found = network(image).logits, folded(image).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert network.backbone.network.blocks[1][0].conv_pw.bias is None  # the original stays
    assert fold_batch_channels(_network("none", "resnet10t")).training is False


def test_in_eight_bits_the_norms_stay_in_float(tmp_path: Path) -> None:
    import onnx

    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(2)]
    path = tmp_path / "int8.onnx"
    export_int8(_network("share", "test_efficientnet"), path, DESCRIPTION, frames)
    nodes = onnx.load(path).graph.node
    made = {name: node.op_type for node in nodes for name in node.output}
    quantized = {"QuantizeLinear", "DequantizeLinear"}
    ours = [n for n in nodes if n.op_type in ("Pow", "Sqrt", "Reciprocal", "Sub", "Mul")]
    sums = [n for n in nodes if n.op_type == "Add" and not {made.get(i) for i in n.input} & quantized]
    assert len(sums) >= 5  # as many norms as stem and first stages have
    statistics = [n for n in ours if n.op_type in ("Pow", "Sqrt", "Reciprocal")]
    assert statistics
    assert not {made.get(name) for node in statistics for name in node.input} & quantized
