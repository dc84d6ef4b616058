"""Shipped configs by name, wherever the package lies, and the verb ``configs``."""

import shutil
from pathlib import Path

import pytest
import yaml

from segibn.cli.configs import main
from segibn.config.load import load_config
from segibn.config.shipped import configs_folder, find_config, shipped_configs
from segibn.errors import ConfigError
from segibn.inference.config import load_inference_config
from segibn.runs.configs import copy_config

ROOT = Path(__file__).resolve().parents[2]


def test_names_are_the_files_of_configs() -> None:
    files = {str(p.relative_to(ROOT / "configs")) for p in (ROOT / "configs").rglob("*.yaml")}
    assert {f"{name}.yaml" for name in shipped_configs()} == files


def test_folder_is_found_in_a_wheel_and_in_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "segibn"
    package.mkdir()
    with pytest.raises(ConfigError, match="has no configs"):
        configs_folder(package)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    assert configs_folder(package) == tmp_path / "configs"
    shutil.copytree(ROOT / "configs", package / "configs")
    assert configs_folder(package) == package / "configs"


@pytest.mark.parametrize("given", ["gta5_ibn", "gta5_ibn.yaml", "configs/gta5_ibn.yaml"])
def test_a_name_gives_the_shipped_config_in_any_folder(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(given) == load_config(ROOT / "configs/gta5_ibn.yaml")


def test_a_file_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gta5_ibn.yaml").write_text("name: mine\n")
    assert find_config("gta5_ibn.yaml") == Path("gta5_ibn.yaml")
    assert find_config("gta5_ibn") == ROOT / "configs/gta5_ibn.yaml"


def test_inference_configs_are_found_by_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = load_inference_config(ROOT / "configs/inference/multi_scale_flip.yaml")
    assert load_inference_config("inference/multi_scale_flip") == expected
    assert expected.flip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gta5_inb", "gta5_ibn"),
        ("camera_ibn", "real/camera_ibn"),
        ("sampel_ibn.yaml", "sample_ibn"),
        ("inference/multi_scale_flp", "inference/multi_scale_flip"),
    ],
)
def test_a_mistyped_name_is_answered_by_the_likely_one(
    typed: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"no config '{typed}'.*did you mean .*{meant}\b"):
        find_config(typed)


def test_a_name_unlike_all_others_points_to_the_list() -> None:
    with pytest.raises(ConfigError, match="segibn configs lists"):
        find_config("zzzzzz")


def test_list_has_each_name_with_what_its_header_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert shown.keys() == shipped_configs().keys()
    assert shown["sample_ibn"] == "The demo with IBN-a"
    for name, path in shipped_configs().items():
        header = " ".join(line[2:] for line in path.read_text().splitlines() if line[:1] == "#")
        assert header.startswith(shown[name])


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_a_printed_config_reads_back_as_the_same(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    load = load_inference_config if name.startswith("inference/") else load_config
    assert load(printed) == load(name)
    assert "base" not in yaml.safe_load(printed.read_text())


@pytest.mark.parametrize("name", ["gta5_synthia_robustnet", "real/camera_ibn", "inference/wad"])
def test_a_copied_config_runs_without_the_shipped_ones(name: str, tmp_path: Path) -> None:
    first, *_ = copied = copy_config(name, tmp_path)
    assert first == tmp_path / f"{name}.yaml"
    if name.startswith("inference/"):
        assert load_inference_config(first) == load_inference_config(name)
        return
    ours, theirs = load_config(first), load_config(name)
    assert ours.model_dump(exclude={"data"}) == theirs.model_dump(exclude={"data"})
    lists = ours.data.train.names_file
    if lists is not None:
        assert Path(lists) in copied
        assert Path(lists).read_bytes() == Path(theirs.data.train.names_file).read_bytes()


def test_a_copy_never_replaces_an_edited_file(tmp_path: Path) -> None:
    first, *_ = copy_config("gta5_ibn", tmp_path)
    assert copy_config("gta5_ibn", tmp_path)[0] == first  # nothing has changed
    first.write_text(first.read_text() + "seed: 5\n")
    with pytest.raises(ConfigError, match="is there and differs"):
        copy_config("gta5_ibn", tmp_path)
    assert first.read_text().endswith("seed: 5\n")
