import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segibn.cli.compare import main
from segibn.errors import SegibnError
from segibn.evaluation.score_folders import score_drivable, score_semseg
from segibn.files.encode import write_label_png
from segibn.files.pictures import read_image
from segibn.files.writing import write_json


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Scores of three sets of predictions, of which 'good' errs least."""
    folder = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    for number in range(12):
        target = np.kron(rng.integers(0, 5, (4, 6)), np.ones((8, 8))).astype(np.uint8)
        write_label_png(folder / "gt" / f"f{number}.png", target)
        for name, share in (("poor", 0.4), ("good", 0.2), ("alike", 0.4)):
            wrong = rng.uniform(size=target.shape) < share
            pred = np.where(wrong, rng.integers(0, 5, target.shape), target).astype(np.uint8)
            write_label_png(folder / name / f"f{number}.png", pred)
    found = {}
    for name in ("poor", "good", "alike"):
        scores = score_semseg(folder / "gt", folder / name)
        found[name] = folder / f"{name}.json"
        write_json(found[name], scores.to_dict())
    return found


def test_text_json_and_picture_tell_the_same(files: dict[str, Path], tmp_path: Path, capsys):
    output, plot = tmp_path / "out.json", tmp_path / "out.png"
    paths = [str(files[name]) for name in ("poor", "good", "alike")]
    assert main([*paths, "--output", str(output), "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    first, second = json.loads(output.read_text())["comparisons"]
    assert (first["a"], first["b"], second["b"]) == ("poor", "good", "alike")
    assert first["verdict"].startswith("good is better than poor")
    assert second["verdict"].startswith("no difference is shown between alike and poor")
    assert first["verdict"] in printed
    assert second["verdict"] in printed
    scores = {name: json.loads(path.read_text()) for name, path in files.items()}
    for name, row in first["classes"].items():
        assert row["a"] == scores["poor"]["iou"][name]
        assert row["b"] == scores["good"]["iou"][name]
    assert first["miou"]["a"] == pytest.approx(scores["poor"]["miou"])
    picture = read_image(plot)
    assert picture.shape[1] == 960
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def test_drivable_scores_can_be_compared_too(tmp_path: Path, capsys):
    rng = np.random.default_rng(0)
    for number in range(3):
        target = rng.choice(3, (12, 16), p=[0.8, 0.12, 0.08]).astype(np.uint8)
        write_label_png(tmp_path / "gt" / f"f{number}.png", target)
        write_label_png(tmp_path / "pred" / f"f{number}.png", np.roll(target, 1, axis=0))
    for name in ("pred", "gt"):
        scores = score_drivable(tmp_path / "gt", tmp_path / name)
        write_json(tmp_path / f"{name}.json", scores.to_dict())
    assert main([str(tmp_path / "pred.json"), str(tmp_path / "gt.json")]) == 0
    assert "100.00" in next(line for line in capsys.readouterr().out.splitlines() if "mIoU" in line)


def test_equal_seeds_give_equal_files(files: dict[str, Path], tmp_path: Path, capsys):
    texts = []
    for seed in ("1", "1", "2"):
        main([str(files["poor"]), str(files["good"]), "--seed", seed, "--resamples", "200"])
        texts.append(capsys.readouterr().out.replace(f"seed {seed}", ""))
    assert texts[0] == texts[1] != texts[2]


def test_a_table_of_several_runs_is_no_scores_file(files: dict[str, Path], tmp_path: Path):
    write_json(tmp_path / "rows.json", [{"miou": 0.5}])
    with pytest.raises(SegibnError, match=r"rows\.json is no scores file of one run"):
        main([str(files["poor"]), str(tmp_path / "rows.json")])


def test_it_needs_no_torch_and_prints_errors_plainly(files: dict[str, Path], repository: Path):
    program = (
        "import sys\nfrom segibn.cli.compare import main\n"
        f"main([{str(files['poor'])!r}, {str(files['good'])!r}])\n"
        "sys.exit(', '.join({'torch', 'matplotlib'} & set(sys.modules)) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, capture_output=True)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "segibn", "compare", str(files["poor"]), "no.json"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no.json: no such file")
