import subprocess
import sys

import numpy as np
import pytest
import torch

from segibn import api
from segibn.config.load import validate
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.errors import CheckpointError, ImageFileError
from segibn.files import write_image
from segibn.labels.catalog import scheme_label_set
from segibn.models.build import build_segmenter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tree = {
        "name": "t",
        "data": {"train": {"name": "camvid"}},
        "model": {
            "backbone": {"name": "resnet18", "output_stride": 32},
            "head": {"name": "fcn", "channels": 4},
        },
        "evaluation": {"input_size": [32, 48]},
    }
    config, table = validate(tree, "test"), scheme_label_set("camvid11")
    torch.manual_seed(0)
    classes = ClassTable("camvid11", table.class_names, table.palette.tolist())
    save_checkpoint(
        folder / "checkpoints" / "last.pt",
        model=build_segmenter(config.model, 11),
        config=config,
        classes=classes,
        iteration=5,
        training=None,
    )
    return folder


@pytest.fixture(scope="module")
def model(run):
    return api.load(run, device="cpu")


@pytest.fixture(scope="module")
def frame():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def test_a_path_and_its_pixels_give_the_same_prediction(model, frame, tmp_path):
    write_image(tmp_path / "frame.png", frame)
    from_path, from_pixels = model.predict(tmp_path / "frame.png"), model.predict(frame)
    np.testing.assert_array_equal(from_path.train_ids, from_pixels.train_ids)
    np.testing.assert_array_equal(from_path.image, frame)


def test_the_size_a_run_was_scored_at_is_the_default(model):
    assert model.predictor.options.input_size == (32, 48)
    assert model.iteration == 5


def test_a_prediction_explains_itself(model, frame):
    result = model.predict(frame)
    assert result.train_ids.shape == (40, 60)
    assert result.class_names[3] == "road"
    np.testing.assert_array_equal(result.colors(), result.palette[result.train_ids])
    assert result.overlay().shape == frame.shape
    np.testing.assert_array_equal(result.mask("road"), result.train_ids == 3)
    assert sum(result.shares().values()) == pytest.approx(1)
    with pytest.raises(KeyError, match="there are sky"):
        result.mask("rode")


def test_wrong_input_is_named(model, tmp_path):
    with pytest.raises(ImageFileError, match=r"nothing\.jpg"):
        model.predict(tmp_path / "nothing.jpg")
    with pytest.raises(ValueError, match="uint8 RGB"):
        model.predict(np.zeros((4, 4), np.uint8))
    with pytest.raises(CheckpointError, match="no run or checkpoint"):
        api.load(tmp_path / "nothing")


def test_importing_the_package_loads_nothing_else():
    code = "import sys\nbefore = set(sys.modules)\nimport segibn\nprint(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'segibn'}"
