import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_run(save_untrained):
    """Return a function (folder, data set, scheme) that writes an untrained run of that name."""

    def make(folder, dataset="camvid", scheme="camvid11"):
        tree = {
            "name": folder.name,
            "data": {"train": {"name": dataset}},
            "model": {"backbone": {"name": "resnet18", "output_stride": 32}, "head": {"name": "fcn", "channels": 4}},
            "evaluation": {"input_size": [32, 48]},
        }
        save_untrained(folder, tree, scheme, iteration=5)
        return folder

    return make


@pytest.fixture(scope="session")
def frame():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
