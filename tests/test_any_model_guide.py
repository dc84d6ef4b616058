"""Every command of docs/any_model.md, on networks that are built here."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.cli.verbs import VERBS
from segibn.data.datasets.catalog import dataset_source
from segibn.files.encode import write_image, write_label_png

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "any_model.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line]
NAMES = dataset_source("camvid").label_set().class_names


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything that the page names: networks, class names, frames, label maps."""
    hf = pytest.importorskip("transformers", reason="needs transformers")
    smp = pytest.importorskip("segmentation_models_pytorch", reason="needs smp")
    root, random = tmp_path_factory.mktemp("guide"), np.random.default_rng(0)
    for name in ("a", "b"):
        image, target = root / "data/camvid/val" / f"{name}.png", random.integers(0, 12, (64, 64), dtype=np.uint8)
        write_image(image, random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        write_label_png(root / "data/camvid/valannot" / f"{name}.png", target)
        write_label_png(root / "their_maps" / f"{name}.png", target)
    torch.manual_seed(0)
    wide = [{"tree": "trees", "pavement": "pavement or sidewalk"}.get(name, name) for name in NAMES] + ["sea"]
    small = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1] * 4}
    for name, classes in (("their_segformer", NAMES), ("their_wide_segformer", wide)):
        labels = {"id2label": dict(enumerate(classes)), "label2id": {n: i for i, n in enumerate(classes)}}
        config = hf.SegformerConfig(**small, decoder_hidden_size=16, **labels)
        hf.SegformerForSemanticSegmentation(config).save_pretrained(root / name)
        hf.SegformerImageProcessor().save_pretrained(root / name)
    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    swin = hf.SwinConfig(embed_dim=12, depths=[1] * 4, num_heads=[1] * 4, window_size=2, out_features=stages)
    sizes = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "num_attention_heads": 2}
    sizes |= {"encoder_feedforward_dim": 16, "dim_feedforward": 16, "num_queries": 5, "decoder_layers": 2}
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}
    config = hf.Mask2FormerConfig(backbone_config=swin, **sizes, **labels)
    hf.Mask2FormerForUniversalSegmentation(config).save_pretrained(root / "their_mask2former")
    hf.Mask2FormerImageProcessor().save_pretrained(root / "their_mask2former")
    smp.Unet("resnet18", encoder_weights=None, classes=len(NAMES)).save_pretrained(root / "their_unet")
    (root / "names.txt").write_text("\n".join(NAMES))
    (root / "camvid_map.yaml").write_text(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs_as_it_stands(command, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    program, verb, *words = shlex.split(command)
    assert program == "segibn"
    assert import_module(f"segibn.cli.{VERBS[verb].module}").main(words) == 0
    assert "not given" not in capsys.readouterr().err


def test_the_page_shows_every_verb_and_kind():
    assert len(COMMANDS) >= 7
    for word in ("hf:", "smp:", "torchvision:", ".onnx", "--allow-code", "hf-384:", ".npz"):
        assert word in TEXT
