"""From a config to samples, label sets, loaders and frames."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segibn.builders.loader import build_eval_frames, build_train_loader
from segibn.builders.sets import index_dataset, training_sets
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image, write_label_png


def _run(train: dict, **data: object) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "x",
            "data": {"train": train, "crop_size": [16, 32], "workers": 0, **data},
            "optim": {"iterations": 3, "global_batch_size": 2},
        }
    )


@pytest.mark.parametrize(("data", "cache"), [({}, "none"), ({"resize": [12, 20]}, "memory")], ids=["disk", "memory"])
def test_a_config_becomes_batches(make_cityscapes: Callable[..., Path], root: Path, data: dict, cache: str) -> None:
    make_cityscapes()
    config = _run({"name": "cityscapes"}, cache=cache, **data)
    sets = training_sets(config.data, root)
    batches = list(build_train_loader(config, sets))
    assert [tuple(b["image"].shape) for b in batches] == [(2, 3, 16, 32)] * 3
    later = list(build_train_loader(config, sets, first_iteration=2))
    assert later[0]["position"].tolist() == [4, 5]


def test_first_crops_are_half_as_large_and_show_as_much(make_cityscapes: Callable[..., Path], root: Path) -> None:
    make_cityscapes()
    config = _run({"name": "cityscapes"}, half_size_share=0.7, scale_range=[0.8, 1.6])
    sets = training_sets(config.data, root)
    found = list(build_train_loader(config, sets))
    half = _run({"name": "cityscapes"}, crop_size=[8, 16], scale_range=[0.4, 0.8])
    full = _run({"name": "cityscapes"}, scale_range=[0.8, 1.6])
    expected = list(build_train_loader(half, sets))[:2] + list(build_train_loader(full, sets))[2:]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["target"], other["target"])
    (resumed,) = build_train_loader(config, sets, first_iteration=2)
    assert torch.equal(resumed["image"], found[2]["image"])


def test_the_disk_cache_gives_the_same_samples_and_tells_classes_and_sizes_apart(
    make_cityscapes: Callable[..., Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cityscapes()
    monkeypatch.setenv("SEGIBN_CACHE", str(tmp_path / "caches"))
    there = 0
    for changes in ({}, {"resize": [12, 20]}, {"classes": "street11"}):
        config = _run({"name": "cityscapes"}, cache="disk", **changes)
        sets = training_sets(config.data, root)
        plain = list(build_train_loader(_run({"name": "cityscapes"}, **changes), sets))
        for _ in range(2):  # written, then read
            for one, other in zip(build_train_loader(config, sets), plain, strict=True):
                assert torch.equal(one["image"], other["image"])
                assert torch.equal(one["target"], other["target"])
        files = list((tmp_path / "caches" / "pixels" / "cityscapes_train").rglob("*.npy"))
        assert len(files) > there
        there = len(files)


def test_a_disk_cache_that_does_not_fit_is_refused_before_any_work(
    make_cityscapes: Callable[..., Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cityscapes()
    monkeypatch.setenv("SEGIBN_CACHE", str(tmp_path / "caches"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    config = _run({"name": "cityscapes"}, cache="disk")
    with pytest.raises(DatasetError, match=r"data\.cache disk would take .* name another disk by SEGIBN_CACHE"):
        build_train_loader(config, training_sets(config.data, root))


def test_a_batch_that_does_not_divide_over_the_processes_is_refused(
    make_cityscapes: Callable[..., Path], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cityscapes()
    config = _run({"name": "cityscapes"})
    sets = training_sets(config.data, root)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="multiple of 3"):
        build_train_loader(config, sets)


def test_names_file_and_fraction_narrow_a_split(
    make_cityscapes: Callable[..., Path], root: Path, tmp_path: Path
) -> None:
    make_cityscapes(count=6)
    names = tmp_path / "names.txt"
    names.write_text("aachen_000004_000019\naachen_000001_000019\n")
    listed = DatasetConfig(name="cityscapes", names_file=str(names))
    assert [s.name[7:13] for s in index_dataset(listed, root)] == ["000004", "000001"]
    half = DatasetConfig(name="cityscapes", fraction=0.5)
    assert len(index_dataset(half, root)) == 3


def test_a_users_own_folders_work_without_code(root: Path) -> None:
    for name in ("a", "b"):
        write_image(root / f"mine/train/{name}.jpg", np.zeros((8, 10, 3), np.uint8))
        write_label_png(root / f"mine/masks/{name}.png", np.full((8, 10), 200, np.uint8))
    config = _run(
        {
            "name": "folder",
            "folder": {
                "images": "mine/{split}",
                "targets": "mine/masks",
                "labels": [
                    {"name": "floor", "label_id": 0, "train_id": 0, "color": [0, 0, 0]},
                    {"name": "crate", "label_id": 200, "train_id": 1, "color": [255, 0, 0]},
                ],
            },
        }
    )
    frames = build_eval_frames(config.data.train, root)
    assert frames.label_set.class_names == ("floor", "crate")
    assert [(name, int(target.max())) for name, _, target in frames] == [("a", 1), ("b", 1)]


def test_eval_frames_are_read_in_the_classes_asked_for(make_camvid: Callable[..., Path], root: Path) -> None:
    make_camvid()
    camvid = DatasetConfig(name="camvid")
    own = build_eval_frames(camvid, root)
    city = build_eval_frames(camvid, root, "cityscapes19")
    assert (own.label_set.num_classes, city.label_set.num_classes) == (11, 19)
    assert len(own) == 3


def test_a_split_without_labels_cannot_be_scored(make_drivable: Callable[..., Path], root: Path) -> None:
    make_drivable("2018", split="test")
    test = DatasetConfig(name="bdd100k_drivable", split="test")
    assert len(index_dataset(test, root)) == 3
    with pytest.raises(DatasetError, match="no public label maps"):
        build_eval_frames(test, root)
