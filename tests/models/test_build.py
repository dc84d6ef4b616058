import pytest
import torch

from segibn.builders.models import build_segmenter, describe
from segibn.config.model import ModelConfig

HEADS = {
    "fcn": {"name": "fcn", "channels": 16},
    "deeplabv3": {"name": "deeplabv3", "channels": 16},
    "deeplabv3plus": {"name": "deeplabv3plus", "channels": 16, "low_level_channels": 8},
}


def _config(head: str = "fcn", ibn: str = "none", stride: int = 16, **more: object) -> ModelConfig:
    backbone = {"name": "resnet18", "ibn": ibn, "output_stride": stride}
    return ModelConfig.model_validate({"backbone": backbone, "head": HEADS[head], **more})


@pytest.mark.parametrize(
    ("head", "ibn"), [("fcn", "none"), ("fcn", "a"), ("fcn", "b"), ("deeplabv3", "a"), ("deeplabv3plus", "b")]
)
def test_every_head_and_every_variant_trains(head: str, ibn: str) -> None:
    model = build_segmenter(_config(head, ibn, aux_head={"layer": "layer3"}), num_classes=5)
    output = model(torch.randn(2, 3, 32, 64))
    assert output.logits.shape == output.aux_logits.shape == (2, 5, 32, 64)
    (output.logits.square().sum() + output.aux_logits.square().sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(("stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18))])
def test_atrous_rates_follow_the_output_stride_unless_given(stride: int, rates: tuple) -> None:
    with torch.device("meta"):
        model = build_segmenter(_config("deeplabv3", stride=stride), 5)
    dilations = tuple(branch[0].dilation[0] for branch in model.head.aspp.branches[1:])
    assert dilations == rates


def test_options_of_a_head_arrive_in_it() -> None:
    config = ModelConfig.model_validate({"head": {"name": "fcn", "channels": 24, "dilation": 6, "dropout": 0.3}})
    with torch.device("meta"):
        head = build_segmenter(config, 5).head
    assert (head.conv[0].out_channels, head.conv[0].dilation, head.dropout.p) == (24, (6, 6), 0.3)


def test_description_names_parts_classes_and_strides() -> None:
    with torch.device("meta"):
        text = describe(build_segmenter(_config(stride=8), 19))
    assert text == ("backbone ResNet 11.18 M, head FCNHead 0.07 M; 19 classes; feature strides 4/8/8/8, logits at 8")


def test_a_head_starts_and_drops_as_robustnets() -> None:
    """Kaiming's rule on fan in: a deviation of sqrt(2 / fan in), in the classifier too."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {
            "head": {"name": "deeplabv3plus", "init": "kaiming_fan_in"},
            "aux_head": {"channels": 512, "dropout_unit": "channel", "init": "kaiming_fan_in"},
        }
    )
    model = build_segmenter(config, 19)
    heads = (model.head, model.aux_head)
    convolutions = [m for head in heads for m in head.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 9 + 1 + 2 - 1 + 1
    for conv in convolutions:
        fan_in = conv.weight[0].numel()
        assert conv.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
        assert conv.bias is None or not conv.bias.any()
    ones = torch.ones(2, 512, 8, 8)
    dropped = model.aux_head.train().dropout(ones)
    assert (dropped.flatten(2).std(-1) == 0).all()  # whole channels
    assert (dropped == 0).any()
    plain = build_segmenter(ModelConfig.model_validate({"aux_head": {}}), 19).aux_head.train()
    assert (plain.dropout(ones).flatten(2).std(-1) > 0).any()
