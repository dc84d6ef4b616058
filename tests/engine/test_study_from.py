"""Trainings that start from trained networks, on shares of a target with other class names."""

from pathlib import Path

import pytest
import torch
import yaml

from segibn.builders.checkpoints import read_checkpoint
from segibn.cli.study import main
from segibn.config.load import load_config
from segibn.engine.train import train
from segibn.errors import CheckpointError, SegibnError
from segibn.files.writing import read_json

STILL = ("optim.iterations=1", "optim.lr=1e-12")  # one update that moves no weight


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("source") / "game_seed4"


@pytest.fixture
def trained(source_folder: Path, blocks: Path, light_config: Path) -> Path:
    """Return the run folder of a training on ``blocks``, the same for all tests."""
    if not source_folder.exists():
        config = load_config(light_config, ["seed=4", "name=game"])
        train(config, datasets_root=blocks, output=source_folder)
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
    return [*given, "--output", str(output), *more]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints/last.pt")["model"]


def test_each_share_is_trained_with_and_without_the_source(
    trained: Path, target: Path, blocks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, output = tmp_path / "results", tmp_path / "runs"
    own = tmp_path / "own.yaml"
    own.write_text(target.read_text())
    more = ["--grid", "data.train.fraction=0.3,1", "--baseline", "--set", *STILL]
    command = argv(target, [trained], blocks, output, *more, "--on", str(own), "--results", str(results))
    assert main(command) == 0
    printed = capsys.readouterr().out
    classifier = "head.classifier (weight, bias)"
    assert f"loaded; fresh: {classifier}; not used: {classifier}, aux_head (8)\n" in printed

    rows = read_json(results / "cross_domain.json")
    assert [(row["train"], row.get("start")) for row in rows] == [
        ("folder:train*0.3", None),
        ("folder:train", None),
        ("folder:train*0.3", "game"),
        ("folder:train", "game"),
    ]
    frames = read_json(results / "conditions.json")["frames"]
    few, all_of_them = (set(frames[f"folder:train{part}"]) for part in ("*0.3", ""))
    assert len(few) == 2
    assert few < all_of_them
    table = (results / "cross_domain.md").read_text()
    assert "| folder:train*0.3 | mobilenet_v2, IBN-b, started from game |" in table

    names = {path.name for path in output.iterdir() if path.is_dir()}
    assert names == {f"target_fraction{share}{start}_seed0" for share in ("0.3", "1") for start in ("", "_from_game")}
    before, after = weights(trained), weights(output / "target_fraction0.3_from_game_seed0")
    alone = weights(output / "target_fraction0.3_seed0")
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.backbone.ibn=none", r"no source .* \(mobilenet_v2, ibn none, seed 0\): .*ibn b\)"),
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


def test_sources_that_cannot_be_told_apart_or_read_are_refused(
    trained: Path, target: Path, blocks: Path, tmp_path: Path
) -> None:
    output, broken = tmp_path / "runs", tmp_path / "last.pt"
    with pytest.raises(SegibnError, match="several sources for target"):
        main(argv(target, [trained, trained], blocks, output))
    broken.write_bytes(b"no checkpoint")
    for sources in ([broken], [tmp_path / "gone"]):
        with pytest.raises(CheckpointError, match=sources[-1].name):
            main(argv(target, sources, blocks, output))
    assert not output.exists()
