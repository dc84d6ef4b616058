"""What each term takes of a step, against the same computed by hand; and what it refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from segibn.config.load import load_config
from segibn.data.datasets.catalog import scheme_label_set
from segibn.engine.terms.feature_distance import find_things
from segibn.errors import ConfigError
from segibn.losses.feature_distance import gram_distance

FLOAT32 = ("engine.precision=float32",)


def plain_and_restyled(step):
    """Pretend that what the network saw was a restyled version of another image."""
    return dataclasses.replace(step, plain=step.plain.flip(3).contiguous())


@pytest.mark.parametrize("views", [1, 2])
def test_feature_distance_compares_what_was_seen_with_the_plain_image(
    views: int, configure, make_updater, batch: dict, step_of
) -> None:
    names = ("feature_distance", "consistency")[:views]
    updater = make_updater(configure(names, FLOAT32))
    step = plain_and_restyled(step_of(updater, batch))
    assert step.views == views
    term = updater.objective.terms[0]
    with torch.no_grad():
        reference = term.teacher.backbone(step.plain)["layer4"].numpy()
    seen, target = step.features["layer4"].detach().numpy(), step.target.numpy()
    distances = []
    for n, y, x in np.ndindex(2 * views, 2, 3):  # stride 16: cells of 16 x 16 pixels
        cell = target[n, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
        if (cell == 1).mean() >= 0.75:
            distances.append(np.linalg.norm(seen[n, :, y, x] - reference[n % 2, :, y, x]))
    assert 0 < len(distances) < 12 * views
    assert term(step).item() == pytest.approx(np.mean(distances), rel=1e-5)


def test_things_are_those_of_cityscapes_in_every_scheme_of_streets() -> None:
    names = scheme_label_set("cityscapes19").class_names
    # DAFormer's official config: imnet_feature_dist_classes.
    assert find_things(None, names) == (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)
    expected = {"sign", "car", "person", "bicyclist"}
    names = scheme_label_set("street11").class_names
    assert {names[index] for index in find_things(None, names)} == expected
    names = scheme_label_set("camvid11").class_names
    assert {names[index] for index in find_things(None, names)} == {*("sign", "car", "pedestrian", "bicyclist")}


def test_things_that_are_not_there_are_refused_with_the_fix() -> None:
    names = ("road", "traffic sign", "car")
    assert find_things(("car",), names) == (2,)
    with pytest.raises(ConfigError, match=r"no class 'trafic sign'; did you mean 'traffic sign'"):
        find_things(("car", "trafic sign"), names)
    with pytest.raises(ConfigError, match=r"feature_distance\.classes: .*name those that are.*dark"):
        find_things(None, ("dark", "bright"))


def test_texture_is_that_of_the_plain_image_in_both_networks(configure, make_updater, batch: dict, step_of) -> None:
    updater = make_updater(configure(("texture",), FLOAT32))
    (term,) = updater.objective.terms
    step = plain_and_restyled(step_of(updater, batch, iteration=3))
    term.backbone = updater.model.backbone  # as where images are restyled
    value = term(step)
    with torch.no_grad():
        own, reference = (b(step.plain) for b in (updater.model.backbone, term.teacher.backbone))
    factors = {"layer1": 5e-3, "layer2": 5e-4, "layer3": 5e-5, "layer4": 5e-6}
    expected = sum(w * gram_distance(own[name], reference[name]) for name, w in factors.items())
    assert value.item() == pytest.approx(0.5 * expected.item(), rel=1e-5)  # iteration 3 of 6
    term.fade_over = None
    assert term(step).item() == pytest.approx(expected.item(), rel=1e-5)


def test_texture_needs_no_second_pass_where_nothing_is_restyled(configure, make_updater, batch: dict, step_of) -> None:
    updater = make_updater(configure(("texture", "consistency"), FLOAT32))
    term = updater.objective.terms[0]
    step = step_of(updater, batch)
    value = term(step)
    assert updater.model.backbone.bn1.num_batches_tracked == 1  # the step's own pass
    reference = term.teacher.backbone(step.plain)["layer1"]
    term.layer_weights = {"layer1": 1.0, "layer2": 0.0}
    first_view = step.features["layer1"][:2]  # which is the plain image
    expected = gram_distance(first_view, reference).item() * (1 - 2 / 6)
    assert term(step).item() == pytest.approx(expected, rel=1e-6)
    assert value > 0


def test_consistency_compares_the_two_views_of_each_image(configure, make_updater, batch: dict, step_of) -> None:
    updater = make_updater(configure(("consistency",), FLOAT32))
    (term,) = updater.objective.terms
    step = step_of(updater, batch)
    p, q = step.output.coarse_logits.detach().double().softmax(1).numpy().reshape(2, 2, 2, 2, 3)
    m = (p + q) / 2
    expected = ((p * np.log(p / m)).sum(1) + (q * np.log(q / m)).sum(1)).mean() / 2
    assert term(step).item() == pytest.approx(expected, rel=1e-4, abs=2e-8)
    assert updater.objective.views == 2


def test_mean_teacher_is_the_moving_average_of_now(configure, make_updater, batch: dict, step_of) -> None:
    updater = make_updater(configure(("mean_teacher",), FLOAT32))
    (term,) = updater.objective.terms
    step, values = step_of(updater, batch), []
    for _ in range(2):
        with torch.no_grad():
            p = updater.average.model(step.plain).coarse_logits.double().softmax(1)
        log_q = step.output.coarse_logits.detach().double().log_softmax(1)
        expected = (p * (p.log() - log_q)).sum(1).mean().item()
        values.append(term(step).item())
        assert values[-1] == pytest.approx(expected, rel=1e-4)
        updater.update(batch, 0)  # the average moves on
    assert values[0] != values[1]
    assert not updater.average.model.training


def test_mean_teacher_comes_in_over_a_quarter_of_the_training(blocks_config: Path, make_updater):
    overrides = ["ema={}", "generalise.mean_teacher={threshold: 0.9}", "optim.iterations=400"]
    (term,) = make_updater(load_config(blocks_config, overrides)).objective.terms
    assert (term.length, term.threshold, term.weight) == (100, 0.9, 1.0)


def test_mean_teacher_without_a_moving_average_is_refused_with_the_fix(blocks_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"mean_teacher.*add `ema: \{\}`"):
        load_config(blocks_config, ["generalise.mean_teacher={}"])


def test_consistency_of_two_equal_views_is_refused_with_the_fix(blocks_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"generalise: consistency: .*add a method"):
        load_config(blocks_config, ["generalise.consistency={}"])
