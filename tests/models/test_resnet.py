import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from segibn.models.backbones import build_backbone
from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d
from segibn.models.resnet import STAGES


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).randn(*shape)).float()


@pytest.mark.parametrize(
    ("name", "output_stride"), [("resnet18", 32), ("resnet50", 32), ("resnet50", 16), ("resnet50", 8)]
)
@torch.no_grad()
def test_without_ibn_it_is_torchvisions_network(name: str, output_stride: int, filled) -> None:
    dilate = {32: None, 16: [False, False, True], 8: [False, True, True]}[output_stride]
    options = {} if dilate is None else {"replace_stride_with_dilation": dilate}
    reference = filled(getattr(torchvision.models, name), **options)
    ours = build_backbone(name, "none", output_stride).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    ours.load_state_dict(state, strict=True)
    image = _noise(0, 1, 3, 49, 65)
    features = ours(image)
    x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(image))))
    for stage in STAGES:
        x = getattr(reference, stage)(x)
        torch.testing.assert_close(features[stage], x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "output_stride"), [("resnet18", 8), ("resnet50", 16)])
@torch.no_grad()
def test_a_dilated_network_contains_the_strided_one(name: str, output_stride: int, filled) -> None:
    # The method of DeepLab: dilation computes the strided features, and others in between.
    strided, dilated = (filled(build_backbone, name), filled(build_backbone, name, "none", output_stride))
    image = _noise(0, 1, 3, 96, 65)
    step = 32 // output_stride
    dense = dilated(image)["layer4"][..., ::step, ::step]
    torch.testing.assert_close(dense, strided(image)["layer4"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize(("name", "ibn"), [("resnet18", "b"), ("resnet50", "a")])
@pytest.mark.parametrize("size", [(64, 96), (45, 71)])
def test_declared_features_are_the_real_ones(name: str, ibn: str, output_stride: int, size: tuple[int, int]) -> None:
    # Shapes need no numbers: on this device nothing is computed.
    with torch.device("meta"):
        backbone = build_backbone(name, ibn, output_stride).eval()
        features = backbone(torch.zeros(1, 3, *size))
    assert list(features) == list(backbone.feature_specs) == list(STAGES)
    for key, feature in features.items():
        spec = backbone.feature_specs[key]
        expected = (1, spec.channels, -(-size[0] // spec.stride), -(-size[1] // spec.stride))
        assert tuple(feature.shape) == expected
    assert backbone.feature_specs["layer4"].stride == output_stride


@pytest.mark.parametrize(("name", "per_stage"), [("resnet34", (3, 4, 6, 0)), ("resnet101", (3, 4, 23, 0))])
def test_variant_a_is_in_every_block_but_the_last_stages(name: str, per_stage: tuple) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, "a")
    found = [n for n, m in backbone.named_modules() if isinstance(m, InstanceBatchNorm2d)]
    assert tuple(sum(n.startswith(stage) for n in found) for stage in STAGES) == per_stage
    assert all(n.endswith(".bn1") for n in found)


def test_variant_b_is_after_the_stem_and_the_last_block_of_two_stages() -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnet101", "b")
    found = {n: m.num_features for n, m in backbone.named_modules() if type(m) is InstanceNorm2d}
    assert found == {"bn1": 64, "layer1.2.IN": 256, "layer2.3.IN": 512}


def test_one_seed_gives_all_variants_the_same_convolutions() -> None:
    states = []
    for ibn in ("none", "a", "b"):
        torch.manual_seed(3)
        states.append(build_backbone("resnet18", ibn).state_dict())
    convolutions = [key for key, value in states[0].items() if value.ndim == 4]
    assert len(convolutions) == 20
    for other in states[1:]:
        assert all(torch.equal(states[0][key], other[key]) for key in convolutions)


def test_variant_b_ignores_the_contrast_of_the_image() -> None:
    backbone = build_backbone("resnet18", "b").eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain, changed = (backbone.forward_features(x)["stem"] for x in (image, 3 * image))
    torch.testing.assert_close(plain, changed, atol=1e-3, rtol=1e-3)


def test_unknown_names_and_strides_are_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="known: resnet18, resnet34, resnet50, resnet101"):
        build_backbone("resnet7")
    with pytest.raises(ValueError, match="8, 16 or 32, got 4"):
        build_backbone("resnet18", "none", 4)
