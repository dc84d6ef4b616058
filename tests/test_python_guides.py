"""The snippets of docs/python.md and docs/adapters.md run, in their order, as they stand there."""

import re
import shutil

import numpy as np
import pytest
import torch

from segibn.builders.models import build_segmenter
from segibn.config.load import load_config
from segibn.data.datasets.catalog import scheme_label_set
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.files.encode import write_image
from segibn.files.pictures import read_image, read_label_map

SNIPPET = re.compile(r"(<!-- needs the network.*?-->\n)?```python\n(.*?)```", re.DOTALL)


def _run(document):
    """Execute a document's snippets; what an earlier one defines, a later one may use."""
    names: dict[str, object] = {}
    snippets = SNIPPET.findall(document.read_text(encoding="utf-8"))
    for needs_network, code in snippets:
        if needs_network:
            compile(code, str(document), "exec")
        else:
            exec(compile(code, str(document), "exec"), names)  # our own text
    return names, len(snippets)


@pytest.fixture
def run_folder(repository, tmp_path, monkeypatch):
    """The current folder holds a run of gta5_ibn, a picture, and what torch.hub needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGIBN_RUNS", raising=False)
    config = load_config(repository / "configs" / "sample_ibn.yaml", ["name=gta5_ibn"])
    table = scheme_label_set("cityscapes19")
    save_checkpoint(
        tmp_path / "runs" / "gta5_ibn" / "checkpoints" / "last.pt",
        model=build_segmenter(config.model, 19),
        config=config,
        classes=ClassTable("cityscapes19", table.class_names, table.palette.tolist()),
        iteration=3,
        training=None,
    )
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    write_image(tmp_path / "street.jpg", frame)
    shutil.copy(repository / "hubconf.py", tmp_path)
    return tmp_path


def test_the_snippets_of_the_python_guide_run(run_folder, repository):
    names, count = _run(repository / "docs" / "python.md")
    assert count >= 8
    result = names["result"]
    np.testing.assert_array_equal(read_label_map(run_folder / "labels.png"), result.train_ids)
    assert read_image(run_folder / "street_overlay.png").shape == (48, 64, 3)
    assert [len(prediction.class_names) for prediction in names["several"]] == [19] * 3
    assert names["untrained"].config.model.backbone.ibn == "b"
    assert isinstance(names["network"], torch.nn.Module)


def test_the_snippets_of_the_adapters_guide_run(repository, capsys):
    pytest.importorskip("timm", reason="needs timm")
    pytest.importorskip("segmentation_models_pytorch", reason="needs smp")
    names, count = _run(repository / "docs" / "adapters.md")
    assert count >= 6
    printed = capsys.readouterr().out
    for comment in ("[256, 512, 1024, 2048]", "[4, 8, 16, 16]"):
        assert comment in (repository / "docs" / "adapters.md").read_text()
        assert comment in printed
    assert names["logits"].shape == (2, 19, 64, 64)
    assert names["output"]["out"].shape == (2, 19, 64, 64)
    assert set(names["detections"][0]) == {"boxes", "labels", "scores"}
