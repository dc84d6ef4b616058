"""The fine-tuning experiment as one command, on a target with other class names."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml

from segibn.builders.checkpoints import read_checkpoint
from segibn.cli.fine_tune import build_parser, main
from segibn.config.load import load_config
from segibn.engine.train import train
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.files.pictures import image_size
from segibn.files.writing import read_json

STILL = ("optim.iterations=1", "optim.lr=1e-12")  # one update that moves no weight


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source") / "run"


@pytest.fixture
def trained(source_folder: Path, blocks: Path, light_config: Path) -> Path:
    """Return the run folder of a training on ``blocks``, the same for all tests."""
    if not source_folder.exists():
        train(load_config(light_config, ["seed=4"]), datasets_root=blocks, output=source_folder)
    return source_folder


@pytest.fixture
def target(light_config: Path) -> Path:
    """Return a config of the same network for other classes, without an auxiliary head."""
    tree = yaml.safe_load(light_config.read_text())
    for part in ("train", "val"):
        tree["data"][part]["folder"]["labels"][0]["name"] = "renamed"
    tree["model"].pop("aux_head")
    path = light_config.with_name("target.yaml")
    path.write_text(yaml.safe_dump(tree))
    return path


def argv(target: Path, sources: list[Path], blocks: Path, output: Path, *more: str) -> list[str]:
    given = [str(target), "--from", *map(str, sources), "--datasets", str(blocks)]
    return [*given, "--output", str(output), "--shares", "1", "0.3", *more]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints/last.pt")["model"]


def test_each_share_is_trained_with_and_without_the_source(
    trained: Path, target: Path, blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, output = tmp_path / "results", tmp_path / "runs"
    command = argv(target, [trained], blocks, output, "--results", str(results), "--set", *STILL)
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "6 iterations: weights from" in printed
    classifier = "head.classifier (weight, bias)"
    assert f"loaded; fresh: {classifier}; not used: {classifier}, aux_head (8)\n" in printed

    rows = read_json(results / "fine_tune.json")
    assert [(r["share"], r["train_images"], r["fine_tuned"], r["start"]) for r in rows] == [
        (0.3, 2, False, "scratch"),
        (1.0, 7, False, "scratch"),
        (0.3, 2, True, "folder:train"),
        (1.0, 7, True, "folder:train"),
    ]
    for row in rows:
        counts = row["confusion"]
        iou = [counts[k][k] / (sum(counts[k]) + counts[1 - k][k]) for k in (0, 1)]
        assert row["miou"] == pytest.approx(sum(iou) / 2)
        assert list(row["iou"]) == ["renamed", "bright"]
        assert row["signature"].startswith("miou|set:folder-val|n:3|K:2|")
    assert rows[0]["source"] is None
    assert (rows[3]["source"]["seed"], rows[3]["source"]["iteration"]) == (4, 6)
    conditions = read_json(results / "conditions.json")
    assert conditions.keys() >= {"command", "git_revision", "versions", "machine", "device"}
    few, all_of_them = (set(conditions["frames"][f"folder:train{p}"]) for p in ("*0.3", ""))
    assert len(few) == 2
    assert few < all_of_them
    table = (results / "fine_tune.md").read_text()
    assert "| network | starts from | 30 % (2) | 100 % (7) |" in table
    assert table in printed
    assert image_size(results / "fine_tune.png") == (480, 960)

    before, after = weights(trained), weights(output / "target_0.3_fine_tuned_seed0")
    alone = weights(output / "target_0.3_baseline_seed0")
    trained_keys = [key for key in after if key.endswith((".weight", ".bias"))]
    assert len(trained_keys) > 60
    for key in trained_keys:
        assert torch.allclose(before[key], after[key], atol=1e-7) != ("classifier" in key), key
    key = next(key for key in after if "backbone" in key and after[key].ndim == 4)
    assert not torch.allclose(before[key], alone[key], atol=1e-3)

    files = sorted(output.glob("*/checkpoints/last.pt"))
    times = [path.stat().st_mtime_ns for path in files]
    assert main(command) == 0  # a second time nothing is trained
    assert len(files) == 4
    assert [path.stat().st_mtime_ns for path in files] == times
    assert read_json(results / "fine_tune.json") == rows


def test_a_source_config_is_trained_first_and_its_classifier_is_taken(
    blocks_config: Path, blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "runs"
    target = blocks_config.with_name("again.yaml")
    shutil.copy(blocks_config, target)
    more = ["--seeds", "3", "--no-baseline", "--same-epochs", "--set", STILL[1]]
    assert main(argv(target, [blocks_config], blocks, output, *more)) == 0
    updates = {row["share"]: row["iteration"] for row in read_json(output / "fine_tune.json")}
    assert updates == {0.3: 2, 1.0: 6}
    runs = {"blocks_seed3", "again_1_fine_tuned_seed3", "again_0.3_fine_tuned_seed3"}
    assert runs <= {path.name for path in output.iterdir()}
    assert len(list(output.glob("*_seed*"))) == 3
    assert "fresh" not in capsys.readouterr().out
    first, second = (weights(output / run) for run in ("blocks_seed3", "again_1_fine_tuned_seed3"))
    assert torch.allclose(first["head.classifier.weight"], second["head.classifier.weight"])


def test_a_source_that_was_replaced_is_noticed(
    trained: Path, target: Path, blocks_config: Path, blocks: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "source", tmp_path / "runs"
    shutil.copytree(trained, source)
    more = ["--no-baseline", "--shares", "1", "--set", *STILL]
    main(argv(target, [source], blocks, output, *more))
    shutil.rmtree(source)
    config = load_config(blocks_config, ["seed=4", *STILL])
    train(config, datasets_root=blocks, output=source)
    with pytest.raises(CheckpointError, match=r"target_1_fine_tuned_seed0 began from another"):
        main(argv(target, [source], blocks, output, *more))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.backbone.ibn=none", r"no source .* \(mobilenet_v2, ibn none, seed 0\); .*ibn b\)"),
        ("model.head.channels=8", r"target cannot start .*another architecture.*head\.conv"),
        ("init_from=x.pt", "leave init_from to --from"),
        ("data.train.split=nowhere", "nowhere"),
    ],
)
def test_a_wrong_source_or_target_is_an_error_before_any_training(
    trained: Path, target: Path, blocks: Path, tmp_path: Path, change: str, message: str
) -> None:
    output = tmp_path / "runs"
    with pytest.raises(SegibnError, match=f"(?s){message}"):
        main(argv(target, [trained], blocks, output, "--set", change))
    assert not output.exists()


def test_a_file_that_is_no_checkpoint_is_an_error_before_any_training(
    target: Path, blocks_config: Path, blocks: Path, tmp_path: Path
) -> None:
    output, broken = tmp_path / "runs", tmp_path / "last.pt"
    broken.write_bytes(b"no checkpoint")
    for sources in ([broken], [blocks_config, broken], [tmp_path / "gone"]):
        with pytest.raises(CheckpointError, match=sources[-1].name):
            main(argv(target, sources, blocks, output))
    assert not output.exists()


def test_several_sources_for_one_network_must_differ_in_seed(
    trained: Path, target: Path, blocks_config: Path, blocks: Path, tmp_path: Path
) -> None:
    command = argv(target, [trained, trained], blocks, tmp_path / "runs")
    with pytest.raises(ConfigError, match="several sources for target"):
        main(command)


@pytest.mark.parametrize("share", ["0", "1.5", "ten"])
def test_a_share_that_cannot_be_meant_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["c.yaml", "--from", "r", "--output", "o", "--shares", share]
    with pytest.raises(SystemExit):
        build_parser().parse_args(given)
    assert "write a share" in capsys.readouterr().err
