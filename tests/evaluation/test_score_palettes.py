"""Palettes of scored files: the target's must fit the table, the prediction's is warned about."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segibn.data.datasets.gta5 import GTA5
from segibn.errors import PaletteError
from segibn.evaluation.score_folders import score_semseg
from segibn.files.folders import warned


def _write(path: Path, renumbered: bool) -> None:
    """Road above building, with the table's palette or with one counted anew."""
    colors = np.zeros((256, 3), np.uint8)
    for row in GTA5.labels:
        colors[row.label_id] = row.color
    values = np.repeat(np.array([7, 11], np.uint8), 40).reshape(2, 40)
    if renumbered:
        colors, values = colors[[7, 11]], (values > 7).astype(np.uint8)
    image = Image.fromarray(values)
    image.putpalette(colors.tobytes())
    path.parent.mkdir(exist_ok=True)
    image.save(path)


def test_a_renumbered_target_is_refused_and_a_prediction_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target, pred = tmp_path / "target", tmp_path / "pred"
    for name in ("1.png", "2.png"):
        _write(target / name, renumbered=False)
        _write(pred / name, renumbered=True)
    warned.clear()
    options = {"target_encoding": "label_ids", "pred_encoding": "label_ids"}
    with caplog.at_level(logging.WARNING):
        score_semseg(target, pred, "gta5", **options)
    assert caplog.text.count("its palette contradicts the label table 'gta5'") == 1
    _write(target / "2.png", renumbered=True)
    with pytest.raises(PaletteError, match=r"target/2\.png: its palette contradicts"):
        score_semseg(target, pred, "gta5", **options)
