"""ONNX files as networks, with graphs small enough to predict by hand; and files from anybody."""

import json

import numpy as np
import pytest

from segibn.description import KEY, LABELS, LOGITS, Description, parse_description
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.export.exported import load_onnx
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, label_maps

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

NAMES = ("red", "green", "blue")


def describe(**changes):
    given = {"class_names": NAMES, "palette": ((9, 0, 0), (0, 9, 0), (0, 0, 9))}
    given |= {"config": "colours", "iteration": 7, "label_set": None, "align_corners": False}
    given |= {"input": LOGITS[0], "output": LOGITS[1]}
    return Description(pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1), **(given | changes))


def write_strongest_channel(path, description=None, height=None, weight=None):
    """A 1x1 convolution with the identity: the logits are the colours."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    identity = np.eye(3, dtype=np.float32).ravel()
    weight = weight or helper.make_tensor("w", kind, (3, 3, 1, 1), identity)
    shape = ["n", 3, height or "h", "w_"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["logits"])],
        "strongest",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("logits", kind, shape)],
        [weight],
    )
    _write(path, graph, description)


def write_strongest_label(path):
    """The same as a graph of ``--labels``."""
    helper, byte = onnx.helper, onnx.TensorProto.UINT8
    nodes = [
        helper.make_node("Cast", ["image"], ["wide"], to=onnx.TensorProto.INT32),
        helper.make_node("ArgMax", ["wide"], ["best"], axis=3, keepdims=0),
        helper.make_node("Cast", ["best"], ["labels"], to=byte),
    ]
    graph = helper.make_graph(
        nodes,
        "strongest",
        [helper.make_tensor_value_info("image", byte, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("labels", byte, ["n", "h", "w"])],
    )
    _write(path, graph, describe(input=LABELS[0], output=LABELS[1]))


def _write(path, graph, description):
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    if description is not None:
        text = description if isinstance(description, str) else description.to_json()
        onnx.helper.set_model_props(model, {KEY: text})
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (5, 8, 3), dtype=np.uint8) for _ in range(3)]


def test_a_graph_takes_a_networks_place_whatever_the_options(frames, tmp_path):
    write_strongest_channel(tmp_path / "model.onnx", describe(input_height=5))
    model = load_onnx(tmp_path / "model.onnx")
    assert model.description.class_names == NAMES
    assert (model.description.input_size, model.description.input_height) == (None, 5)
    np.testing.assert_array_equal(model.description.colors, np.eye(3) * 9)
    expected = [frame.argmax(2) for frame in frames]
    for options in (
        InferenceOptions(),
        InferenceOptions(input_height=5),
        InferenceOptions(flip=True),
        InferenceOptions(window=(5, 4), stride=(5, 2)),
    ):
        predict = Predictor(model, "cpu", options)
        np.testing.assert_array_equal(predict(frames[0]), expected[0])
        np.testing.assert_array_equal(label_maps(predict, frames), expected)
    single = np.full((1, 1, 3), 7, np.uint8)
    single[..., 1] = 8
    assert Predictor(model)(single) == [[1]]


def test_a_graph_of_label_maps_predicts_them_and_refuses_what_needs_probabilities(frames, tmp_path):
    write_strongest_label(tmp_path / "model.onnx")
    network = load_onnx(tmp_path / "model.onnx")
    expected = [frame.argmax(2) for frame in frames]
    np.testing.assert_array_equal(label_maps(Predictor(network), frames), expected)
    blocks = np.kron(frames[0], np.ones((4, 4, 1), np.uint8))  # at a quarter: the frame itself
    small = Predictor(network, options=InferenceOptions(input_size=(5, 8)))
    np.testing.assert_array_equal(small(blocks), np.kron(expected[0], np.ones((4, 4))))
    for options in (InferenceOptions(flip=True), InferenceOptions(window=(4, 4))):
        with pytest.raises(ConfigError, match="without --labels"):
            Predictor(network, options=options)(frames[0])


def test_another_precision_is_refused_since_a_graph_has_its_own(tmp_path):
    write_strongest_channel(tmp_path / "model.onnx", describe())
    network = load_onnx(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="has its precision inside"):
        Predictor(network, options=InferenceOptions(precision="bfloat16"))


# ---- files from anybody


def test_files_that_cannot_serve_are_named(frames, tmp_path):
    path = tmp_path / "model.onnx"

    def refused(kind=CheckpointError):
        with pytest.raises(kind) as caught:
            load_onnx(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    assert "no such file" in refused()
    for text in (b"", b"hello", b"\x00" * 64, b"\xff" * 64, b"\x0a" * 9):
        path.write_bytes(text)
        assert "cut short or no ONNX file" in refused()
    write_strongest_channel(path)
    assert "does not say what its classes are" in refused()
    write_strongest_channel(path, describe(class_names=[*"abcd"], palette=[[1, 2, 3]] * 4))
    assert "logits, float32 NCHW, with 4 classes" in refused()
    write_strongest_channel(path, describe(input=LABELS[0], output=LABELS[1]))
    assert "its description says image, uint8 NHWC" in refused()
    write_strongest_channel(path, describe(), height=6)
    with pytest.raises(SegibnError, match="refuses images of"):
        Predictor(load_onnx(path))(frames[0])


def test_every_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    write_strongest_channel(path, describe())
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"model\.onnx"):
            load_onnx(path)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "/etc/passwd"])
def test_tensors_in_other_files_are_refused(location, tmp_path):
    (tmp_path / "secret.bin").write_bytes(np.eye(3, dtype=np.float32).tobytes())
    weight = onnx.TensorProto(name="w", dims=(3, 3, 1, 1), data_type=onnx.TensorProto.FLOAT)
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    write_strongest_channel(tmp_path / "model.onnx", describe(), weight=weight)
    with pytest.raises(CheckpointError, match="keeps tensors in other files"):
        load_onnx(tmp_path / "model.onnx")


def test_a_description_survives_and_later_keys_are_passed_over():
    given = describe(input_size=(4, 6), precision="int8")
    tree = json.loads(given.to_json())
    assert parse_description(json.dumps(tree | {"licence": "later"}), "x") == given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "no description"),
        ({"format_version": 2}, "update segibn"),
        ({"format_version": None}, "no version"),
        ({"palette": [[0, 0, 256]] * 3}, r"palette\.0\.2"),
        ({"palette": [[0, 0, 0.5]] * 3}, r"palette\.0\.2"),
        ({"palette": [[0, 0, 0]] * 2}, "3 class names and 2 colours"),
        ({"class_names": ["a", "a", "b"]}, "one name"),
        ({"class_names": ["a", "b", "\x1b[2J"]}, "cannot be printed"),
        ({"class_names": ["a"] * 300}, "class_names"),
        ({"class_names": None}, "class_names"),
        ({"input_size": [0, 5]}, "input_size"),
        ({"input_size": [4, 4], "input_height": 4}, "both set"),
        ({"input_height": 10**9}, "input_height"),
        ({"pixel_std": [1, 1, float("nan")]}, "pixel_std"),
        ({"output": LABELS[1].model_dump()}, "do not belong together"),
    ],
)
def test_what_a_file_says_of_itself_is_checked(changes, message):
    tree = json.loads(describe().to_json()) | changes
    with pytest.raises(CheckpointError, match=message) as caught:
        parse_description(json.dumps(tree), "model.onnx")
    assert "model.onnx" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 10**5, "x" * (1 << 21)])
def test_what_is_no_description_is_refused(text):
    with pytest.raises(CheckpointError, match=r"model\.onnx"):
        parse_description(text, "model.onnx")
