"""A run on disk whose network was never trained: real files, scored by the verb itself."""

import json

import numpy as np
import pytest
import torch

from segibn.builders.models import build_segmenter
from segibn.cli.report import main
from segibn.config.load import dump_config, validate
from segibn.engine.checkpoint import ClassTable, save_checkpoint
from segibn.files.encode import write_image, write_label_png
from segibn.files.writing import write_text

EVIL = "<script>alert(1)</script>"
NAMES = ("road & lane", "tree", EVIL, "never there")
COLORS = [[128, 64, 128], [107, 142, 35], [220, 20, 60], [220, 20, 60]]
HEIGHT, WIDTH = 48, 96


@pytest.fixture(scope="session")
def streets(tmp_path_factory):
    """Return a data sets' root with ``streets``: 7 frames of 3 classes, some pixels ignored."""
    root = tmp_path_factory.mktemp("datasets")
    rng = np.random.default_rng(3)
    for number in range(7):
        ids = rng.integers(0, 3 if number % 2 else 2, (3, 6)).astype(np.uint8)
        target = ids.repeat(16, 0).repeat(16, 1)
        image = np.array(COLORS, np.uint8)[target] // 2 + rng.integers(0, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        target[:3] = 9
        write_image(root / "streets" / "images" / "val" / f"town_{number}.png", image)
        write_label_png(root / "streets" / "labels" / "val" / f"town_{number}.png", target)
    return root


def make_run(folder, seed=0):
    rows = [
        {"name": name, "label_id": index, "train_id": index, "color": COLORS[index]} for index, name in enumerate(NAMES)
    ]
    rows.append({"name": "void", "label_id": 9, "train_id": 255, "color": [0, 0, 0]})
    paths = {"images": "streets/images/{split}", "targets": "streets/labels/{split}"}
    dataset = {"name": "folder", "folder": {**paths, "labels": rows}, "split": "val"}
    tree = {
        "name": "streets",
        "seed": seed,
        "data": {"train": dataset, "val": dataset},
        "model": {
            "backbone": {"name": "resnet18", "ibn": "a", "output_stride": 32},
            "head": {"name": "fcn", "channels": 4},
        },
    }
    config = validate(tree, source="test")
    torch.manual_seed(seed)
    model = build_segmenter(config.model, len(NAMES))
    torch.nn.init.normal_(model.head.classifier.weight)
    with torch.no_grad():  # two classes are never predicted: frames without them do not hold them
        model.head.classifier.bias[2:] = -1e4
    save_checkpoint(
        folder / "checkpoints" / "last.pt",
        model=model,
        config=config,
        classes=ClassTable("folder", NAMES, COLORS),
        iteration=40,
        training=None,
    )
    write_text(folder / "config.yaml", dump_config(config))
    records = [{"iteration": i, "loss": 2 / i, "lr": 0.1 / i} for i in range(1, 41)]
    lines = [*records, {"iteration": 40, "val_miou": 0.25}]
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="session")
def street_run(tmp_path_factory):
    """Return a run folder with config, curve and checkpoint, not scored."""
    return make_run(tmp_path_factory.mktemp("run") / "streets_seed0")


@pytest.fixture(scope="session")
def street_report(streets, street_run, tmp_path_factory):
    """Return the report of ``street_run`` with two worst and two best frames."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    arguments = [str(street_run), "--datasets", str(streets), "--output", str(path)]
    assert main([*arguments, "--frames", "2", "--device", "cpu"]) == 0
    return path
