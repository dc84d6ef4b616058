"""A small CamVid and BDD100K in their official layouts, and untrained checkpoints for them.

Whatever a test runs, the commands that it prints as next are held against their verbs' parsers.
"""

import shlex
from importlib import import_module

import numpy as np
import pytest

from segibn.cli import parser
from segibn.cli.verbs import VERBS
from segibn.files.encode import write_image, write_label_png

BDD_IDS = ("0004a4c0-d4dff0ad", "0004a4c0-d4dff0ae", "cabc30fc-e7726578")


@pytest.fixture(autouse=True)
def _what_is_next_can_be_parsed(monkeypatch):
    say = parser._print_once

    def check(line):
        if line.startswith("next: "):
            words = shlex.split(line)
            verb, *rest = words[words.index("segibn") + 1 :]
            verbs_own = import_module(f"segibn.cli.{VERBS[verb].module}").build_parser()
            if verb == "submit":
                verbs_own.parse_args(rest)
            else:
                verbs_own.parse_intermixed_args(rest)
            assert not {"FRAMES", "DIR", "NAME", "RUN", "SET"} & set(rest)
        say(line)

    monkeypatch.setattr(parser, "_print_once", check)


@pytest.fixture(scope="session")
def datasets(tmp_path_factory):
    """Return a data sets' root with camvid/{train,val} and bdd100k drivable {val,test}."""
    root = tmp_path_factory.mktemp("datasets")
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 3)):
        for number in range(count):
            name = f"0001TP_00{split == 'val':d}{number:03d}"
            _write(root / "camvid" / split / f"{name}.png", random, 48, 64)
            target = random.integers(0, 12, (6, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            write_label_png(root / "camvid" / f"{split}annot" / f"{name}.png", target)
    bdd = root / "bdd100k"
    for frame_id in BDD_IDS:
        for split in ("val", "test"):
            _write(bdd / "images" / "100k" / split / f"{frame_id}.jpg", random, 36, 64)
        target = np.zeros((36, 64), np.uint8)
        target[24:, 20:40], target[24:, 40:] = 1, 2
        name = f"{frame_id}_drivable_id.png"
        write_label_png(bdd / "drivable_maps" / "labels" / "val" / name, target)
    return root


@pytest.fixture(scope="session")
def make_run(tmp_path_factory, save_untrained):
    """Return a function (dataset, scheme, ibn, seed, classes) -> run folder, each made once."""
    made = {}

    def make(dataset, scheme, ibn="none", seed=0, classes=None):
        key = (dataset, scheme, ibn, seed, classes)
        if key not in made:
            made[key] = tmp_path_factory.mktemp(f"{dataset}_{ibn}_{seed}")
            tree = _untrained(dataset, ibn, seed, classes)
            save_untrained(made[key], tree, scheme, iteration=7, seed=seed)
        return made[key]

    return make


def _untrained(dataset, ibn, seed, classes):
    return {
        "name": f"{dataset}_{ibn}",
        "seed": seed,
        "data": {
            "train": {"name": dataset, "split": "train"},
            "val": {"name": dataset, "split": "val"},
            "classes": classes,
        },
        "model": {
            "backbone": {"name": "resnet18", "ibn": ibn, "output_stride": 32},
            "head": {"name": "fcn", "channels": 4},
        },
    }


def _write(path, random, height, width):
    coarse = random.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    write_image(path, coarse.repeat(4, 0).repeat(4, 1))
