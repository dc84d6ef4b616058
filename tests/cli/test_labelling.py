"""Words and colours of predictions, confidences, ranking and watching, by the verbs."""

from pathlib import Path

import numpy as np
import pytest

import segibn
from segibn.cli.main import main
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image
from segibn.files.pictures import read_image, read_label_map
from segibn.files.writing import read_json
from segibn.labels.palettes import distinct_palette
from segibn.runs.rank import Ranked, choose, k_centre, measure


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Four frames of a road under a sky, with more and more noise."""
    random = np.random.default_rng(0)
    for n in range(4):
        image = np.full((128, 256, 3), (150, 190, 230), np.uint8)
        image[64:] = 90
        noise = random.integers(0, 1 + 60 * n, image.shape)
        write_image(tmp_path / f"frames/f{n}.png", (image.astype(int) + noise).clip(0, 255).astype(np.uint8))
    return tmp_path / "frames"


def test_predictions_have_words_distinct_colours_and_confidences(frames: Path, tmp_path: Path) -> None:
    words = ["predict", str(frames), "--save", "labels,overlay,confidence"]
    assert main([*words, "--output", str(tmp_path / "plain")]) == 0
    more = ["--marks", "legend,names", "--palette", "distinct"]
    assert main([*words, *more, "--output", str(tmp_path / "marked")]) == 0
    model = segibn.load("street-lite", "cpu")
    found = model.predict(frames / "f0.png", confidence=True)
    for folder in ("plain", "marked"):
        assert np.array_equal(read_label_map(tmp_path / folder / "labels/f0.png"), found.train_ids)
        sure = read_label_map(tmp_path / folder / "confidence/f0.png").astype(int)
        assert np.abs(sure - 255 * found.confidence).max() <= 0.51
    plain, marked = (read_image(tmp_path / folder / "overlays/f0.jpg") for folder in ("plain", "marked"))
    expected = found.overlay(0.4)
    assert np.abs(plain.astype(int) - expected).mean() < 3  # JPEG
    assert np.abs(marked.astype(int) - plain).mean() > 3
    assert read_json(tmp_path / "marked/summary.json")["class_names"] == list(model.class_names)
    legend = read_image(tmp_path / "marked/legend.png")
    road = distinct_palette(model.class_names)[0]
    assert (legend == road).all(2).any()


def test_labels_to_train_on_are_those_that_the_network_is_sure_of(frames: Path, tmp_path: Path) -> None:
    words = ["predict", str(frames), "--save", "labels,overlay", "--marks", "legend,names", "--output"]
    assert main([*words, str(tmp_path / "sure"), "--min-confidence", "0.7"]) == 0
    model, shares = segibn.load("street-lite", "cpu"), np.zeros(19)
    for path in sorted(frames.iterdir()):
        found = model.predict(path, confidence=True)
        expected = np.where(found.confidence < 0.7, 255, found.train_ids)
        assert np.array_equal(read_label_map(tmp_path / f"sure/labels/{path.name}"), expected)
        shares += np.bincount(expected.ravel(), minlength=256)[:19]
        assert 0 < (expected == 255).mean() < 1
    said = read_json(tmp_path / "sure/summary.json")["class_shares"]
    assert [said[name] for name in model.class_names] == pytest.approx(shares / shares.sum())
    with pytest.raises(ConfigError, match="another"):  # another threshold makes other files
        main([*words, str(tmp_path / "sure"), "--min-confidence", "0.8", "--resume"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--min-confidence", "80"], "--min-confidence 80.0: write a number between 0 and 1"),
        (["--save", "labels", "--marks", "legend"], "--marks has no effect: nothing is laid over"),
        (["--marks", "arrows"], None),
    ],
)
def test_marks_that_say_nothing_are_refused(
    frames: Path, tmp_path: Path, words: list[str], message: str | None
) -> None:
    command = ["predict", str(frames), "--output", str(tmp_path / "o"), *words]
    with pytest.raises(ConfigError if message else SystemExit, match=message):
        main(command)


def test_rank_prefers_what_the_network_is_least_sure_of(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["rank", str(frames), "--count", "2", "--by", "entropy", "--output", str(tmp_path / "r")]
    assert main(words) == 0
    names = (tmp_path / "r/rank.txt").read_text().split()
    run = segibn.load("street-lite", "cpu")
    entropy = {path.name: measure(run.predictor, read_image(path))[1] for path in frames.iterdir()}
    assert names == sorted(entropy, key=lambda name: -entropy[name])[:2]
    assert [row["name"] for row in read_json(tmp_path / "r/rank.json")["frames"]] == names
    assert (tmp_path / "r/rank.html").stat().st_size > 5000
    broken = frames / "a.jpg"
    broken.write_bytes(b"no picture")
    assert main([*words[:-1], str(tmp_path / "r2"), "--labelled", str(tmp_path / "r/rank.txt")]) == 1
    assert "left out: " in (tmp_path / "r2/rank.html").read_text()
    assert f"left out: {broken}" in capsys.readouterr().err
    assert not set(names) & set((tmp_path / "r2/rank.txt").read_text().split())
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="no frames to rank"):
        main(["rank", str(tmp_path / "none"), "--output", str(tmp_path / "r3")])


def test_entropy_and_margin_are_those_of_the_softmax(frames: Path) -> None:
    run, image = segibn.load("street-lite", "cpu"), read_image(frames / "f2.png")
    ids, entropy, margin, feature = measure(run.predictor, image)
    logits = np.asarray(next(run.predictor.logits([image])))[0].astype(np.float64)
    p = np.exp(logits - logits.max(0)) / np.exp(logits - logits.max(0)).sum(0)
    best = np.sort(p, axis=0)[-2:]
    assert entropy == pytest.approx(-(p * np.log(p)).sum(0).mean() / np.log(len(p)), rel=1e-4)
    assert margin == pytest.approx((best[1] - best[0]).mean(), rel=1e-4)
    assert np.array_equal(ids, p.argmax(0))
    assert np.linalg.norm(feature) == pytest.approx(1, rel=1e-5)


def test_k_centre_takes_the_farthest_each_time() -> None:
    points = np.array([[0, 0], [1, 0], [10, 0], [0, 9], [10, 9.5]], float)
    assert k_centre(points, 4) == [0, 4, 2, 3]
    frames = [
        Ranked(str(n), entropy, 0.5, point, b"")
        for n, (entropy, point) in enumerate(zip([1, 5, 4, 3, 2], points, strict=True))
    ]
    assert choose(frames, 2, "entropy") == [1, 2]
    assert choose(frames, 2, "diverse")[0] == 1  # the least sure begins
    assert choose(frames, 1, "both") == [1]


def test_watch_writes_what_predict_would(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["watch", str(frames), "--frames", "2", "--save", "labels", "--output", str(tmp_path / "w")]
    assert main(words) == 0
    assert "2 frames" in capsys.readouterr().out
    expected = segibn.load("street-lite", "cpu").predict(frames / "f0.png").train_ids
    assert np.array_equal(read_label_map(tmp_path / "w/labels/f0.png"), expected)
    with pytest.raises(ConfigError, match="say where predictions go"):
        main(["watch", str(frames)])
    with pytest.raises(ConfigError, match="--host has no effect without --port"):
        main(["watch", str(frames), "--show", "--host", "0.0.0.0"])
