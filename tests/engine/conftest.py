"""A data set of ten small frames that a small network learns within seconds."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

LABELS = [
    {"name": "dark", "label_id": 0, "train_id": 0, "color": [0, 0, 0]},
    {"name": "bright", "label_id": 1, "train_id": 1, "color": [255, 255, 255]},
    {"name": "void", "label_id": 9, "train_id": 255, "color": [9, 9, 9]},
]


def write_frames(root: Path, split: str, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind in ("images", "targets"):
        (root / "blocks" / kind / split).mkdir(parents=True)
    for index in range(count):
        target = np.kron(rng.integers(0, 2, (2, 4)), np.ones((32, 32), int)).astype(np.uint8)
        noise = rng.integers(0, 60, (64, 128, 3))
        image = (60 + 120 * target[..., None] + noise).astype(np.uint8)
        target[:2] = 9
        Image.fromarray(image).save(root / f"blocks/images/{split}/{index}.png")
        Image.fromarray(target).save(root / f"blocks/targets/{split}/{index}.png")


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data sets' root with ``blocks``: 7 training and 3 validation frames."""
    root = tmp_path_factory.mktemp("datasets")
    write_frames(root, "train", 7, seed=0)
    write_frames(root, "val", 3, seed=1)
    return root


@pytest.fixture
def blocks_config(tmp_path: Path) -> Path:
    """Return a config file that trains on ``blocks``."""
    folder = {"images": "blocks/images/{split}", "targets": "blocks/targets/{split}"}
    dataset = {"name": "folder", "folder": {**folder, "labels": LABELS}}
    tree = {
        "data": {
            "train": {**dataset, "split": "train"},
            "val": {**dataset, "split": "val"},
            "crop_size": [48, 96],
            "scale_range": [0.9, 1.2],
            "workers": 0,
        },
        "model": {
            "backbone": {"name": "resnet18", "ibn": "a", "output_stride": 16},
            "head": {"name": "fcn", "channels": 16},
            "aux_head": {"channels": 8},
        },
        "optim": {"iterations": 6, "global_batch_size": 2, "lr": 0.02},
        "engine": {"log_every": 1, "checkpoint_every": 2},
    }
    path = tmp_path / "blocks.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


@pytest.fixture
def light_config(blocks_config: Path) -> Path:
    """Return the same with a network of a fifth of the weights, for what holds of any network."""
    tree = yaml.safe_load(blocks_config.read_text())
    tree["model"]["backbone"] |= {"name": "mobilenet_v2", "ibn": "b"}
    blocks_config.write_text(yaml.safe_dump(tree))
    return blocks_config
