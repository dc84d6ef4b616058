"""The contract between every backbone and every head, and the variants of IBN."""

import itertools
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from segibn.builders.models import HEADS, build_segmenter
from segibn.config.backbones import BackboneConfig
from segibn.config.model import ModelConfig
from segibn.models import build_backbone
from segibn.models.catalog import BACKBONES, family_of
from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d, ParallelInstanceBatchNorm2d
from segibn.models.plans import IbnName, IbnPlan
from segibn.models.residual import BasicBlock, BlockShape, Bottleneck, PartialInstanceNorm2d
from segibn.models.resnet import ResNet, ResNetLayout

SMALL = {
    "resnet18": "a",
    "resnext50": "a",
    "se_resnet50": "a",
    "densenet121": "a",
    "mobilenet_v2": "b",
    "shufflenet_v2": "b",
}
SIZE = (49, 70)


def _image(*size: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(0).randn(2, 3, *size)).float()


def _check_pair(backbone: str, head: str, output_stride: int, ibn: str) -> None:
    # Narrow heads: the contract does not depend on their width.
    config = ModelConfig.model_validate(
        {
            "backbone": {"name": backbone, "ibn": ibn, "output_stride": output_stride},
            "head": {"name": head, **({} if head == "linear" else {"channels": 8})},
            "aux_head": {"channels": 8},
            "weights": "none",
        }
    )
    model = build_segmenter(config, 5).train()
    image = _image(*SIZE)
    features = model.backbone(image)
    assert features.keys() == model.backbone.feature_specs.keys()
    for name, spec in model.backbone.feature_specs.items():
        size = tuple(-(-side // spec.stride) for side in SIZE)
        assert tuple(features[name].shape) == (2, spec.channels, *size), name
    assert model.backbone.feature_specs["layer4"].stride == output_stride
    output = model(image)
    assert output.logits.shape == output.aux_logits.shape == (2, 5, *SIZE)
    (output.logits.square().sum() + output.aux_logits.square().sum()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", SMALL)
def test_one_network_of_each_family_fits_every_head(backbone: str, head: str) -> None:
    _check_pair(backbone, head, 16, SMALL[backbone])


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "head", "output_stride"), list(itertools.product(BACKBONES, HEADS, (8, 16, 32))))
def test_every_network_fits_every_head_at_every_stride(backbone: str, head: str, output_stride: int) -> None:
    for ibn in {"none", "a", "b"}.intersection(family_of(backbone).ibn):
        _check_pair(backbone, head, output_stride, ibn)


@pytest.mark.parametrize("output_stride", [8, 16])
@torch.no_grad()
def test_a_dilated_densenet_contains_the_strided_one(output_stride: int, filled) -> None:
    strided = filled(build_backbone, "densenet121", "a")
    dilated = filled(build_backbone, "densenet121", "a", output_stride)
    image = _image(64, 96)
    step = 32 // output_stride
    # Instance norms see more places than the strided network's, so compare without them.
    for network in (strided, dilated):
        for module in network.modules():
            if isinstance(module, InstanceBatchNorm2d):
                module.forward = lambda x, norm=module: x * norm.IN.weight.mean()
    dense = dilated(image)["layer4"][..., ::step, ::step]
    torch.testing.assert_close(dense, strided(image)["layer4"], atol=1e-4, rtol=1e-4)


def _norms(plan: IbnPlan) -> dict[str, str]:
    """Norms of a small ResNet that are not batch norms: name -> kind."""
    kinds = {
        InstanceBatchNorm2d: "split",
        InstanceNorm2d: "full",
        ParallelInstanceBatchNorm2d: "parallel",
        PartialInstanceNorm2d: "half",
    }
    with torch.device("meta"):
        network = ResNet(ResNetLayout(BasicBlock, (2, 2, 2, 2)), plan)
    found = {name: kinds.get(type(module)) for name, module in network.named_modules()}
    inner = tuple(f"{name}." for name, kind in found.items() if kind in ("split", "parallel", "half"))
    return {n: k for n, k in found.items() if k and not n.startswith(inner)}


def _every(names: str, stages: tuple[int, ...], kind: str) -> dict[str, str]:
    return {f"layer{s}.{b}.{name}": kind for s in stages for b in (0, 1) for name in names.split()}


def test_each_variant_puts_its_norms_where_the_paper_draws_them() -> None:
    last = {"layer1.1.IN": "half", "layer2.1.IN": "half"}
    assert _norms(IbnPlan("none")) == {}
    assert _norms(IbnPlan("a")) == _every("bn1", (1, 2, 3), "split")
    assert _norms(IbnPlan("a2")) == _every("bn1 bn2", (1, 2, 3), "split")
    assert _norms(IbnPlan("c")) == _every("bn1", (1, 2, 3), "parallel")
    assert _norms(IbnPlan("b")) == {"bn1": "full"} | dict.fromkeys(last, "full")
    assert _norms(IbnPlan("d")) == last
    assert _norms(IbnPlan("ad")) == _every("bn1", (1, 2, 3), "split") | last
    assert _norms(IbnPlan("a", (1, 4))) == _every("bn1", (1, 4), "split")
    assert _norms(IbnPlan("b", (2,))) == {"layer2.1.IN": "full"}


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_any_ratio_of_instance_channels_can_be_had(ratio: float) -> None:
    with torch.device("meta"):
        network = build_backbone("resnet18", "a", ibn_ratio=ratio)
    norm = network.get_submodule("layer2.0.bn1")
    assert (norm.num_instance, norm.num_batch) == (128 * ratio, 128 * (1 - ratio))


@pytest.mark.parametrize("ibn", ["c", "d", "ad", "a2"])
@pytest.mark.parametrize(
    ("block", "shape"), [(BasicBlock, BlockShape(8, 8)), (Bottleneck, BlockShape(32, 8, groups=2))]
)
def test_every_variant_of_a_block_trains(ibn: str, block: type, shape: BlockShape) -> None:
    module = block(shape, IbnPlan(ibn).block(1, is_last=True))
    x = torch.randn(2, shape.in_channels, 6, 5)
    out = module(x)
    out.square().sum().backward()
    assert out.shape == x.shape
    assert all(p.grad is not None for p in module.parameters())


def test_half_a_norm_leaves_the_other_half_alone() -> None:
    x = torch.randn(2, 6, 4, 4) * 3 + 1
    out = PartialInstanceNorm2d(6, 0.5)(x)
    assert torch.equal(out[:, 3:], x[:, 3:])
    torch.testing.assert_close(out[:, :3], InstanceNorm2d(3)(x[:, :3]))


def test_side_by_side_norms_are_both() -> None:
    x = torch.randn(2, 4, 5, 5)
    norm = ParallelInstanceBatchNorm2d(4)
    torch.testing.assert_close(norm(x), torch.cat([InstanceNorm2d(4)(x), nn.BatchNorm2d(4)(x)], dim=1))


def test_dilation_from_the_first_block_is_robustnets() -> None:
    with torch.device("meta"):
        usual = build_backbone("resnet50", output_stride=8)
        robust = build_backbone("resnet50", output_stride=8, dilate_first=True)
    dilations = [
        [network.get_submodule(f"layer{s}.{b}.conv2").dilation[0] for s in (3, 4) for b in (0, 1)]
        for network in (usual, robust)
    ]
    assert dilations == [[1, 2, 2, 4], [2, 2, 4, 4]]


def test_three_small_convolutions_make_the_deep_stem() -> None:
    network = build_backbone("resnet50", "b", stem="conv3x3").eval()
    kinds = [type(m) for m in network.conv1] + [type(network.bn1)]
    assert [k for k in kinds if "Norm" in k.__name__] == [InstanceNorm2d, InstanceNorm2d, nn.BatchNorm2d]
    assert network.forward_features(_image(45, 64))["stem"].shape == (2, 128, 12, 16)


@pytest.mark.parametrize("stem", ["conv7x7", "conv3x3"])
@torch.no_grad()
def test_norms_without_weight_and_bias_compute_as_with_1_and_0(stem: str) -> None:
    affine = build_backbone("resnet18", "b", 16, stem=stem).eval()
    plain = build_backbone("resnet18", "b", 16, stem=stem, ibn_affine=False).eval()
    lost = affine.state_dict().keys() - plain.state_dict().keys()
    stem_norms = ["bn1"] if stem == "conv7x7" else ["conv1.1", "conv1.4"]
    norms = [*stem_norms, "layer1.1.IN", "layer2.1.IN"]
    assert lost == {f"{norm}.{part}" for norm in norms for part in ("weight", "bias")}
    plain.load_state_dict({k: v for k, v in affine.state_dict().items() if k not in lost})
    # The smaller image takes torch's group norm, the larger one the unsplit form.
    for image in (_image(40, 48), _image(160, 192)):
        for name, feature in affine(image).items():
            torch.testing.assert_close(plain(image)[name], feature)


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_no_stages_at_all_mean_no_ibn(name: str) -> None:
    with torch.device("meta"):
        network = build_backbone(name, "a", ibn_stages=())
    assert not any(isinstance(m, InstanceNorm2d) for m in network.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "densenet121", "ibn": "b"}, "densenet121 has ibn none and a, not b"),
        ({"name": "densenet121", "stem": "conv3x3"}, "densenet121 has no stem to choose"),
        ({"name": "mobilenet_v2", "ibn": "a"}, "mobilenet_v2 has ibn none and b, not a"),
        ({"name": "shufflenet_v2", "dilate_first": True}, "shufflenet_v2 has no dilate_first"),
        ({"name": "shufflenet_v2", "ibn": "b", "ibn_stages": [1]}, "shufflenet_v2 has no ibn_stages"),
        ({"name": "mobilenet_v2", "ibn": "b", "ibn_ratio": 0.5}, "mobilenet_v2 has no ibn_ratio"),
        ({"ibn_stages": [1]}, "need an ibn"),
        ({"ibn": "b", "ibn_ratio": 0.25}, "ibn b has no ratio to choose"),
        ({"ibn": "a", "ibn_affine": False}, "ibn_affine: false changes the norms of ibn b"),
        (
            {"name": "mobilenet_v2", "ibn": "b", "ibn_affine": False},
            "mobilenet_v2 has no ibn_affine to choose; leave it out",
        ),
    ],
)
def test_configs_with_options_without_effect_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate({"backbone": options, "head": {"name": "fcn"}})


@pytest.mark.parametrize("name", BACKBONES)
def test_a_config_takes_exactly_the_variants_that_a_backbone_has(name: str) -> None:
    for ibn in get_args(IbnName):
        with torch.device("meta"):
            if ibn in family_of(name).ibn:
                build_backbone(**BackboneConfig(name=name, ibn=ibn).options)
            else:
                with pytest.raises(ValidationError):
                    BackboneConfig(name=name, ibn=ibn)


def test_options_that_a_family_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="densenet121 has no stem to"):
        build_backbone("densenet121", stem="conv3x3")
    with pytest.raises(ValueError, match="mobilenet_v2 has ibn none and b, not a"):
        build_backbone("mobilenet_v2", "a")
    with pytest.raises(ValueError, match="no dilate_first to choose"):
        build_backbone("mobilenet_v2", dilate_first=True)
    with pytest.raises(ValueError, match="shufflenet_v2 has no ibn_stages to choose"):
        build_backbone("shufflenet_v2", "b", ibn_stages=(1,))
    with pytest.raises(ValueError, match="output_stride is 8, 16 or 32, got 4"):
        build_backbone("shufflenet_v2", output_stride=4)
    with pytest.raises(ValueError, match=r"among 1, 2, 3, 4: \[0\]"):
        build_backbone("resnet18", "a", ibn_stages=(0,))
    with pytest.raises(ValueError, match="ibn_affine chooses the norms of ibn b"):
        build_backbone("resnet18", "a", ibn_affine=False)
    with pytest.raises(ValueError, match="mobilenet_v2 has no ibn_affine to"):
        build_backbone("mobilenet_v2", "b", ibn_affine=False)
    with pytest.raises(ValueError, match=r"lies in 0\.\.1: 1\.5"):
        build_backbone("resnet18", "a", ibn_ratio=1.5)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_walking_the_chain_gives_stride_2_and_then_every_feature(name: str) -> None:
    backbone = build_backbone(name, SMALL[name], output_stride=8).eval()
    image = _image(*SIZE)
    x = backbone.step("half", image)
    assert tuple(x.shape) == (2, backbone.half_spec.channels, 25, 35)
    for key, feature in backbone(image).items():
        x = backbone.step(key, x)
        assert torch.equal(x, feature), key
