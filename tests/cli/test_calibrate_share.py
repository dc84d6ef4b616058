"""A share of each frame's statistics: chosen on the source, used and named by every verb."""

import shutil

import numpy as np
import pytest
import torch

import segibn
from segibn.cli import calibrate, card, cross_domain, evaluate, export, report
from segibn.errors import CheckpointError, ConfigError
from segibn.files.writing import read_json, write_json
from segibn.inference.options import InferenceOptions, InstanceShare
from segibn.inference.predictor import Predictor
from segibn.models.surgery import with_image_share
from segibn.runs.calibrate_share import FINEST, SHARES, choose


@pytest.fixture
def run(make_run, tmp_path):
    """A run of its own, since its folder is written to."""
    return shutil.copytree(make_run("camvid", "camvid11", "a"), tmp_path / "run")


def _argv(run, datasets, *more):
    return [str(run), "--datasets", str(datasets), "--device", "cpu", *more]


def _row(share, finest, as_they_are, other_lights):
    values = None if share is None else {"share": share, "finest": finest}
    return {"instance_share": values, "as_they_are": as_they_are, "other_lights": other_lights}


def test_the_best_in_other_lights_is_taken_that_costs_no_more_than_the_tolerance():
    rows = [
        _row(None, None, 0.50, 0.30),
        _row(0.1, 8, 0.495, 0.36),
        _row(0.2, 8, 0.485, 0.45),  # too dear on the frames as they are
        _row(0.1, 4, 0.60, 0.35),
    ]
    assert choose(rows, 0.01) == InstanceShare(0.1, 8)
    assert choose(rows, 0.02) == InstanceShare(0.2, 8)
    assert choose([rows[0], _row(0.1, 8, 0.5, 0.2)], 0.01) is None


def test_it_is_kept_in_the_run_with_what_was_seen_and_then_used(run, datasets, tmp_path, capsys):
    with pytest.raises(CheckpointError, match=r"segibn calibrate .* --share"):
        evaluate.main(_argv(run, datasets, "--instance-share", "calibrated"))
    more = ("--frames", "2", "--tolerance", "100", "--place", "last")
    calibrate.main(_argv(run, datasets, "--share", *more))
    kept = read_json(run / "instance_share.json")
    assert len(kept["rows"]) == 1 + len(SHARES) * len(FINEST)
    assert len(kept["frames"]) == 2
    assert {row["instance_share"]["place"] for row in kept["rows"][1:]} == {"last"}
    assert "chosen: " in capsys.readouterr().out
    kept["instance_share"] = {"share": 0.25, "finest": 4, "place": "last"}
    write_json(run / "instance_share.json", kept)
    evaluate.main(_argv(run, datasets, "--instance-share", "calibrated", "--output", f"{tmp_path}/s.json"))
    scores = read_json(tmp_path / "s.json")
    assert "-share0.25@4:last|" in scores["signature"]
    assert scores["inference"]["instance_share"] == kept["instance_share"]
    page = tmp_path / "report.html"
    of = _argv(run, datasets, "--output", str(page))
    report.main([of[0], f"{tmp_path}/s.json", *of[1:]])
    text = page.read_text(encoding="utf-8")
    assert "0.25@4:last" in text
    assert "no frames" not in text
    kept["checkpoint_sha256"] = "0" * 64
    write_json(run / "instance_share.json", kept)
    with pytest.raises(CheckpointError, match="other weights"):
        evaluate.main(_argv(run, datasets, "--instance-share", "calibrated"))


def test_a_target_domain_is_refused(run, datasets, tmp_path):
    (tmp_path / "night.txt").write_text("0001TP_001000\n")
    for target in ("cityscapes:val", f"camvid:val@{tmp_path}/night.txt"):
        with pytest.raises(ConfigError, match="no target frame may be read"):
            calibrate.main(_argv(run, datasets, "--share", "--on", target))


def test_predictions_are_those_of_the_changed_network(run):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    share = InstanceShare.parse("0.5@16:last")
    model = segibn.load(run, "cpu")
    changed = with_image_share(model.module, 0.5, 16, "last")
    expected = Predictor(changed, "cpu")(image)
    found = segibn.load(run, "cpu", InferenceOptions(instance_share=share)).predict(image)
    assert np.array_equal(found.train_ids, expected)
    assert not np.array_equal(expected, model.predict(image).train_ids)


def test_every_verb_that_scores_takes_it(run, datasets, tmp_path):
    argv = [str(run), "--on", "camvid:val", "--instance-share", "0.2", "--output", str(tmp_path)]
    cross_domain.main([*argv, "--datasets", str(datasets), "--device", "cpu"])
    (row,) = read_json(tmp_path / "cross_domain.json")
    assert "-share0.2@8|" in row["signature"]


def test_an_exported_graph_holds_it_without_a_node_for_instance_norm(run, tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    export.main([str(run), "--output", str(path), "--instance-share", "0.3@32"])
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"InstanceNormalization", "GroupNormalization", "BatchNormalization"}
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    frame = torch.from_numpy(image).permute(2, 0, 1)[None]
    network = segibn.load(run, "cpu").module
    changed = with_image_share(network, 0.3, 32)
    with torch.inference_mode():
        expected = changed(changed.normalize(frame)).logits
    found = segibn.load(path).networks[0].coarse_logits(frame.float())
    torch.testing.assert_close(
        torch.nn.functional.interpolate(found, expected.shape[-2:], mode="bilinear"), expected, rtol=1e-3, atol=1e-4
    )
    with pytest.raises(ConfigError, match="An exported graph is given it by segibn export"):
        segibn.load(path, options=InferenceOptions(instance_share=InstanceShare(0.1)))


@pytest.mark.parametrize("text", ["0", "1.5", "0.1@3", "x", "0.1@", "0.1@8:", "0.1@8:middle", "0.1:last"])
def test_what_is_no_share_is_refused(run, datasets, text, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(_argv(run, datasets, "--instance-share", text))
    assert "such as 0.1@8" in capsys.readouterr().err


def test_the_card_says_what_was_chosen(run, datasets, tmp_path):
    calibrate.main(_argv(run, datasets, "--share", "--frames", "1", "--tolerance", "100"))
    kept = read_json(run / "instance_share.json")
    kept["instance_share"] = {"share": 0.25, "finest": 4}
    write_json(run / "instance_share.json", kept)
    card.main([str(run), "--output", str(tmp_path / "card.md")])
    text = (tmp_path / "card.md").read_text()
    assert "all norms at strides up to 4: 25 % of mean and variance from the frame" in text
