"""The model card shows the figures of its files, and calls everything else not stated."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml

from segibn.cli import card, evaluate, export
from segibn.errors import CheckpointError, SegibnError
from segibn.evaluation.resampling import bootstrap_intervals
from segibn.evaluation.scores import Scores
from segibn.files.writing import sha256_of, write_json
from segibn.report.card import fill, header
from segibn.report.templates import render_markdown
from segibn.runs.loading import load_checkpoint


@pytest.fixture(scope="module")
def run(make_run):
    return make_run("camvid", "camvid11", ibn="a")


@pytest.fixture(scope="module")
def scores_file(run, datasets, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "camvid.json"
    evaluate.main([str(run), "--datasets", str(datasets), "--output", str(path)])
    return path


def _card(tmp_path, run, *arguments):
    path = tmp_path / "MODEL_CARD.md"
    assert card.main([str(run), "--output", str(path), *map(str, arguments)]) == 0
    return path.read_text(encoding="utf-8")


def _cells(text, first):
    """The cells of the table row that begins with a cell."""
    match = re.search(rf"^\| {re.escape(first)} \| (.*) \|$", text, re.MULTILINE)
    return match[1].split(" | ")


def test_every_figure_is_one_of_the_scores_file(run, scores_file, tmp_path):
    text, scores = (_card(tmp_path, run, "--scores", scores_file), json.loads(scores_file.read_text()))
    frames, miou, interval, accuracy = _cells(text, "camvid-val")
    assert (frames, miou) == (str(scores["num_images"]), f"{100 * scores['miou']:.2f}")
    assert accuracy == f"{100 * scores['pixel_accuracy']:.2f}"
    kept = Scores.from_dict(scores).frame_counts
    low, high = 100 * bootstrap_intervals(kept.counts, scores["conditions"]["policy"]).miou
    assert interval == f"{low:.2f} to {high:.2f}"
    assert f"`{scores['signature']}`" in text
    per_class = text.partition("### IoU of each class")[2]
    for name, iou in scores["iou"].items():
        assert _cells(per_class, name) == ["-" if iou is None else f"{100 * iou:.2f}"]
    poor = [name for name, iou in scores["iou"].items() if iou is not None and iou < 0.1]
    assert f"below 10 % for: {', '.join(poor)}." in text


def test_network_and_training_are_the_checkpoints(run, tmp_path):
    text = _card(tmp_path, run)
    loaded = load_checkpoint(run)
    count = sum(np.prod(p.shape, dtype=int) for p in loaded.module.parameters())
    assert _cells(text, "parameters")[0].startswith(f"{count:,} (")
    assert _cells(text, "backbone") == ["resnet18, IBN-a"]
    assert sha256_of(loaded.checkpoint) in _cells(text, "checkpoint")[0]
    assert _cells(text, "data") == ["CamVid (camvid:train); held out: CamVid (camvid:val)"]
    assert f"{loaded.config.optim.iterations} iterations" in _cells(text, "length")[0]
    for index, name in enumerate(loaded.class_names):
        color = " ".join(str(value) for value in loaded.palette[index])
        assert _cells(text, str(index)) == [name, color]


def test_the_hub_reads_its_header(run, scores_file, tmp_path):
    scores = json.loads(scores_file.read_text())
    text = _card(tmp_path, run, "--scores", scores_file, "--licence", "CC BY-NC 4.0")
    empty, block, body = text.split("---\n", 2)
    found = yaml.safe_load(block)
    assert empty == ""
    assert body.startswith(f"\n# {load_checkpoint(run).config.name}")
    assert (found["license"], found["library_name"]) == ("cc-by-nc-4.0", "segibn")
    assert (found["pipeline_tag"], found["datasets"]) == ("image-segmentation", ["CamVid"])
    assert {"semantic-segmentation", "resnet18"} <= set(found["tags"])
    [result] = found["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == round(100 * scores["miou"], 2)
    assert result["dataset"]["name"] == "camvid-val"
    hub = pytest.importorskip("huggingface_hub", reason="the hub's own reader is not installed")
    data = hub.ModelCard(text).data
    assert (data.license, data.eval_results[0].metric_type) == ("cc-by-nc-4.0", "mean_iou")
    own = header("a: b #1", "My own: terms", ['set: "x" #1'], ["x"], [])
    found = yaml.safe_load(own.strip("-\n"))
    assert found["datasets"] == ['set: "x" #1']
    assert (found["license"], found["license_name"]) == ("other", "my-own-terms")
    assert yaml.safe_load(header("a", "", [], [], []).strip("-\n"))["license"] == "unknown"


def test_what_nobody_states_is_not_stated(run, tmp_path, capsys):
    text = _card(tmp_path, run, "--licence", "CC BY-NC 4.0")
    assert "CC BY-NC 4.0" in text.partition("## Licence")[2].partition("## Citation")[0]
    for heading in ("## Scores", "## Intended use", "### IoU of each class"):
        assert text.partition(heading)[2].lstrip().startswith("not stated")
    for row in ("computed on", "software", "command", "date"):  # this run has no environment.json
        assert _cells(text, row) == ["not stated"]
    printed = capsys.readouterr().out
    assert "0 scores; not stated: description" in printed
    last = printed.splitlines()[-1]
    assert last.startswith("then: ")  # nobody knows where its data sets are
    assert f"segibn evaluate {run} --output scores.json" in last


def test_the_run_folder_adds_its_environment_and_scores(run, scores_file, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(run, own)
    (own / "scores").mkdir()
    shutil.copy(scores_file, own / "scores" / "camvid_val.json")
    started = {"started": "2026-01-02T03:04:05+00:00", "device": "cpu", "processes": 2}
    write_json(own / "environment.json", started | {"precision": "float32", "gpus": []})
    text = _card(tmp_path, own)
    assert _cells(text, "computed on") == ["cpu, 2 processes, float32"]
    assert _cells(text, "date") == ["2026-01-02T03:04:05+00:00"]
    assert _cells(text, "camvid-val")[0] == "3"
    exported = tmp_path / "half.safetensors"
    assert export.main([str(own), "--output", str(exported), "--half"]) == 0
    text = _card(tmp_path, exported, "--trained-by", own)
    assert sha256_of(exported) in _cells(text, "checkpoint")[0]
    assert _cells(text, "computed on") == ["cpu, 2 processes, float32"]


def test_rows_of_a_cross_domain_table_are_those_of_the_checkpoint(run, tmp_path):
    digest = sha256_of(run / "checkpoints" / "last.pt")
    row = {"test": "cityscapes:val", "num_images": 9, "miou": 0.25, "pixel_accuracy": 0.5}
    row |= {"signature": "miou|x", "iou": {"road": 0.75, "sky": None}}
    row |= {"train": "camvid:train", "ibn": "a", "seed": 0}
    rows = [row | {"checkpoint_sha256": digest}, row | {"miou": 0.9, "checkpoint_sha256": "0" * 64}]
    write_json(tmp_path / "cross_domain.json", rows)
    text = _card(tmp_path, run, "--scores", tmp_path / "cross_domain.json")
    assert _cells(text, "cityscapes:val") == ["9", "25.00", "50.00"]
    assert "90.00" not in text
    write_json(tmp_path / "other.json", rows[1:])
    with pytest.raises(SegibnError, match=r"other\.json has no row of this checkpoint"):
        _card(tmp_path, run, "--scores", tmp_path / "other.json")


def test_scores_of_another_checkpoint_are_refused(run, scores_file, tmp_path):
    other = json.loads(scores_file.read_text()) | {"checkpoint_sha256": "ab" * 32}
    write_json(tmp_path / "other.json", other)
    with pytest.raises(SegibnError, match=r"another checkpoint \(abababababab"):
        _card(tmp_path, run, "--scores", tmp_path / "other.json")
    with pytest.raises(CheckpointError, match="no run or checkpoint"):
        _card(tmp_path, tmp_path / "gone")


def test_the_form_in_the_docs_is_the_shipped_template(repository):
    text = (repository / "docs" / "model_card_template.md").read_text(encoding="utf-8")
    form = render_markdown("model_card.md", state=lambda _name, what: f"[{what}]")
    assert text == form
    assert "{{" not in text


def test_every_place_of_the_template_can_be_filled():
    empty, names = fill({})
    assert empty.count("not stated") == len(names)
    fields = {name: f"({name})" for name in names}
    text, unstated = fill(fields)
    assert unstated == []
    assert all(value in text for value in fields.values())
    assert "not stated" not in text
