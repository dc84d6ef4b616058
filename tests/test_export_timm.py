"""Exported graphs of timm's backbones hold for all sizes, LoRA's updates merged."""

from pathlib import Path

import pytest
import torch
from torch import nn

from segibn.builders.models import build_segmenter, for_inference
from segibn.config.model import ModelConfig
from segibn.export.writing import export
from segibn.models.lora import merged_state

slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "tuning", "suffix"),
    [
        ("test_vit", "lora", ".onnx"),
        pytest.param("test_vit", "full", ".pt2", marks=slow),
        pytest.param("test_convnext", "lora", ".onnx", marks=slow),
        pytest.param("test_convnext", "frozen", ".pt2", marks=slow),
        pytest.param("vit_small_patch14_dinov2", "full", ".onnx", marks=slow),
        pytest.param("vit_tiny_patch16_dinov3_qkvb", "full", ".onnx", marks=slow),
    ],
)
def test_a_graph_gives_the_networks_logits_on_frames_of_three_sizes(
    name: str, tuning: str, suffix: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    backbone = {"name": "timm", "model": name, "tuning": tuning}
    config = ModelConfig.model_validate({"backbone": backbone, "head": {"name": "linear"}})
    trained = build_segmenter(config, 4)
    nn.init.normal_(trained.head.classifier.weight)
    with torch.no_grad():
        for key, parameter in trained.named_parameters():
            if key.endswith("lora_b"):
                parameter.normal_(std=0.05)
    network = build_segmenter(for_inference(config), 4)
    network.load_state_dict(merged_state(trained.state_dict()))
    assert export(network, tmp_path / f"graph{suffix}") < 1e-4  # sizes that are whole and odd
