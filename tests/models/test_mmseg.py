"""mmsegmentation's DeepLabV3+: converted, it computes what mmsegmentation computed; other heads are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from segibn.builders.checkpoints import load_segmenter
from segibn.cli.convert import main
from segibn.errors import CheckpointError
from segibn.labels.cityscapes import CITYSCAPES

GOLDEN = "mmseg_deeplabv3plus_r50d8"  # of mmsegmentation 1.2.2's own modules


@pytest.fixture(scope="module")
def theirs(golden, filled_value) -> dict[str, Tensor]:
    """A state dict of mmsegmentation's own keys, filled by the rule."""
    return {key: filled_value(key, torch.Size(shape)) for key, shape in golden(GOLDEN)["keys"].items()}


def _convert(folder: Path, state: dict[str, Tensor], meta: dict[str, object] | None = None, *more: str) -> Path:
    torch.save({"meta": meta or {}, "state_dict": state}, folder / "published.pth")
    assert main([str(folder / "published.pth"), "--output", str(folder / "c.pt"), *more]) == 0
    return folder / "c.pt"


@torch.no_grad()
def test_a_converted_network_gives_mmsegmentations_numbers(theirs, golden, assert_golden, tmp_path: Path) -> None:
    expected = golden(GOLDEN)
    meta = {"CLASSES": CITYSCAPES.class_names, "PALETTE": CITYSCAPES.palette.tolist(), "mmseg_version": "0.30.0"}
    path = _convert(tmp_path, theirs, meta, "--trained-on", "cityscapes")
    model, config, found = load_segmenter(path)
    model.eval()
    assert tuple(found["class_names"]) == CITYSCAPES.class_names
    assert (config.model.backbone.stem, config.model.backbone.output_stride) == ("resnet_c", 8)
    assert sum(p.numel() for p in model.parameters()) == expected["num_params"]
    image = torch.from_numpy(np.random.RandomState(0).randn(2, 3, 64, 96)).float()
    features = model.backbone(image)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        assert_golden(expected, stage, features[stage])
    assert_golden(expected, "main_out", model(image).coarse_logits)
    assert_golden(expected, "upsampled", model(image).logits)
    assert_golden(expected, "aux", model.aux_head(features))


def test_classes_other_than_cityscapes_are_refused(theirs, tmp_path: Path) -> None:
    names = tuple(f"thing {n}" for n in range(19))
    for meta in ({"CLASSES": names}, {"dataset_meta": {"classes": names}}):
        with pytest.raises(CheckpointError, match="19 classes, which are not the 19 of Cityscapes"):
            _convert(tmp_path, theirs, meta)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["backbone.reins.scale", "decode_head.pixel_decoder.mask_feature.weight"], "Rein's tokens"),
        (["decode_head.transformer_decoder.layers.0.norms.0.weight"], "a Mask2Former decoder"),
        (["decode_head.fusion_conv.conv.weight"], "SegFormer's decoder; `hf:` takes the same network"),
        (["decode_head.aspp_modules.0.conv.weight"], "DeepLabV3's head"),
        (["decode_head.ocr.weight"], r"a head with decode_head\.conv_seg\.weight, decode_head\.ocr\.weight, which"),
    ],
)
def test_what_no_network_here_can_hold_is_said_with_another_way(keys: list[str], what: str, tmp_path: Path) -> None:
    state = {key: torch.zeros(2, 2, 1, 1) for key in (*keys, "decode_head.conv_seg.weight")}
    with pytest.raises(CheckpointError, match=rf"{what}.* no network here can hold.*\.onnx.*segibn score"):
        _convert(tmp_path, state)
    assert not (tmp_path / "c.pt").exists()


def test_a_part_of_a_network_or_another_depth_is_refused_with_what_is_missing(theirs, tmp_path: Path) -> None:
    less = {key: value for key, value in theirs.items() if not key.startswith("decode_head.bottleneck")}
    with pytest.raises(CheckpointError, match=r"not the whole of it.*\n.*head\.aspp\.merge"):
        _convert(tmp_path, less)
    deeper = {**theirs, "backbone.layer3.6.conv1.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="a ResNet with 7 blocks in layer3; there are resnet18"):
        _convert(tmp_path, deeper)
