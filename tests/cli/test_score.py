import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segibn.cli.score import main
from segibn.errors import ConfigError
from segibn.evaluation.drivable import BATCHES
from segibn.files.encode import write_label_png

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        target = rng.choice(3, (12, 16), p=[0.8, 0.12, 0.08]).astype(np.uint8)
        write_label_png(tmp_path / "gt" / f"{name}.png", target)
        write_label_png(tmp_path / "pred" / f"{name}_pred.png", np.roll(target, 1, axis=0))
    return str(tmp_path / "gt"), str(tmp_path / "pred")


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "score.py"), *arguments], capture_output=True, text=True, check=False
    )


def test_json_holds_the_score_at_full_precision(folders: tuple[str, str], capsys):
    target, pred = folders
    assert main(["semseg", "--target", target, "--pred", pred, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["miou"] == np.mean([plain["iou"][name] for name in plain["averaged_classes"]])
    assert plain["frames"] == ["a", "b"]


def test_a_config_gives_the_table_of_a_network_with_classes_of_its_own(tmp_path: Path, capsys):
    rows = [("void", 0, 255), ("floor", 9, 0), ("crate", 200, 1)]
    labels = [dict(zip(("name", "label_id", "train_id"), row, strict=True)) for row in rows]
    files = {"images": "i", "targets": "l", "target_suffix": "_L.png", "labels": labels}
    data = {"train": {"name": "folder", "split": "train", "folder": files}}
    (tmp_path / "own.yaml").write_text(json.dumps({"data": data}))
    write_label_png(tmp_path / "gt/a_L.png", np.array([[0, 9, 9, 200, 200, 200]], np.uint8))
    write_label_png(tmp_path / "pred/a.png", np.array([[1, 0, 1, 1, 1, 1]], np.uint8))
    words = ["semseg", "--target", str(tmp_path / "gt"), "--pred", str(tmp_path / "pred")]
    assert main([*words, "--labels", str(tmp_path / "own.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["iou"] == {"floor": 0.5, "crate": 0.75}
    with pytest.raises(ConfigError, match=r"no label table 'city'.*a config"):
        main([*words, "--labels", "city"])


def test_table_ends_with_the_signature(folders: tuple[str, str], capsys):
    target, pred = folders
    main(["semseg", "--target", target, "--pred", pred, "--set-name", "toy"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("miou|set:toy|n:2|K:19|")


def test_the_official_cityscapes_file_and_its_four_averages(tmp_path: Path, capsys):
    for name in ("a_000000_000019", "a_000001_000019"):
        target = np.tile(np.array([7, 26], np.uint8), (4, 3))
        write_label_png(tmp_path / f"gt/{name}_gtFine_labelIds.png", target)
        write_label_png(tmp_path / f"gt/{name}_gtFine_instanceIds.png", target)
        write_label_png(tmp_path / f"pred/{name}.png", np.where(target == 7, 7, 28).astype("u1"))
    output = tmp_path / "official.json"
    folders = ["--target", str(tmp_path / "gt"), "--pred", str(tmp_path / "pred")]
    assert main(["cityscapes", *folders, "--output", str(output), "--set-name", "toy"]) == 0
    official = json.loads(output.read_text())
    assert official["averageScoreClasses"] == 1 / 3  # road 1, car 0, bus 0
    assert official["averageScoreCategories"] == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith("cityscapes-miou|set:toy|n:2|K:19|")
    means = [line.split()[2:] for line in printed if line.startswith("mean of")]
    # No object is in these frames: the false positives of a bus are all that iIoU sees.
    assert means == [["classes", "33.33", "0.00"], ["categories", "100.00", "-"]]


def test_the_bdd100k_toolkits_four_numbers(tmp_path: Path, capsys):
    for name, target in {"a": [[0, 0, 1, 2]], "b": [[0, 0, 0, 0]]}.items():
        write_label_png(tmp_path / f"gt/{name}.png", np.array(target, np.uint8))
    write_label_png(tmp_path / "pred/a.png", np.array([[0, 0, 1, 0]], np.uint8))
    folders = ["--target", str(tmp_path / "gt"), "--pred", str(tmp_path / "pred")]
    assert main(["bdd100k", *folders]) == 0  # b has no prediction: all void
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    # IoU: road 2/7, sidewalk 1, building 0; precision 2/3, 1, 0; void targets: none
    expected = [["mIoU", "42.86"], ["mAcc", "55.56"], ["fIoU", "33.93"], ["pAcc", "37.50"]]
    assert printed[-6:-2] == expected


def test_drivable_prints_one_line_per_definition(folders: tuple[str, str], capsys):
    target, pred = folders
    main(["drivable", "--target", target, "--pred", pred])
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out[:6]] == ["A", "B", "C", "D", *BATCHES]


def test_a_doubtful_prediction_encoding_is_a_warning(folders: tuple[str, str], capsys):
    target, pred = folders
    main(["drivable", "--target", target, "--pred", pred, "--pred-encoding", "2021", "--json"])
    captured = capsys.readouterr()
    assert "warning" in captured.err
    assert json.loads(captured.out)["pred_encoding"] == "2021"


def test_the_tool_prints_an_error_without_traceback(folders: tuple[str, str]):
    target, _ = folders
    done = run_tool("semseg", "--target", target, "--pred", "/nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "/nowhere" in done.stderr


def test_scoring_loads_no_torch(folders: tuple[str, str]):
    target, pred = folders
    program = (
        "import pkgutil, sys, importlib, segibn.evaluation as room\n"
        "for module in pkgutil.iter_modules(room.__path__):\n"
        "    importlib.import_module('segibn.evaluation.' + module.name)\n"
        "from segibn.cli.score import main\n"
        f"main(['semseg', '--target', {target!r}, '--pred', {pred!r}])\n"
        f"main(['drivable', '--target', {target!r}, '--pred', {pred!r}])\n"
        "heavy = {'torch', 'torchvision', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_more_measurements_of_files(folders: tuple[str, str], capsys):
    target, pred = folders
    options = ["--boundary", "--intervals", "--rates"]
    assert main(["semseg", "--target", target, "--pred", pred, *options]) == 0
    out = capsys.readouterr().out
    for text in ("boundary IoU %", "95 % intervals over frames", "precision", "miou|set:gt"):
        assert text in out
    main(["semseg", "--target", target, "--pred", pred, *options, "--json"])
    plain = json.loads(capsys.readouterr().out)
    low, high = plain["details"]["intervals"]["miou"]
    assert low <= plain["miou"] <= high
    assert list(plain["frame_counts"]["frames"]) == ["a", "b"]
    assert plain["details"]["boundary"]["boundary_iou"]["road"] < plain["iou"]["road"]
