"""One folder divided for training and validation; no frame on both sides."""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from segibn.builders.sets import index_dataset
from segibn.config.load import dump_config, load_config, validate
from segibn.config.schema import RunConfig
from segibn.data.hold_out import held_out
from segibn.data.overlap import copies, overlap, require_apart
from segibn.data.samples import SamplePaths
from segibn.errors import ConfigError, DatasetError
from segibn.runs.sets import parse_labelled_set

CLIPS = [f"{day}/{camera}/{n:03}" for day in "abcdefgh" for camera in "lr" for n in range(5)]
FLAT = [f"{n:05}" for n in range(200)]
PREFIXED = [f"clip{n // 10}_{n:05}" for n in range(200)]


def _expected(units: dict[str, str], fraction: float, seed: int) -> set[str]:
    """The rule, written down once more: SHA-256 of seed and sequence as a number below 1."""
    places = {
        name: int(hashlib.sha256(f"{seed}/{unit}".encode()).hexdigest()[:12], 16) / 16**12
        for name, unit in units.items()
    }
    return {name for name, place in places.items() if place < fraction}


@pytest.mark.parametrize(
    ("names", "by", "unit"),
    [
        (CLIPS, "auto", lambda name: name[0]),
        (PREFIXED, "auto", lambda name: name.split("_")[0] + "_"),
        (FLAT, "auto", lambda name: name),
        (PREFIXED, "frame", lambda name: name),
    ],
    ids=["days", "prefixes", "numbers", "frames"],
)
def test_each_sequence_falls_as_the_rule_says_whatever_is_added(names: list[str], by: Any, unit: Any) -> None:
    units = {name: unit(name) for name in names}
    for seed in (0, 7):
        found = held_out(names, 0.3, by, seed)
        assert found == _expected(units, 0.3, seed)
        assert held_out(names[::-1], 0.3, by, seed) == found
        more = [*names, *(f"{name}9" for name in names)]
        assert held_out(more, 0.3, by, seed) & set(names) == found


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
def test_both_sides_have_a_frame(count: int, fraction: float) -> None:
    for seed in range(20):
        assert 0 < len(held_out(FLAT[:count], fraction, "frame", seed)) < count


def test_what_cannot_be_held_out_or_not_evenly_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatasetError, match=r"200 frames of one sequence .*`by: frame`"):
        held_out(FLAT, 0.2, "sequence")
    with pytest.raises(DatasetError, match="1 frame of one sequence"):
        held_out(FLAT[:1], 0.2)
    with caplog.at_level(logging.WARNING):
        held_out([f"a_{n}" for n in range(10)] + [f"b_{n}" for n in range(10)], 0.1)
    assert "10 of 20 frames (1 of 2 sequences), 50 % instead of 10 %" in caplog.text


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    for name in PREFIXED:
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f"{name}.{suffix}").write_text(name)
    rows = [{"name": n, "label_id": i, "train_id": i} for i, n in enumerate(("floor", "crate"))]
    files = {"images": "images", "targets": "masks", "labels": rows}
    train = {"name": "folder", "folder": files}
    return {"name": "x", "data": {"train": train, "val": {"fraction": 0.3}}}


def _sides(config: RunConfig, root: Path) -> tuple[list[SamplePaths], list[SamplePaths]]:
    assert config.data.val is not None
    return index_dataset(config.data.train, root), index_dataset(config.data.val, root)


def test_a_share_of_one_folder_is_held_out_and_stays_so_in_the_written_config(
    tree: dict[str, Any], tmp_path: Path
) -> None:
    config = validate(tree, "here")
    train, val = _sides(config, tmp_path)
    assert sorted(s.name for s in (*train, *val)) == sorted(PREFIXED)
    assert {s.name for s in val} == held_out(PREFIXED, 0.3)
    assert config.data.val.title == "folder:train-held-out-0.3"
    again = validate(yaml.safe_load(dump_config(config)), "written")
    assert again == config
    require_apart([train], val)


def test_by_and_seed_are_taken_from_a_file_and_the_command_line(tree: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(tree))
    config = load_config(file, ["data.val.by=frame", "data.val.seed=3", "data.val.fraction=0.5"])
    assert config.data.val.title == "folder:train-held-out-0.5-by-frame-seed-3"
    assert {s.name for s in _sides(config, tmp_path)[1]} == held_out(PREFIXED, 0.5, "frame", 3)
    with pytest.raises(ConfigError, match=r"hold_out\.fraction: .*< 1"):
        load_config(file, ["data.val.fraction=1.5"])
    with pytest.raises(ConfigError, match=r"data\.val\.name: missing"):
        load_config(file, ["data.val.split=val"])


def test_a_share_of_a_new_train_is_no_share_of_the_val_of_the_base(tree: dict[str, Any], tmp_path: Path) -> None:
    base, own = tmp_path / "base.yaml", tmp_path / "own.yaml"
    base.write_text("data: {train: {name: gta5}, val: {name: gta5, split: val}}")
    own.write_text(yaml.safe_dump({"base": "base.yaml", **tree}))
    assert load_config(own).data.val.title == "folder:train-held-out-0.3"
    own.write_text("{base: base.yaml, data: {val: {fraction: 0.5}}}")
    assert load_config(own).data.val.title == "gta5:val*0.5"


def test_the_held_out_part_of_a_config_is_a_set_to_score_on(tree: dict[str, Any], tmp_path: Path) -> None:
    tree["data"]["train"]["folder"]["name"] = "warehouse"
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(tree))
    label, dataset = parse_labelled_set(str(file))
    assert label == "warehouse:train-held-out-0.3"
    assert dataset == load_config(file).data.val
    assert parse_labelled_set(f"night={file}") == ("night", dataset)
    tree["data"]["train"]["folder"]["name"] = "cityscapes"
    with pytest.raises(ConfigError, match="that of a public data set"):
        validate(tree, "here")


@pytest.mark.parametrize("link", [None, os.symlink, os.link], ids=["same", "symlink", "hard link"])
def test_frames_that_are_trained_on_are_not_validated_on(link: Any, tmp_path: Path) -> None:
    real = tmp_path / "a.jpg"
    real.write_text("a")
    other = tmp_path / "elsewhere.jpg" if link else real
    if link:
        link(real, other)
    train = [SamplePaths("a", real, None)]
    val = [SamplePaths("b", tmp_path / "b.jpg", None), SamplePaths("c", other, None)]
    val[0].image.write_text("b")
    said = overlap([[], train], val)
    assert said.startswith("data.mix.0.dataset and data.val share 1 frame, such as 'c'")
    assert "`val: {fraction: 0.2}`" in said
    with pytest.raises(DatasetError, match="share 1 frame"):
        require_apart([train], val)
    assert overlap([val[:1]], val[1:]) == ""


def test_copies_are_warned_of(tmp_path: Path) -> None:
    for side in ("train", "val"):
        (tmp_path / side).mkdir()
        for name in "abc":
            (tmp_path / side / name).write_text(name + (side[0] if name == "c" else "x"))
    train, val = ([SamplePaths(name, tmp_path / side / name, None) for name in "abc"] for side in ("train", "val"))
    assert "2 of the 3 frames of one name and size" in copies([train], val)[0]
    shutil.rmtree(tmp_path / "val")
    with pytest.raises(DatasetError, match="cannot be read"):
        overlap([train], val)
