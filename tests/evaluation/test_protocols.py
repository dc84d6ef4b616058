"""The table of protocols and what counts as a deviation from them."""

from typing import Any

import pytest

from segibn.evaluation.deviations import evaluation_deviations, run_deviations, sign
from segibn.evaluation.protocols import PROTOCOLS, SURE, describe_protocol, describe_protocols
from segibn.evaluation.published import NAMED_PROTOCOLS
from segibn.evaluation.published import PROTOCOLS as PUBLISHED

ROBUSTNET = PROTOCOLS["robustnet"]
CITYSCAPES = ROBUSTNET.tests[0]

CONFIG = {
    "model": {
        "backbone": {"name": "resnet50", "output_stride": 16},
        "head": {"name": "deeplabv3plus"},
    },
    "optim": {
        "name": "sgd",
        "lr": 0.01,
        "weight_decay": 5e-4,
        "iterations": 40000,
        "global_batch_size": 16,
    },
    "data": {
        "crop_size": [768, 768],
        "scale_range": (0.5, 2.0),
        "sampling": {"name": "class_uniform"},
    },
}
EVALUATION: dict[str, Any] = {
    "test": "cityscapes:val",
    "frames": 500,
    "input-size": None,
    "window": None,
    "scales": (1.0,),
    "flip": False,
    "precision": "float32",
}


def test_robustnets_protocol_is_what_its_scripts_do():
    assert ROBUSTNET.window is None
    mapillary = next(test for test in ROBUSTNET.tests if test.label == "mapillary")
    assert (mapillary.framing.height, mapillary.framing.crop) == (1536, (1536, 1536))
    rein = next(test for test in PROTOCOLS["rein"].tests if test.label == "cityscapes")
    assert rein.input_size == (512, 1024)  # (H, W) of "1024x512"
    iterations = {s.path: s.accepted for s in ROBUSTNET.settings}["optim.iterations"]
    assert iterations == (40_000,)


def test_a_training_as_the_protocol_says_deviates_in_nothing():
    assert run_deviations(ROBUSTNET, "gta5/robustnet:train-clean", CONFIG, "last") == {}
    by_official_table = run_deviations(ROBUSTNET, "gta5:train-clean", CONFIG, "last")
    assert list(by_official_table) == ["data.train"]


def test_every_other_value_is_named_with_what_it_should_be():
    other = {**CONFIG, "optim": {**CONFIG["optim"], "iterations": 10000}}
    found = run_deviations(ROBUSTNET, "camvid:train", other, "best-on-source")
    assert list(found) == ["data.train", "optim.iterations", "checkpoint"]
    assert found["optim.iterations"] == "optim.iterations is 10000, not 40000"


def test_a_setting_that_a_config_lacks_deviates():
    without = {**CONFIG, "data": {"crop_size": (768, 768), "scale_range": (0.5, 2.0)}}
    assert list(run_deviations(ROBUSTNET, "gta5/robustnet:train-clean", without, "last")) == [
        "data.sampling.name"
    ]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({}, None),
        ({"input-size": (512, 1024)}, "input-size"),
        ({"window": (768, 768)}, "window"),
        ({"scales": (0.5, 1.0)}, "scales"),
        ({"flip": True}, "flip"),
        ({"precision": "bfloat16"}, "precision"),
        ({"frames": 100}, "frames"),
        ({"test": "cityscapes:train"}, "test"),
    ],
)
def test_each_way_to_test_otherwise_deviates(change: dict[str, Any], key: str | None):
    found = evaluation_deviations(ROBUSTNET, CITYSCAPES, "cityscapes", EVALUATION | change)
    assert list(found) == ([key] if key else [])


def test_a_set_that_the_protocol_does_not_have_deviates():
    assert list(evaluation_deviations(ROBUSTNET, None, "camvid", EVALUATION)) == ["test"]


def test_the_signature_names_protocol_deviations_and_an_unusual_checkpoint():
    found = run_deviations(ROBUSTNET, "camvid:train", CONFIG, "last")
    assert sign("miou|v:1") == "miou|v:1"
    assert sign("miou|v:1", "robustnet") == "miou|v:1|protocol:robustnet"
    signed = sign("miou|v:1", "robustnet", found, "chosen-on-target")
    assert signed.split("|")[2:] == [
        "protocol:robustnet",
        "deviates:data.train",
        "checkpoint:chosen-on-target",
    ]


def test_every_fact_of_every_protocol_is_printed_with_how_sure_it_is():
    text = describe_protocols()
    for name, protocol in PROTOCOLS.items():
        own = describe_protocol(name).splitlines()
        facts = [
            line for line in own if line.startswith(("  test", "  config", "  inf", "  check"))
        ]
        assert len(facts) == len(protocol.tests) + len(protocol.settings) + 2
        assert all(line.rpartition("[")[2].rstrip("]") in SURE for line in facts)
        assert own[0] in text


def test_published_numbers_point_to_protocols_of_the_table():
    assert set(NAMED_PROTOCOLS) <= set(PUBLISHED)
    assert set(NAMED_PROTOCOLS.values()) <= set(PROTOCOLS)
