"""A network as a graph, in three forms, computes what the network computes, at any size."""

import importlib.util
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segibn.builders.models import build_segmenter
from segibn.config.model import ModelConfig
from segibn.description import KEY, LABELS, LOGITS, Description, parse_description
from segibn.errors import ConfigError, SegibnError
from segibn.export.exported import load_onnx
from segibn.export.quantize import export_int8
from segibn.export.writing import OPSET, TOLERANCE, ExportGraph, check, export
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor, label_maps
from segibn.models.backbones import build_backbone
from segibn.models.densenet import DenseNet, DenseNetLayout
from segibn.models.heads.deeplab import DeepLabV3Head, DeepLabV3PlusHead
from segibn.models.heads.fcn import FCNHead
from segibn.models.plans import IbnPlan
from segibn.models.residual import BasicBlock, Bottleneck
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

HEADS = {"fcn": FCNHead, "deeplabv3": DeepLabV3Head, "deeplabv3plus": DeepLabV3PlusHead}
DEPTHS = (1, 1, 1, 1)
SIZES = [(1, 33, 47), (2, 96, 160), (3, 65, 129), (1, 64, 64), (1, 200, 333)]  # N, H, W
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
DESCRIPTION = Description(
    config="test",
    iteration=3,
    label_set=None,
    class_names=("road", "car", "sky"),
    palette=((1, 2, 3), (4, 5, 6), (7, 8, 255)),
    input=LOGITS[0],
    output=LOGITS[1],
    pixel_mean=PIXEL_MEAN,
    pixel_std=PIXEL_STD,
)
needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in PACKAGES), reason="needs the extra `export`"
)


def _network(
    ibn: str = "none",
    head: str = "fcn",
    backbone: nn.Module | None = None,
    *,
    align_corners: bool = False,
    **options: object,
) -> Segmenter:
    """A small network, of which every norm has its own numbers and the logits matter."""
    torch.manual_seed(0)
    if backbone is None:
        backbone = ResNet(ResNetLayout(BasicBlock, DEPTHS), IbnPlan(ibn), 16)
    if head != "fcn":
        options["atrous_rates"] = (1, 2, 3)
    decoder = HEADS[head](backbone.feature_specs, 3, channels=8, **options)
    model = Segmenter(backbone, decoder, align_corners=align_corners)
    for name, value in model.state_dict().items():
        if value.dim() == 1:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.3, 0.3)
            value.uniform_(low, high)
    nn.init.normal_(model.head.classifier.weight, std=0.3)
    return model.eval()


def _assert_repeats(network: Segmenter, run: Callable[[Tensor], Tensor]) -> None:
    random = np.random.default_rng(1)
    for images, height, width in SIZES:
        frames = torch.from_numpy(random.integers(0, 256, (images, 3, height, width), np.uint8))
        with torch.no_grad():
            expected = network(network.normalize(frames)).logits
            found = run(frames.float())
        scale = float(expected.abs().max())
        assert scale > 0.1
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1.0, scale))


PRODUCT = list(itertools.product(("none", "a", "b"), HEADS))
# By default every variant once and every head once.
QUICK = {("none", "deeplabv3"), ("a", "deeplabv3plus"), ("b", "fcn")}
EVERY = [p if p in QUICK else pytest.param(*p, marks=pytest.mark.slow) for p in PRODUCT]


# ---- torch.export


# One by default: writing ONNX files captures graphs too.
CAPTURED = [p if p == ("a", "fcn") else pytest.param(*p, marks=pytest.mark.slow) for p in PRODUCT]


@pytest.mark.parametrize(("ibn", "head"), CAPTURED)
def test_a_captured_graph_repeats_every_variant_with_every_head(ibn: str, head: str) -> None:
    network = _network(ibn, head)
    _assert_repeats(network, ExportGraph(network).capture().module())


def test_a_pt2_file_repeats_the_network_keeps_its_names_and_describes_itself(tmp_path: Path) -> None:
    network, path = _network("b"), tmp_path / "model.pt2"
    assert export(network, path, DESCRIPTION) <= TOLERANCE
    notes = {f"{KEY}.json": ""}
    program = torch.export.load(path, extra_files=notes)
    names = {f"segmenter.{key}" for key in network.state_dict()}
    assert set(program.state_dict) == names
    assert parse_description(notes[f"{KEY}.json"], "x") == DESCRIPTION
    _assert_repeats(network, program.module())


# ---- ONNX


def _assert_onnx(network: Segmenter, path: Path) -> None:
    import onnx
    import onnxruntime

    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}  # plain operators alone
    sizes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert sizes.pop("image") == ["batch", 3, "height", "width"]
    assert sizes.pop("logits") == ["batch", 3, "height", "width"]
    assert [kind for size in sizes.values() for kind in size if isinstance(kind, int)] == [3]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    _assert_repeats(network, lambda image: torch.from_numpy(session.run(["logits"], {"image": image.numpy()})[0]))


@needs_onnx
@pytest.mark.parametrize(("ibn", "head"), EVERY)
def test_onnx_repeats_every_variant_with_every_head(ibn: str, head: str, tmp_path: Path) -> None:
    network, path = _network(ibn, head), tmp_path / "model.onnx"
    assert export(network, path, DESCRIPTION) <= TOLERANCE
    _assert_onnx(network, path)
    if (ibn, head) == ("a", "deeplabv3plus"):
        _assert_predicts(network, path)


def _assert_predicts(network: Segmenter, path: Path) -> None:
    """Resized maps too: the graph hands out the network's own logits, which are resized once."""
    graph = load_onnx(path)
    assert graph.description == DESCRIPTION
    frames = [_frame(70, 101, seed) for seed in range(3)]
    for options in (
        InferenceOptions(),
        InferenceOptions(input_size=(48, 80)),
        InferenceOptions(input_height=140, batch_size=3),
        InferenceOptions(scales=(0.75, 1.25), flip=True),
        InferenceOptions(window=(48, 64), blending="gaussian"),
    ):
        expected = label_maps(Predictor(network, options=options), frames)
        found = label_maps(Predictor(graph, options=options), frames)
        assert len(np.unique(expected)) > 1
        assert np.mean(np.array(found) == np.array(expected)) > 0.9995, options


@needs_onnx
def test_a_graph_of_label_maps_takes_frames_as_they_are_and_gives_the_predictors_maps(tmp_path: Path) -> None:
    import onnxruntime

    network, path = _network("b"), tmp_path / "model.onnx"
    described = DESCRIPTION.model_copy(update={"input": LABELS[0], "output": LABELS[1]})
    assert export(network, path, described, labels=True) < 1e-3
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in ((33, 47), (96, 160), (200, 333)):
        frames = np.stack([_frame(*size, seed) for seed in range(2)])
        found = session.run(["labels"], {"image": frames})[0]
        assert found.dtype == np.uint8
        expected = label_maps(Predictor(network), list(frames))
        assert len(np.unique(expected)) > 1
        sure = _without_near_ties(network, frames)
        assert sure.mean() > 0.999
        np.testing.assert_array_equal(found[sure], np.array(expected)[sure])
    again = Predictor(load_onnx(path))
    np.testing.assert_array_equal(label_maps(again, list(frames)), found)


@needs_onnx
def test_activations_that_end_at_six_are_part_of_the_convolution_in_eight_bits(tmp_path: Path) -> None:
    import onnx

    torch.manual_seed(0)
    model = {"backbone": {"name": "timm", "model": "tf_efficientnet_lite0"}, "head": {"name": "fcn", "channels": 8}}
    network = build_segmenter(ModelConfig.model_validate(model | {"weights": "none"}), 3).eval()
    path = tmp_path / "model.onnx"
    export_int8(network, path, DESCRIPTION, (_frame(64, 96, seed) for seed in range(4)))
    nodes = onnx.load(path).graph.node
    assert not [node.name for node in nodes if node.op_type == "Clip"]
    made = {name: node for node in nodes for name in node.output}
    quantised = [made[n.input[0]].op_type for n in nodes if n.op_type == "QuantizeLinear" and n.input[0] in made]
    assert quantised.count("Conv") > 40
    assert "DequantizeLinear" not in quantised  # in one range, then in another


def _without_near_ties(network: Segmenter, frames: np.ndarray) -> np.ndarray:
    """(N, H, W) bool: where the best class is ahead of the second by more than rounding."""
    with torch.no_grad():
        image = torch.from_numpy(frames).permute(0, 3, 1, 2)
        best = network(network.normalize(image)).logits.topk(2, dim=1).values
    return ((best[:, 0] - best[:, 1]) > 1e-4 * best.abs().max()).numpy()


@needs_onnx
def test_eight_bits_give_nearly_the_same_classes_at_every_size(tmp_path: Path) -> None:
    import onnx

    network, path = _network("a", "deeplabv3plus"), tmp_path / "model.onnx"
    described = DESCRIPTION.model_copy(update={"input_size": (64, 96)})
    agreement = export_int8(network, path, described, (_frame(80, 120, s) for s in range(6)))
    model = onnx.load(path)
    eight = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    small = sum(len(t.raw_data) for t in model.graph.initializer if t.data_type in eight)
    assert small > 0.9 * sum(p.numel() for p in network.parameters())  # the weights are bytes
    assert load_onnx(path).description == described.model_copy(update={"precision": "int8"})
    predict, exact = Predictor(load_onnx(path)), Predictor(network)
    for size in ((33, 47), (64, 96), (150, 203)):
        frames = [_frame(*size, seed) for seed in (7, 8)]
        found, expected = label_maps(predict, frames), label_maps(exact, frames)
        assert np.mean(np.array(found) == np.array(expected)) > 0.9, size
    assert 0.9 < agreement <= 1


def _frame(height: int, width: int, seed: int) -> np.ndarray:
    """(H, W, 3) uint8: blocks of colour, so that there is something to see at every size."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (-(-height // 9), -(-width // 9), 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((9, 9, 1), np.uint8))[:height, :width]


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "parallel": lambda: ResNet(ResNetLayout(BasicBlock, DEPTHS), IbnPlan("c"), 8),
    "half": lambda: ResNet(ResNetLayout(BasicBlock, DEPTHS), IbnPlan("ad"), 32),
    "robustnet": lambda: ResNet(ResNetLayout(Bottleneck, DEPTHS), IbnPlan("b"), 8, stem="conv3x3", dilate_first=True),
    "resnext": lambda: ResNet(ResNetLayout(Bottleneck, DEPTHS, {"groups": 32, "base_width": 4}), IbnPlan("a"), 16),
    "se": lambda: ResNet(ResNetLayout(Bottleneck, DEPTHS, {"se_reduction": 16}), IbnPlan("a"), 16),
    "dense_8": lambda: DenseNet(DenseNetLayout(16, 8, (1, 2, 2, 1)), ibn=True, output_stride=8),
    "dense_32": lambda: DenseNet(DenseNetLayout(16, 8, (1, 2, 2, 1)), ibn=True),
    "mobile": lambda: build_backbone("mobilenet_v2", "b", 16),
    "shuffle": lambda: build_backbone("shufflenet_v2", "b", 8),
}


@pytest.mark.slow
@needs_onnx
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_repeats_every_family(family: str, tmp_path: Path) -> None:
    corners = {"align_corners": family == "robustnet"}
    network = _network(head="deeplabv3plus", backbone=FAMILIES[family](), **corners)
    assert export(network, tmp_path / "model.onnx", DESCRIPTION) <= TOLERANCE
    _assert_onnx(network, tmp_path / "model.onnx")


@pytest.mark.slow
@needs_onnx
def test_onnx_repeats_separable_convolutions(tmp_path: Path) -> None:
    network = _network("b", "deeplabv3plus", separable=True, refine="split")
    assert export(network, tmp_path / "model.onnx", DESCRIPTION) <= TOLERANCE
    _assert_onnx(network, tmp_path / "model.onnx")


# ---- torch.compile


inductor = pytest.param(
    "inductor",
    marks=[pytest.mark.slow, pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")],
)


# aot_eager captures and differentiates as inductor does, without its C++.
@pytest.mark.parametrize("backend", ["aot_eager", inductor])
@pytest.mark.parametrize("ibn", ["a", "b"])
def test_a_compiled_network_equals_the_eager_one_in_evaluation_and_in_a_training_step(ibn: str, backend: str) -> None:
    eager, compiled = _network(ibn), _network(ibn)
    names = list(eager.state_dict())
    compiled.compile(fullgraph=True, backend=backend)
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 65, 97))).float()
    with torch.no_grad():
        expected, found = eager(image).logits, compiled(image).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for network in (eager, compiled):
        network.train()
        network.head.dropout.p = 0.0
        network(image).logits.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in eager.named_parameters()}
    # A bias before an instance norm has gradient zero but for rounding: so no single one's scale.
    scale = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, expected in gradients.items():
        found = compiled.get_parameter(name).grad
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * scale, msg=name)
    for name, expected in eager.named_buffers():
        found = compiled.get_buffer(name)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5, msg=name)
    assert list(compiled.state_dict()) == names


# ---- what cannot be written


@pytest.mark.parametrize("absent", PACKAGES)
def test_onnx_without_its_packages_says_what_to_install(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segibn.extras.is_there", lambda name: name != absent)
    with pytest.raises(ConfigError, match=rf"{absent}.*segibn\[export\]"):
        export(_network(), tmp_path / "model.onnx")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("labels", [False, True])
def test_openvino_repeats_the_network_and_describes_itself(labels: bool, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    from segibn.export.openvino import export_openvino

    network = _network("a", "deeplabv3plus")
    assert export_openvino(network, tmp_path / "m.xml", DESCRIPTION, labels=labels) < TOLERANCE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml"]
    model = openvino.Core().read_model(tmp_path / "m.xml")
    assert parse_description(model.get_rt_info(KEY).astype(str), "m.xml").class_names == DESCRIPTION.class_names


def test_the_operators_of_a_graph_are_those_that_tensorrt_lists(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    export(_network("b", "deeplabv3plus"), tmp_path / "m.onnx", DESCRIPTION, labels=True)
    model = onnx.load(tmp_path / "m.onnx")
    known = {
        *("Add", "ArgMax", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "Div", "Expand"),
        *("Gather", "GlobalAveragePool", "InstanceNormalization", "MaxPool", "Mul", "Pad", "Pow", "ReduceMean", "Relu"),
        *(
            "Reshape",
            "Resize",
            "Shape",
            "Slice",
            "Split",
            "Sqrt",
            "Sub",
            "Transpose",
            "Unsqueeze",
            "Squeeze",
            "Reciprocal",
        ),
        *("Identity", "Where", "Equal", "Max", "Min", "Floor", "Ceil", "ConstantOfShape"),
    }
    assert {node.op_type for node in model.graph.node} <= known
    assert model.opset_import[0].version == OPSET


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.pt2 or \.onnx"):
        export(_network(), tmp_path / "model.pt")


def test_a_folder_that_cannot_be_written_to_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SegibnError, match=r"model\.pt2: cannot be written"):
        export(nn.Module(), tmp_path / "file" / "model.pt2")  # type: ignore[arg-type]


def test_a_file_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt2"
    path.write_text("the file before")
    monkeypatch.setattr("segibn.export.writing._load_pt2", lambda path: lambda image: image)
    with pytest.raises(SegibnError, match="differs from the network"):
        export(_network(), path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["the file before"]


@pytest.mark.parametrize("which", ["the network", "the exported graph"])
def test_a_comparison_with_logits_that_are_not_finite_has_failed(which: str) -> None:
    def good(image: Tensor) -> Tensor:
        return torch.zeros(len(image), 2, *image.shape[2:])

    def bad(image: Tensor) -> Tensor:
        return good(image).index_fill_(3, torch.tensor([5]), torch.nan)

    pair = (bad, bad) if which == "the network" else (good, bad)
    with pytest.raises(SegibnError, match=f"file: {which} gives logits that are NaN"):
        check(*pair, "file")
