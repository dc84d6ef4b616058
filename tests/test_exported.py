"""ONNX files as networks, with graphs small enough to predict by hand."""

import json

import numpy as np
import pytest

from segibn.errors import CheckpointError, SegibnError
from segibn.exported import load_onnx
from segibn.files import write_json
from segibn.models.inference import InferenceOptions
from segibn.predict import Predictor

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

NOTES = {"class_names": ["red", "green", "blue"], "palette": [[9, 0, 0], [0, 9, 0], [0, 0, 9]]}


def write_strongest_channel(path, metadata=None, height=None):
    """A 1x1 convolution with the identity: the logits are the colours."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", kind, (3, 3, 1, 1), np.eye(3, dtype=np.float32).ravel())
    shape = ["n", 3, height or "h", "w_"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["logits"])],
        "strongest",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("logits", kind, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (5, 8, 3), dtype=np.uint8) for _ in range(3)]


def test_a_graph_takes_a_networks_place_whatever_the_options(frames, tmp_path):
    write_strongest_channel(tmp_path / "model.onnx", NOTES | {"input_height": 5})
    model = load_onnx(tmp_path / "model.onnx")
    assert model.class_names == ("red", "green", "blue")
    assert (model.input_size, model.input_height) == (None, 5)
    expected = [frame.argmax(2) for frame in frames]
    for options in (
        InferenceOptions(),
        InferenceOptions(input_height=5),
        InferenceOptions(flip=True),
        InferenceOptions(window=(5, 4), stride=(5, 2)),
    ):
        predict = Predictor([model.network], "cpu", options)
        np.testing.assert_array_equal(predict(frames[0]), expected[0])
        np.testing.assert_array_equal(predict.predict_batch(frames), expected)
    single = np.full((1, 1, 3), 7, np.uint8)
    single[..., 1] = 8
    assert Predictor([model.network])(single) == [[1]]


def test_classes_come_from_the_file_beside_where_the_graph_names_none(tmp_path):
    write_strongest_channel(tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match=r"neither it nor model\.json"):
        load_onnx(tmp_path / "model.onnx")
    write_json(tmp_path / "model.json", NOTES | {"input_size": [4, 6]})
    model = load_onnx(tmp_path / "model.onnx")
    assert model.input_size == (4, 6)
    np.testing.assert_array_equal(model.palette, NOTES["palette"])


def test_files_that_cannot_serve_are_named(frames, tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    for name, message in (("text.onnx", "no ONNX file"), ("none.onnx", "no such file")):
        with pytest.raises(CheckpointError, match=message):
            load_onnx(tmp_path / name)
    four = NOTES | {"class_names": [*"abcd"], "palette": [[1, 2, 3]] * 4}
    write_strongest_channel(tmp_path / "model.onnx", four)
    with pytest.raises(CheckpointError, match=r"expected logits \(N, 4, H, W\)"):
        load_onnx(tmp_path / "model.onnx")
    write_strongest_channel(tmp_path / "fixed.onnx", NOTES, height=6)
    with pytest.raises(SegibnError, match="refuses images of"):
        Predictor([load_onnx(tmp_path / "fixed.onnx").network])(frames[0])
