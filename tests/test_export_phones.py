"""Files for phones hold the network: the operations of one of Core ML are done here one by one.

Those of LiteRT are tested as the command writes them (tests/cli/test_export.py): its converter brings JAX, in whose
process nothing may fork.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segibn.description import KEY, LABELS, LOGITS, Description, parse_description
from segibn.errors import ConfigError
from segibn.export import phones
from segibn.export.phones import export_coreml, export_tflite
from segibn.export.writing import ExportGraph
from segibn.models.heads.deeplab import DeepLabV3PlusHead
from segibn.models.plans import IbnPlan
from segibn.models.residual import BasicBlock
from segibn.models.resnet import ResNet, ResNetLayout
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

SIZE = (64, 128)
NAMES = ("road", "sky", "car")


@pytest.fixture(scope="module")
def network() -> Segmenter:
    """DeepLabV3+ with IBN-b, whose norms and logits all matter."""
    torch.manual_seed(0)
    backbone = ResNet(ResNetLayout(BasicBlock, (1, 1, 1, 1)), IbnPlan("b"), 16)
    head = DeepLabV3PlusHead(backbone.feature_specs, len(NAMES), channels=8, atrous_rates=(1, 2, 3))
    network = Segmenter(backbone, head)
    for name, value in network.state_dict().items():
        if value.dim() == 1:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.3, 0.3)
            value.uniform_(low, high)
    torch.nn.init.normal_(network.head.classifier.weight, std=0.3)
    return network.eval()


def _described(labels: bool) -> Description:
    taken, given = LABELS if labels else LOGITS
    return Description(
        config="test",
        iteration=3,
        label_set=None,
        class_names=NAMES,
        palette=((1, 2, 3), (4, 5, 6), (7, 8, 255)),
        input=taken,
        output=given,
        input_size=SIZE,
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
    )


def _frame() -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).integers(0, 256, (1, *SIZE, 3), np.uint8))


def _logits(network: Segmenter) -> Tensor:
    with torch.no_grad():
        return network(network.normalize(_frame().permute(0, 3, 1, 2))).logits


def _assert_nearly(found: Tensor, network: Segmenter) -> None:
    expected = _logits(network)
    assert found.shape == expected.shape
    assert float(expected.abs().max()) > 1
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def _assert_labels(found: Tensor, network: Segmenter) -> None:
    best = _logits(network).topk(2, dim=1)
    sure = best.values[:, 0] - best.values[:, 1] > 1e-3
    assert sure.float().mean() > 0.99
    assert len(found.unique()) > 1
    assert found.long()[sure].equal(best.indices[:, 0][sure])


@pytest.mark.parametrize("labels", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_operations_of_a_core_ml_file_are_the_network(labels: bool, network: Segmenter, tmp_path: Path) -> None:
    coremltools = pytest.importorskip("coremltools", reason="needs the extra `coreml`")
    path, described = tmp_path / "m.mlpackage", _described(labels)
    difference = export_coreml(network, path, described, labels=labels)
    assert (difference is None) == (sys.platform != "darwin")
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.mlpackage"]
    export_coreml(network, path, described, labels=labels)  # over the one that is there
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    about = model.get_spec().description
    notes = about.metadata.userDefined
    assert parse_description(notes[KEY], "m") == described
    shown = json.loads(notes["com.apple.coreml.model.preview.params"])
    assert shown == {"labels": list(NAMES), "colors": ["#010203", "#040506", "#0708ff"]}
    assert about.input[0].type.WhichOneof("Type") == ("imageType" if labels else "multiArrayType")
    assert about.output[0].name == ("labels" if labels else "logits")
    found = _computed(model, _frame().permute(0, 3, 1, 2).float().contiguous())
    (_assert_labels if labels else _assert_nearly)(found, network)


@pytest.mark.slow
def test_a_core_ml_file_in_16_bits_takes_half_the_room(network: Segmenter, tmp_path: Path) -> None:
    coremltools = pytest.importorskip("coremltools", reason="needs the extra `coreml`")
    sizes = []
    for name, half in (("whole", False), ("half", True)):
        path = tmp_path / f"{name}.mlpackage"
        export_coreml(network, path, _described(False), half=half)
        sizes.append(sum(file.stat().st_size for file in path.rglob("weight.bin")))
    assert sizes[1] < 0.55 * sizes[0]
    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    found, expected = _computed(model, _frame().permute(0, 3, 1, 2).float().contiguous()), _logits(network)
    assert float((found - expected).abs().max()) < phones.HALF_TOLERANCE * float(expected.abs().max())


def _computed(model: Any, image: Tensor) -> Tensor:
    """Do the operations of a file's program one after the other, by what Core ML's reference says of them."""
    from coremltools.converters.mil.frontend.milproto.load import load

    spec = model.get_spec()
    main = load(spec, spec.specificationVersion, model.weights_dir).functions["main"]
    known = {"image": image}

    def value(of: Any) -> Any:
        if isinstance(of, list | tuple):
            return [value(one) for one in of]
        if of.name in known:
            return known[of.name]
        constant = of.val
        return (
            torch.from_numpy(constant).float()
            if isinstance(constant, np.ndarray) and constant.dtype.kind == "f"
            else constant
        )

    for operation in main.operations:
        if operation.op_type != "const":
            given = {name: value(of) for name, of in operation.inputs.items() if of is not None}
            known[operation.outputs[0].name] = OPERATIONS[operation.op_type](**given)
    return known[main.outputs[0].name]


def _convolved(
    x: Tensor, weight: Tensor, strides: Any, pad: Any, dilations: Any, groups: Any, bias: Any = None, **_: Any
) -> Tensor:
    top, bottom, left, right = map(int, pad)
    x = F.pad(x, (left, right, top, bottom))
    steps = {"stride": tuple(map(int, strides)), "dilation": tuple(map(int, dilations))}
    return F.conv2d(x, weight, bias, groups=int(groups), **steps)


def _pooled(x: Tensor, kernel_sizes: Any, strides: Any, pad: Any, **_: Any) -> Tensor:
    top, bottom, left, right = map(int, pad)
    x = F.pad(x, (left, right, top, bottom), value=-torch.inf)
    return F.max_pool2d(x, tuple(map(int, kernel_sizes)), tuple(map(int, strides)))


def _resized(x: Tensor, scale_factor_height: Any, scale_factor_width: Any, align_corners: Any) -> Tensor:
    size = round(x.shape[2] * float(scale_factor_height)), round(x.shape[3] * float(scale_factor_width))
    return F.interpolate(x, size=size, mode="bilinear", align_corners=bool(align_corners))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "relu": lambda x: x.relu(),
    "cast": lambda x, dtype: x.to(getattr(torch, {"fp16": "float32", "fp32": "float32"}.get(dtype, dtype))),
    "conv": _convolved,
    "max_pool": _pooled,
    "upsample_bilinear": _resized,
    "rsqrt": lambda x, epsilon: (x + float(epsilon)).rsqrt(),
    "square": lambda x: x * x,
    "sqrt": lambda x: x.sqrt(),
    "reduce_mean": lambda x, axes, keep_dims: x.mean(tuple(map(int, axes)), bool(keep_dims)),
    "reduce_argmax": lambda x, axis, keep_dims, **_: x.argmax(int(axis), bool(keep_dims)),
    "reshape": lambda x, shape: x.reshape(*map(int, shape)),
    "tile": lambda x, reps: x.repeat(*map(int, reps)),
    "concat": lambda values, axis, interleave: torch.cat(values, int(axis)),
    "batch_norm": lambda x, mean, variance, gamma, beta, epsilon: F.batch_norm(
        x, mean, variance, gamma, beta, eps=float(epsilon)
    ),
    "instance_norm": lambda x, gamma, beta, epsilon: F.instance_norm(x, None, None, gamma, beta, eps=float(epsilon)),
}


@pytest.mark.parametrize(("package", "extra"), [("litert_torch", "tflite"), ("coremltools", "coreml")])
def test_without_its_package_a_file_says_what_to_install(
    package: str, extra: str, network: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segibn.extras.is_there", lambda name: name != package)
    write = {"tflite": export_tflite, "coreml": export_coreml}[extra]
    with pytest.raises(ConfigError, match=rf"{package}.*segibn\[{extra}\]"):
        write(network, tmp_path / "m", _described(False))


def test_what_is_captured_is_the_exported_graph(network: Segmenter) -> None:
    frame = _frame()
    spread = phones._without_expand(
        phones._capture(phones._PhoneGraph(ExportGraph(network), "logits", False), frame.permute(0, 3, 1, 2).float())
    )
    assert not [node for node in spread.graph.nodes if node.target is torch.ops.aten.expand.default]
    with torch.no_grad():
        _assert_nearly(spread(image=frame.permute(0, 3, 1, 2).float())["logits"], network)
