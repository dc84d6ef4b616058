"""Several sources and sampling by class, from a config to batches."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from segibn.builders.loader import build_train_loader
from segibn.builders.sets import training_sets
from segibn.config.load import dump_config
from segibn.config.schema import RunConfig
from segibn.data.loader import TrainLoader
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image, write_label_png

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

CAR, ROAD = 26, 7
MIX = {"dataset": {"name": "camvid"}, "share": 0.25}


def _config(**data: Any) -> RunConfig:
    parts = {"train": {"name": "cityscapes"}, "crop_size": [16, 32], "workers": 0, **data}
    return RunConfig.model_validate({"name": "x", "data": parts, "optim": {"iterations": 6, "global_batch_size": 8}})


def _loader(config: RunConfig, root: Path, **options: Any) -> TrainLoader:
    sets = training_sets(config.data, root)
    return build_train_loader(config, sets, datasets_root=root, **options)


def _assert_equal(batches: list[dict], others: list[dict]) -> None:
    assert len(batches) == len(others) > 0
    for one, other in zip(batches, others, strict=True):
        assert one["name"] == other["name"]
        for key in ("image", "target", "position"):
            assert torch.equal(one[key], other[key])


def _joined(ranks: list[list[dict]]) -> list[dict]:
    """The batches of all ranks as one rank would have them."""
    return [
        {
            key: a[key] + b[key] if key == "name" else torch.cat([a[key], b[key]])
            for key in ("image", "target", "name", "position")
        }
        for a, b in zip(*ranks, strict=True)
    ]


@pytest.fixture
def both(make_cityscapes: Callable[..., Path], make_camvid: Callable[..., Path], root: Path) -> Path:
    make_cityscapes(count=5)
    make_camvid(count=3)
    return root


@pytest.fixture
def as_rank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], None]]:
    def become(rank: int, world_size: int) -> None:
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world_size))

    return become


SAMPLINGS = {
    "uniform": "uniform",
    "class_uniform": "class_uniform",
    "rare_class": {"name": "rare_class", "min_pixels": 20, "share": 0.75},
}


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_batches_do_not_depend_on_workers_ranks_or_resumes(
    both: Path, sampling: Any, as_rank: Callable[[int, int], None]
) -> None:
    config = _config(mix=[MIX], sampling=sampling, color_jitter=[0.4, 0.4, 0.4, 0.1])
    whole = list(_loader(config, both))
    several = config.model_copy(update={"data": config.data.model_copy(update={"workers": 3})})
    _assert_equal(list(_loader(several, both)), whole)
    for start in (1, 4):
        _assert_equal(list(_loader(config, both, first_iteration=start)), whole[start:])
    ranks = []
    for rank in range(2):
        as_rank(rank, 2)
        ranks.append(list(_loader(config, both)))
    _assert_equal(_joined(ranks), whole)


def test_every_batch_has_its_share_of_each_source_in_the_same_classes(both: Path) -> None:
    for batch in _loader(_config(mix=[MIX]), both):
        assert sum(name.startswith("0001TP") for name in batch["name"]) == 2
        assert set(np.unique(batch["target"])) <= {*range(19), 255}


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_a_source_may_be_resized_alone(both: Path, cache: str) -> None:
    whole = {"crop_size": [20, 30], "scale_range": [1, 1], "flip_probability": 0, "cache": cache}
    config = _config(mix=[{**MIX, "resize": [20, 30]}], **whole)
    (frames, camvid) = training_sets(config.data, both)
    assert (frames.resize, camvid.resize) == (None, (20, 30))
    seen = 0
    for batch in _loader(config, both):
        for name, target in zip(batch["name"], batch["target"], strict=True):
            if name.startswith("0001TP"):
                (sample,) = (one for one in camvid.samples if one.name == name)
                ids = np.asarray(Image.open(sample.target))
                expected = cv2.resize(ids, (30, 20), interpolation=cv2.INTER_NEAREST_EXACT)
                found = target.numpy().astype(np.uint8)
                np.testing.assert_array_equal(camvid.label_set.to_train_ids(expected), found)
                seen += 1
    assert seen == 12


def test_frames_in_memory_give_the_same_batches(both: Path) -> None:
    config = _config(mix=[MIX], sampling="class_uniform", resize=[20, 30])
    cached = config.model_copy(update={"data": config.data.model_copy(update={"cache": "memory"})})
    _assert_equal(list(_loader(cached, both)), list(_loader(config, both)))


def test_sources_that_do_not_fit_into_memory_together_are_refused(both: Path) -> None:
    config = _config(mix=[MIX], cache="memory", cache_limit_gib=24e-6)
    with pytest.raises(DatasetError, match="2 sources together"):
        _loader(config, both)
    alone = _config(cache="memory", cache_limit_gib=24e-6)
    assert len(_loader(alone, both)) == 6


def test_sources_without_common_classes_are_refused_with_the_reason(
    both: Path, make_drivable: Callable[..., Path]
) -> None:
    make_drivable("2018")
    with pytest.raises(ConfigError, match=r"camvid.*drivable"):
        _loader(_config(train={"name": "bdd100k_drivable"}, mix=[MIX]), both)
    rows = [
        {"name": name, "label_id": i, "train_id": i, "color": [0, 0, 0]} for i, name in enumerate(("floor", "crate"))
    ]
    own = {"images": "camvid/train", "targets": "camvid/trainannot", "labels": rows}
    folder = {"dataset": {"name": "folder", "folder": own}, "share": 0.5}
    with pytest.raises(ConfigError, match=r"floor, crate.*but data.train \(cityscapes\) in road"):
        _loader(_config(mix=[folder]), both)


def test_own_tables_of_the_same_classes_mix_in_whatever_order(make_camvid: Callable[..., Path], root: Path) -> None:
    for target in (make_camvid(count=3) / "trainannot").iterdir():
        write_label_png(target, np.repeat([0, 1, 2], 8)[:, None].repeat(40, 1).astype(np.uint8))
    train = [("sky", 0, 0, None), ("street", 1, 1, "ground"), ("path", 2, 1, None)]
    turned = [("ground", 2, 0, None), ("verge", 1, 0, None), ("air", 0, 1, "sky")]

    def own(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
        keys = ("name", "label_id", "train_id", "class")
        labels = [dict(zip(keys, row, strict=True)) for row in rows]
        files = {"images": "camvid/train", "targets": "camvid/trainannot", "labels": labels}
        return {"name": "folder", "folder": files}

    alike, other = (_config(train=own(train), mix=[{"dataset": own(rows), "share": 0.5}]) for rows in (train, turned))
    batches = list(_loader(other, root))
    _assert_equal(batches, list(_loader(alike, root)))
    assert {0, 1} <= set(np.unique(batches[0]["target"]))


def test_a_missing_source_is_named(make_cityscapes: Callable[..., Path], root: Path) -> None:
    make_cityscapes()
    with pytest.raises(DatasetError, match="camvid"):
        _loader(_config(mix=[MIX]), root)


@pytest.fixture
def wide(root: Path) -> Path:
    """Road everywhere, and in one frame of eight a car at the far right: 3 x 4 of 40 x 160."""
    for i in range(8):
        name = f"aachen_{i:06d}_000019"
        label_map = np.full((40, 160), ROAD, np.uint8)
        if i == 5:
            label_map[20:23, 150:154] = CAR
        base = root / "cityscapes"
        image = base / f"leftImg8bit/train/aachen/{name}_leftImg8bit.png"
        write_image(image, np.zeros((40, 160, 3), np.uint8))
        write_label_png(base / f"gtFine/train/aachen/{name}_gtFine_labelIds.png", label_map)
    return root


def _frames_with_car(config: RunConfig, root: Path) -> float:
    seen = [(target == 13).any() for batch in _loader(config, root) for target in batch["target"]]
    return float(np.mean(seen))


def test_sampling_by_class_shows_a_small_object_as_often_as_asked(wide: Path, caplog: pytest.LogCaptureFixture) -> None:
    scale = {"scale_range": [1.0, 1.0]}
    assert _frames_with_car(_config(**scale), wide) < 0.15
    with caplog.at_level(logging.WARNING):
        share = _frames_with_car(_config(sampling="class_uniform", **scale), wide)
    assert 0.1 < share < 0.45  # a quarter is due: half of the samples, one class of two
    assert "no frame has 1 pixels or more of sidewalk, building" in caplog.text
    rare = {"name": "rare_class", "min_pixels": 12}
    assert _frames_with_car(_config(sampling=rare, **scale), wide) == 1.0
    assert len(list((wide / ".segibn/class_index").iterdir())) == 1


def test_more_pixels_than_any_frame_has_is_an_error(wide: Path) -> None:
    rare = {"name": "rare_class", "min_pixels": 6401}
    with pytest.raises(ConfigError, match=r"cityscapes:train has 6401.*lower data.sampling.min_p"):
        _loader(_config(sampling=rare), wide)


def test_uniform_sampling_makes_no_index(both: Path) -> None:
    list(_loader(_config(mix=[MIX]), both))
    assert not (both / ".segibn").exists()


WORKER = """
import sys
import torch
import torch.distributed as dist
from pathlib import Path
from segibn.config.load import load_config
from segibn.builders.loader import build_train_loader
from segibn.builders.sets import training_sets

dist.init_process_group("gloo")
config, root = load_config(sys.argv[1]), Path(sys.argv[2])
loader = build_train_loader(config, training_sets(config.data, root), datasets_root=root)
batches = [{key: batch[key] for key in ("image", "target", "position", "name")} for batch in loader]
torch.save(batches, f"{sys.argv[3]}/{dist.get_rank()}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_share_one_index_and_see_what_one_sees(
    run_two_ranks: Callable[..., str], both: Path, tmp_path: Path
) -> None:
    config = _config(mix=[MIX], sampling="class_uniform")
    (tmp_path / "run.yaml").write_text(dump_config(config))
    (tmp_path / "worker.py").write_text(WORKER)
    said = run_two_ranks(tmp_path / "worker.py", tmp_path / "run.yaml", both, tmp_path)
    files = {path.name: path.stat().st_mtime_ns for path in (both / ".segibn").rglob("*.npz")}
    assert len(files) == 2
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    _assert_equal(_joined(ranks), list(_loader(config, both)))
    assert files == {p.name: p.stat().st_mtime_ns for p in (both / ".segibn").rglob("*.npz")}
    assert said.count("not drawn by class") == 1  # CamVid lacks some; one rank says so
