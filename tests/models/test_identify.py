"""A network is told from its tensors alone: every one that this package builds."""

import pytest
import torch

from segibn.models.backbones import build_backbone, build_classifier
from segibn.models.catalog import BACKBONES, family_of
from segibn.models.weights.identify import identify

PAIRS = [(name, ibn) for name in BACKBONES for ibn in family_of(name).ibn]


@pytest.mark.parametrize(("name", "ibn"), PAIRS)
def test_every_network_is_known_by_its_tensors(name: str, ibn: str) -> None:
    with torch.device("meta"):
        state = build_backbone(name, ibn).state_dict()
    assert identify(state) == (name, ibn, "")


def test_a_classifier_and_other_stems_are_known_too() -> None:
    with torch.device("meta"):
        assert identify(build_classifier("resnet50_ibn_b").state_dict()) == ("resnet50", "b", "")
        deep = build_backbone("resnet101", "b", stem="conv3x3")
        assert identify(deep.state_dict()) == ("resnet101", "b", "")
        quarter = build_backbone("resnet18", "a", ibn_ratio=0.25)
        assert identify(quarter.state_dict()) == ("resnet18", "a", "")


def test_other_networks_are_not_known() -> None:
    with torch.device("meta"):
        state = build_backbone("resnet50").state_dict()
    assert identify({}) is None
    assert identify({"conv1.weight": torch.ones(1)}) is None
    assert identify({k: v for k, v in state.items() if not k.startswith("layer3.5")}) is None
