"""The networks that ship: files, cards, and what they see on a synthetic frame."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import segibn
from painted_scenes.render import render_frame
from segibn.cli import models, predict
from segibn.config.shipped import DEFAULT_MODEL, shipped_networks
from segibn.files.encode import write_image
from segibn.files.writing import read_json, sha256_of

NETWORKS = {"street-lite": 19, "drivable-lite": 3}
GOLDEN = Path(__file__).parent / "golden" / "shipped.json"


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """(256, 512, 3) uint8 in the camera style."""
    return render_frame(5, "camera", "val", 0, (256, 512)).image


def _card(name: str) -> tuple[dict, str]:
    path = shipped_networks()[name].with_suffix(".md")
    _, header, text = path.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(header), text


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_says_of_its_file_what_the_results_say(name, repository):
    path = shipped_networks()[name]
    digest, (header, text) = sha256_of(path), _card(name)
    assert path.stat().st_size < 10_000_000
    assert digest in text
    assert "non-commercial" in header["license_name"]
    for field in ("command", "data", "checkpoint", "starts from"):
        assert f"| {field} | not stated" not in text
    files = (repository / "results" / name.replace("-", "_")).glob("*.json")
    found = {}
    for content in map(read_json, sorted(files)):
        for row in content if isinstance(content, list) else [content]:
            if row.get("checkpoint_sha256") == digest:
                label = row.get("test") or row["signature"].split("|")[1].removeprefix("set:")
                found[label] = round(100 * row["miou"], 2)
    (model,) = header["model-index"]
    shown = {
        result["dataset"]["name"]: metric["value"]
        for result in model["results"]
        for metric in result["metrics"]
        if metric["type"] == "mean_iou"
    }
    assert shown == found


@pytest.mark.parametrize("name", NETWORKS)
def test_a_frame_is_seen_as_when_the_network_was_shipped(name, frame):
    network = segibn.load(name, device="cpu")
    assert len(network.class_names) == NETWORKS[name]
    shares = network.predict(frame).shares()
    expected = json.loads(GOLDEN.read_text())[name]
    assert set(shares) <= set(network.class_names)
    for class_name in network.class_names:
        share, before = shares.get(class_name, 0), expected.get(class_name, 0)
        assert share == pytest.approx(before, abs=0.01), class_name


def test_predict_takes_the_default_network_where_none_is_named(frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "mine" / "street.png", frame)
    assert predict.main(["mine", "--output", "out", "--device", "cpu"]) == 0
    (written,) = (tmp_path / "out" / "labels").rglob("*.png")
    expected = segibn.load(DEFAULT_MODEL, device="cpu").predict(frame).train_ids
    np.testing.assert_array_equal(_label_map(written), expected)
    arguments = ["mine", "--model", "drivable-lite", "--output", "drivable"]
    assert predict.main([*arguments, "--device", "cpu"]) == 0
    (written,) = (tmp_path / "drivable" / "labels").rglob("*.png")
    assert _label_map(written).max() <= 2


def _label_map(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_models_lists_networks_that_ship_and_runs_with_their_scores(tmp_path, monkeypatch, capsys, save_untrained):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGIBN_RUNS", raising=False)
    assert models.main([]) == 0
    shown = capsys.readouterr().out
    for name, count in NETWORKS.items():
        (line,) = (line for line in shown.splitlines() if line.split()[:1] == [name])
        header, _ = _card(name)
        score = header["model-index"][0]["results"][0]["metrics"][0]["value"]
        assert f"{count} classes" in line
        assert f"{score:.1f}" in line
        assert header["license_name"] in line
    assert "trained here: none" in shown
    tree = {"name": "mine", "data": {"train": {"name": "camvid"}, "crop_size": [32, 32]}}
    save_untrained(tmp_path / "runs" / "mine", tree, "camvid11", iteration=1)
    scores = {"miou": 0.4321, "class_names": ["a", "b"]}
    (tmp_path / "runs/mine/scores").mkdir()
    (tmp_path / "runs/mine/scores/camvid.json").write_text(json.dumps(scores))
    assert models.main(["--published"]) == 0
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if line.split()[:1] == ["mine"])
    assert "2 classes" in line
    assert "camvid 43.21" in line
    assert "resnet50, IBN-a (ibn_net)" in shown
