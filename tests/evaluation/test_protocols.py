"""The table of protocols and what counts as a deviation from them."""

import re
from typing import Any

import pytest

from segibn.evaluation.deviations import evaluation_deviations, run_deviations, sign
from segibn.evaluation.protocol import SURE, describe_protocol
from segibn.evaluation.protocols import PROTOCOLS, describe_protocols
from segibn.evaluation.published import NAMED_PROTOCOLS
from segibn.evaluation.published import PROTOCOLS as PUBLISHED

ROBUSTNET = PROTOCOLS["robustnet"]
CITYSCAPES = ROBUSTNET.tests[0]

CONFIG = {
    "model": {"backbone": {"name": "resnet50", "output_stride": 16}, "head": {"name": "deeplabv3plus"}},
    "optim": {"name": "sgd", "lr": 0.01, "weight_decay": 5e-4, "iterations": 40000, "global_batch_size": 16},
    "data": {"crop_size": [768, 768], "scale_range": (0.5, 2.0), "sampling": {"name": "class_uniform"}},
}
EVALUATION: dict[str, Any] = {
    "test": "cityscapes:val",
    "frames": 500,
    "input-size": None,
    "window": None,
    "stride": None,
    "scales": (1.0,),
    "flip": False,
    "precision": "float32",
}


def test_robustnets_protocol_is_what_its_scripts_do():
    assert ROBUSTNET.window is None
    mapillary = next(test for test in ROBUSTNET.tests if test.label == "mapillary")
    assert (mapillary.framing.height, mapillary.framing.crop) == (1536, (1536, 1536))
    iterations = {s.path: s.accepted for s in ROBUSTNET.settings}["optim.iterations"]
    assert iterations == (40_000,)


def test_rein_and_soma_differ_in_the_size_of_the_frames_and_slide_over_them():
    rein, soma = (PROTOCOLS[name] for name in ("rein", "soma"))
    for given, height in ((rein, 512), (soma, 1024)):
        sets = {test.label: test for test in given.tests}
        assert sets["cityscapes"].input_size == (height, 2 * height)  # "1024x512" is (W, H)
        assert sets["bdd100k"].input_size == (720, 1280)
        assert (sets["mapillary"].input_height, sets["mapillary"].framing.scale) == (height, 0.5)
        assert (given.window, given.stride, given.train) == ((512, 512), (341, 341), ("gta5:all",))
    assert rein.settings[0].accepted == soma.settings[0].accepted == ((512, 512),)
    assert "chosen on the target" in soma.checkpoint
    assert "chosen" not in rein.checkpoint


def test_sizes_by_height_and_strides_deviate_too():
    rein = PROTOCOLS["rein"]
    mapillary = next(test for test in rein.tests if test.label == "mapillary")
    done = EVALUATION | {"test": "mapillary/rein:validation", "frames": 2000}
    done |= {"input-size": "height 512", "window": (512, 512), "stride": (341, 341)}
    assert evaluation_deviations(rein, mapillary, "mapillary", done) == {}
    other = done | {"input-size": "height 1024", "stride": (512, 512)}
    found = evaluation_deviations(rein, mapillary, "mapillary", other)
    assert list(found) == ["input-size", "stride"]
    assert found["input-size"] == "mapillary: input size height 1024, not height 512"


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
    assert list(run_deviations(ROBUSTNET, "gta5/robustnet:train-clean", without, "last")) == ["data.sampling.name"]


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
    assert signed.split("|")[2:] == ["protocol:robustnet", "deviates:data.train", "checkpoint:chosen-on-target"]


def test_every_fact_of_every_protocol_is_printed_with_how_sure_it_is():
    text = describe_protocols()
    for name, protocol in PROTOCOLS.items():
        own = describe_protocol(name, protocol).splitlines()
        facts = [line for line in own if line.startswith(("  test", "  config", "  inf", "  check"))]
        assert len(facts) == len(protocol.tests) + len(protocol.settings) + 2
        for line in facts:  # a word, or a file of the authors' code and its commit
            word = line.rpartition("[")[2].rstrip("]")
            seen = re.fullmatch(r"[\w./-]+\.(py|sh|txt)@[0-9a-f]{7}", word)
            assert word in SURE or (seen and protocol.repository), line
        assert own[0] in text


def test_few_facts_are_recalled():
    recalled = [n for n, given in PROTOCOLS.items() if "[recalled]" in describe_protocol(n, given)]
    assert recalled == ["ibn_net_2018"]


def test_published_numbers_point_to_protocols_of_the_table():
    assert set(NAMED_PROTOCOLS) <= set(PUBLISHED)
    assert set(NAMED_PROTOCOLS.values()) <= set(PROTOCOLS)
