import numpy as np
import pytest
import torch

from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.data.datasets.catalog import scheme_label_set
from segibn.engine.checkpoint import ClassTable, save_checkpoint


@pytest.fixture(scope="session")
def make_run():
    """Return a function (folder, data set, scheme) that writes an untrained run of that name."""

    def make(folder, dataset="camvid", scheme="camvid11"):
        tree = {
            "name": folder.name,
            "data": {"train": {"name": dataset}},
            "model": {
                "backbone": {"name": "resnet18", "output_stride": 32},
                "head": {"name": "fcn", "channels": 4},
            },
            "evaluation": {"input_size": [32, 48]},
        }
        config, table = validate(tree, "test"), scheme_label_set(scheme)
        torch.manual_seed(0)
        model = build_segmenter(config.model, table.num_classes)
        torch.nn.init.normal_(model.head.classifier.weight)
        save_checkpoint(
            folder / "checkpoints" / "last.pt",
            model=model,
            config=config,
            classes=ClassTable(scheme, table.class_names, table.palette.tolist()),
            iteration=5,
            training=None,
        )
        return folder

    return make


@pytest.fixture(scope="session")
def frame():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
