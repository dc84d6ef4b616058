import copy
from dataclasses import dataclass, field

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from segibn.builders import perturb as build
from segibn.builders.perturb import attach_perturbations
from segibn.config.generalise import GeneraliseConfig
from segibn.errors import ConfigError
from segibn.models.backbones import build_backbone

ALWAYS = {
    "mixstyle": {"probability": 1.0, "alpha": 5.0},
    "efdm": {"probability": 1.0, "alpha": 5.0},
    "np_plus": {"probability": 1.0},
    "mrfp": {"probability": 1.0, "style_probability": 1.0, "channels": 8},
}
LAYERS = ("stem", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture
def backbone() -> nn.Module:
    torch.manual_seed(0)
    return build_backbone("resnet18", "a")


def _perturbed(backbone: nn.Module, **sections: dict) -> nn.Module:
    copied = copy.deepcopy(backbone)
    attach_perturbations(copied, GeneraliseConfig(**sections))
    return copied


def _image(count: int) -> Tensor:
    return torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 4 - 2


@pytest.mark.parametrize("method", ALWAYS)
def test_evaluation_and_state_dict_are_those_of_the_network_without(backbone: nn.Module, method: str) -> None:
    perturbed = _perturbed(backbone, **{method: ALWAYS[method]})
    assert list(perturbed.state_dict()) == list(backbone.state_dict())
    assert len(list(perturbed.modules())) == len(list(backbone.modules()))
    plain, same = backbone.eval()(_image(5)), perturbed.eval()(_image(5))
    assert all(torch.equal(plain[name], same[name]) for name in plain)


@pytest.mark.parametrize("method", ALWAYS)
@pytest.mark.parametrize("layer", LAYERS)
def test_in_training_the_named_feature_changes_and_none_before_it(backbone: nn.Module, method: str, layer: str) -> None:
    section = {**ALWAYS[method], "layers": [layer]}
    if method == "mrfp":
        section["style_layers"] = []
    perturbed = _perturbed(backbone, **{method: section})
    with torch.no_grad():
        plain, changed = (net.train().forward_features(_image(3)) for net in (backbone, perturbed))
    number = LAYERS.index(layer)
    for name in LAYERS[:number]:
        assert torch.equal(plain[name], changed[name])
    for name in LAYERS[number:]:
        assert plain[name].shape == changed[name].shape
        assert not torch.allclose(plain[name], changed[name])


@dataclass(frozen=True)
class _Counter:
    """A method that leaves features alone and remembers how many channels they had."""

    calls: list[int] = field(default_factory=list)

    def __call__(self, feature: Tensor) -> Tensor:
        self.calls.append(feature.shape[1])
        return feature


def test_a_method_runs_once_in_each_training_pass_at_each_of_its_layers(
    backbone: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = {layer: _Counter() for layer in LAYERS}
    monkeypatch.setitem(build.PERTURBATIONS, "mixstyle", lambda section: counters)
    attach_perturbations(backbone, GeneraliseConfig(mixstyle={}))
    backbone.train()(_image(2))
    assert {layer: c.calls for layer, c in counters.items()} == {
        "stem": [64], "layer1": [64], "layer2": [128], "layer3": [256], "layer4": [512]
    }  # fmt: skip
    backbone(_image(1))
    backbone.eval()(_image(1))
    assert all(len(counter.calls) == 2 for counter in counters.values())


def test_defaults_are_the_papers_places() -> None:
    def places(name: str) -> list[str]:
        section = getattr(GeneraliseConfig(**{name: {}}), name)
        return list(build.PERTURBATIONS[name](section))

    assert places("mixstyle") == places("efdm") == ["layer1", "layer2"]
    assert places("np_plus") == ["stem", "layer1"]
    assert places("mrfp") == ["stem", "layer1"]
    mrfp = build.PERTURBATIONS["mrfp"](GeneraliseConfig(mrfp={}).mrfp)
    assert mrfp["stem"].fine is not None
    assert mrfp["layer1"].fine is None
    assert mrfp["stem"].coarse == mrfp["layer1"].coarse
    assert mrfp["stem"].coarse.adaptive


@pytest.mark.parametrize("count", [1, 3])
def test_all_at_once_train_in_bfloat16_and_channels_last(backbone: nn.Module, count: int) -> None:
    perturbed = _perturbed(backbone, **ALWAYS).train().to(memory_format=torch.channels_last)
    image = _image(count).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features = perturbed(image)
    assert all(f.dtype == torch.bfloat16 and f.isfinite().all() for f in features.values())
    assert features["layer1"].is_contiguous(memory_format=torch.channels_last)
    features["layer4"].float().square().mean().backward()
    for parameter in perturbed.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_a_seed_fixes_a_pass_and_another_changes_it(backbone: nn.Module) -> None:
    perturbed = _perturbed(backbone, **ALWAYS).train()

    def run(seed: int) -> Tensor:
        torch.manual_seed(seed)
        with torch.no_grad():
            return perturbed(_image(3))["layer4"]

    first = run(0)
    assert torch.equal(first, run(0))
    assert not torch.allclose(first, run(1))


def test_a_deep_copy_is_perturbed_by_itself(backbone: nn.Module) -> None:
    perturbed = _perturbed(backbone, np_plus={"probability": 1.0})
    copied = copy.deepcopy(perturbed).train()
    perturbed.eval()  # the copy does not ask the original for its mode
    torch.manual_seed(0)
    with torch.no_grad():
        features = copied(_image(2))["layer1"], backbone.train()(_image(2))["layer1"]
    assert not torch.allclose(*features)


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2"])
def test_networks_without_these_places_are_refused_by_name(name: str) -> None:
    network = build_backbone(name)
    with pytest.raises(ConfigError, match=r"generalise\.mixstyle\.layers.*resnet"):
        attach_perturbations(network, GeneraliseConfig(mixstyle={}))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"layers": ["layer1", "layer1"]}, "names a layer twice"),
        ({"layers": []}, "at least 1 item"),
        ({"layers": ["layer5"]}, "Input should be 'stem'"),
        ({"probability": 1.5}, "less than or equal to 1"),
        ({"alpha": 0}, "greater than 0"),
    ],
)
def test_senseless_settings_are_refused(section: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GeneraliseConfig(mixstyle=section)
