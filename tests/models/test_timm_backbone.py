"""timm's networks behind the contract of features.py; random weights, nothing is downloaded."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from segibn.builders.models import build_segmenter, describe
from segibn.config.model import ModelConfig
from segibn.errors import ConfigError
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD
from segibn.models.sync_norm import synchronize_batch_norms
from segibn.models.timm_backbone import TimmBackbone

PLAIN = {"deit_tiny_patch16_224": 16, "vit_small_patch14_dinov2.lvd142m": 14, "vit_small_patch16_dinov3": 16}
SWIN = "swin_tiny_patch4_window7_224"
HIERARCHICAL = ("convnext_atto", "resnet18", SWIN)
HEADS = {
    "fcn": {"name": "fcn", "channels": 8},
    "linear": {"name": "linear"},
    "deeplabv3": {"name": "deeplabv3", "channels": 8},
    "deeplabv3plus": {"name": "deeplabv3plus", "channels": 8, "low_level_channels": 4},
}


def build(name: str, **options: object) -> TimmBackbone:
    torch.manual_seed(0)
    backbone = TimmBackbone(name, **options)  # type: ignore[arg-type]
    with torch.no_grad():  # timm starts many of its layer scales at nearly nothing
        for key, parameter in backbone.named_parameters():
            if key.endswith("gamma"):
                parameter.fill_(0.5)
    return backbone.eval()


def config(name: str, head: str = "linear", **backbone: object) -> ModelConfig:
    tree = {"backbone": {"name": "timm", "model": name, **backbone}, "head": HEADS[head]}
    return ModelConfig.model_validate(tree)


def image(height: int, width: int, n: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", PLAIN)
@torch.no_grad()
def test_a_transformers_features_are_four_normed_blocks_of_one_made_for_that_size(name: str) -> None:
    backbone = build(name)
    size = 5 * PLAIN[name]
    theirs = timm.create_model(name, img_size=size, num_classes=0).eval()
    state = backbone.network.state_dict()
    if "pos_embed" in state and state["pos_embed"].shape != theirs.pos_embed.shape:
        state = timm.models.vision_transformer.checkpoint_filter_fn(dict(state), theirs)
    theirs.load_state_dict(state)
    tokens: list[torch.Tensor] = []
    for block in (2, 5, 8, 11):
        theirs.blocks[block].register_forward_hook(lambda _, __, output: tokens.append(output))
    x = image(size, size)
    theirs.forward_features(x)
    for found, block in zip(backbone(x).values(), tokens, strict=True):
        patches = theirs.norm(block)[:, theirs.num_prefix_tokens :]
        expected = patches.unflatten(1, (5, 5)).permute(0, 3, 1, 2)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", HIERARCHICAL)
@torch.no_grad()
def test_a_hierarchical_networks_features_are_those_of_timms_features_only(name: str) -> None:
    backbone = build(name)
    size = (224, 224) if "swin" in name else (64, 96)
    theirs = timm.create_model(name, features_only=True).eval()
    # its modules have other names, in the same order
    ours = [value for key, value in backbone.network.state_dict().items()]
    renamed = dict(zip(theirs.state_dict(), ours, strict=True))
    theirs.load_state_dict(renamed)
    x = image(*size)
    expected = theirs(x)[-4:]
    for found, feature in zip(backbone(x).values(), expected, strict=True):
        feature = feature.permute(0, 3, 1, 2) if "swin" in name else feature
        torch.testing.assert_close(found, feature, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [*PLAIN, *HIERARCHICAL])
@pytest.mark.parametrize("size", [(45, 71), (64, 33)])
@torch.no_grad()
def test_features_of_odd_sizes_keep_the_contract(name: str, size: tuple[int, int]) -> None:
    backbone = build(name)
    features = backbone(image(*size, n=2))
    assert list(features) == ["layer1", "layer2", "layer3", "layer4"]
    for key, spec in backbone.feature_specs.items():
        rows, columns = (-(-side // spec.stride) for side in size)
        assert tuple(features[key].shape) == (2, spec.channels, rows, columns)


@torch.no_grad()
def test_a_transformer_sees_odd_frames_stretched_to_whole_patches() -> None:
    backbone, x = build("deit_tiny_patch16_224"), image(45, 71)
    whole = F.interpolate(x, size=(48, 80), mode="bilinear", align_corners=False)
    assert torch.equal(backbone(x)["layer4"], backbone(whole)["layer4"])
    assert not torch.equal(x, whole[..., :45, :71])


@torch.no_grad()
def test_a_hierarchical_network_sees_odd_frames_padded_and_features_stay_in_place() -> None:
    backbone, x = build("convnext_atto"), image(45, 71)
    padded = torch.zeros(1, 3, 64, 96)
    padded[..., :45, :71] = x
    whole = backbone(padded)
    for key, feature in backbone(x).items():
        rows, columns = feature.shape[-2:]
        assert torch.equal(feature, whole[key][..., :rows, :columns])


@torch.no_grad()
def test_images_are_scaled_as_the_networks_own_training_was() -> None:
    # vit_tiny's weights want (value / 255 - 0.5) / 0.5, ours are normalised by ImageNet
    backbone = build("vit_tiny_patch16_224")
    pixels = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    expected = backbone.network.forward_intermediates(
        (pixels / 255 - 0.5) / 0.5, indices=[11], norm=True, intermediates_only=True
    )
    found = backbone((pixels - mean) / std)["layer4"]
    torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=1e-4)
    assert "rescale" not in backbone.state_dict()
    assert build("convnext_atto").rescale is None  # ImageNet's: nothing is computed


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_every_head_trains_on_it_and_every_parameter_gets_a_gradient(name: str, head: str) -> None:
    model = build_segmenter(config(name, head), 5).train()
    nn.init.normal_(model.head.classifier.weight)
    output = model(image(65, 97, n=2))
    assert output.logits.shape == (2, 5, 65, 97)
    output.logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(
    "name",
    [
        "swinv2_tiny_window8_256",
        "eva02_tiny_patch14_224",
        "vit_small_patch14_reg4_dinov2.lvd142m",
        "efficientnet_b0",
        "pvt_v2_b0",
        "regnetx_002",
        "mobilenetv3_small_050",
    ],
)
def test_other_families_keep_the_contract_and_leave_no_parameter_idle(name: str) -> None:
    # DistributedDataParallel would wait for the gradient of one that is not used
    backbone = build(name).train()
    features = backbone(image(65, 97, n=2))
    for key, spec in backbone.feature_specs.items():
        rows, columns = -(-65 // spec.stride), -(-97 // spec.stride)
        assert tuple(features[key].shape) == (2, spec.channels, rows, columns)
    sum(feature.square().sum() for feature in features.values()).backward()
    assert [key for key, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
def test_whole_frames_and_sliding_windows_of_odd_sizes_are_predicted(name: str) -> None:
    model = build_segmenter(config(name), 3).eval()
    nn.init.normal_(model.head.classifier.weight)
    frame = torch.randint(0, 256, (75, 101, 3), dtype=torch.uint8).numpy()
    whole = Predictor(model, "cpu")(frame)
    windows = Predictor(model, "cpu", InferenceOptions(window=(41, 53), stride=(34, 48)))(frame)
    assert whole.shape == windows.shape == (75, 101)
    one = Predictor(model, "cpu", InferenceOptions(window=(75, 101)))(frame)
    assert (one == whole).mean() > 0.999  # a window of the frame's size is the frame


def test_stages_of_parameters_follow_the_network() -> None:
    stages = build("test_vit").stages_of_parameters()  # six blocks, features at 0, 2, 3 and 5
    assert stages["network.patch_embed.proj.weight"] == stages["network.pos_embed"] == 0
    found = [stages[f"network.blocks.{block}.mlp.fc1.weight"] for block in range(6)]
    assert found == [1, 2, 2, 3, 4, 4]
    assert stages["network.norm.weight"] == 4
    stages = build("convnext_atto").stages_of_parameters()
    assert stages["network.stem.0.weight"] == 0
    assert [stages[f"network.stages.{k}.blocks.0.conv_dw.weight"] for k in range(4)] == [1, 2, 3, 4]
    stages = build("test_resnet").stages_of_parameters()
    assert [stages[f"network.layer{k}.0.conv1.weight"] for k in (1, 2, 3, 4)] == [1, 2, 3, 4]


@torch.no_grad()
def test_a_network_that_timm_can_dilate_takes_an_output_stride() -> None:
    dilated = build("convnext_atto", output_stride=16)
    assert [spec.stride for spec in dilated.feature_specs.values()] == [4, 8, 16, 16]
    assert dilated(image(65, 97))["layer4"].shape[-2:] == (5, 7)


def test_atrous_rates_are_those_of_the_stride_nearest_to_the_patch() -> None:
    model = build_segmenter(config("vit_small_patch14_dinov2.lvd142m", "deeplabv3"), 5)
    assert [branch[0].dilation[0] for branch in model.head.aspp.branches[1:]] == [6, 12, 18]


def test_description_says_what_is_trained() -> None:
    with torch.device("meta"):
        texts = [describe(build_segmenter(config("test_vit", tuning=tuning), 5)) for tuning in ("full", "frozen")]
    assert "backbone TimmBackbone 0.31 M, head LinearHead 0.00 M" in texts[0]
    assert "backbone TimmBackbone 0.31 M (none trained), head" in texts[1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit_smal_patch14_dinov2", {}, "has no .*did you mean .*vit_small_patch14_dinov2"),
        ("levit_128s", {}, "one size only"),
        ("test_vit", {"output_stride": 8}, "leave it out"),
        ("swin_tiny_patch4_window7_224", {"output_stride": 8}, "leave it out"),
    ],
)
def test_what_cannot_be_built_is_said_with_the_fix(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TimmBackbone(name, **options)


@torch.no_grad()
def test_norms_that_hold_their_activation_keep_it_when_synchronised() -> None:
    backbone = build("efficientnet_b0")
    expected = backbone(image(64, 64))["layer4"]
    synchronised = synchronize_batch_norms(backbone, torch.device("cuda")).eval()
    assert any(isinstance(module, nn.SyncBatchNorm) for module in synchronised.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in synchronised.modules())
    torch.testing.assert_close(synchronised(image(64, 64))["layer4"], expected)
    trained = build("efficientnet_b0").train()
    with pytest.raises(ConfigError, match="on CUDA only; train in one process"):
        synchronize_batch_norms(trained, torch.device("cpu"))
    trained.set_tuning("frozen")
    assert synchronize_batch_norms(trained, torch.device("cpu")) is trained


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_fixed_padding_is_tensorflows(output_stride: int) -> None:
    """Networks that pad as TensorFlow does, against timm's own forward, to the bit."""
    torch.manual_seed(0)
    backbone = TimmBackbone("tf_efficientnet_b0", output_stride).eval()
    network = timm.create_model("tf_efficientnet_b0", output_stride=output_stride).eval()
    network.load_state_dict(backbone.network.state_dict(), strict=False)
    image = torch.randn(1, 3, 96, 160)
    with torch.inference_mode():
        found = backbone(image)
        expected = network.forward_intermediates(image, intermediates_only=True)[-4:]
    for ours, theirs in zip(found.values(), expected, strict=True):
        assert torch.equal(ours, theirs)
