"""``tools/cross_domain.py --protocol``: sets, sizes, checkpoints and what is signed."""

import numpy as np
import pytest
import torch

from segibn.builders.checkpoints import load_segmenter
from segibn.cli.cross_domain import build_parser, main
from segibn.config.data import DatasetConfig
from segibn.config.load import load_config
from segibn.data.datasets.catalog import dataset_source
from segibn.engine.scoring import Preparation, eval_frames, score
from segibn.errors import ConfigError
from segibn.evaluation.deviations import run_deviations
from segibn.evaluation.protocols import PROTOCOLS
from segibn.files.encode import write_image, write_label_png
from segibn.files.writing import read_json
from segibn.inference.config import InferenceConfig
from segibn.inference.predictor import Predictor
from segibn.runs.cross_domain import cross_domain
from segibn.runs.loading import load_checkpoint
from segibn.runs.scoring import Scoring
from segibn.runs.sets import protocol_sets


@pytest.fixture
def early(make_run, tmp_path):
    """Return a function that saves a checkpoint of iteration 7 of 40000, validated on a set."""

    def save(val, name="iteration_7.pt"):
        source = make_run("camvid", "camvid11") / "checkpoints" / "last.pt"
        content = torch.load(source, weights_only=True)
        content["config"]["data"]["val"] = val and {"name": val[0], "split": val[1]}
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


def _argv(runs, datasets, output, *more):
    common = ["--datasets", str(datasets), "--device", "cpu", "--output", str(output)]
    return [*map(str, runs), *common, *more]


def test_a_protocol_brings_its_test_sets_and_their_names():
    sets = protocol_sets("sample", None)
    assert {label: (s.name, s.split) for label, s in sets.items()} == {
        "gta5": ("gta5", "val"),
        "cityscapes": ("cityscapes", "val"),
    }
    named = protocol_sets("robustnet", ["bdd100k_semseg:val", "mine=camvid:val"])
    assert list(named) == ["bdd100k", "mine"]
    assert protocol_sets("robustnet", None)["mapillary"].label_map == "robustnet"
    assert protocol_sets("rein", None)["mapillary"].label_map == "rein"
    mapillary = protocol_sets("rein", ["mapillary:validation", "mapillary/robustnet:validation"])
    assert [s.label_map for s in mapillary.values()] == ["rein", "robustnet"]
    with pytest.raises(ConfigError, match="--protocol"):
        protocol_sets(None, None)


def test_deviations_are_printed_and_signed_in_every_row(make_run, datasets, tmp_path, capsys):
    run = make_run("camvid", "camvid11")
    more = ("--on", "camvid:val", "--protocol", "sample")
    assert main(_argv([run], datasets, tmp_path, *more)) == 0
    (row,) = read_json(tmp_path / "cross_domain.json")
    assert row["protocol"] == "sample"
    signed = dict(part.split(":", 1) for part in row["signature"].split("|")[1:])
    assert signed["protocol"] == "sample"
    assert set(signed["deviates"].split(",")) == {
        *("data.train", "test", "checkpoint", "optim.iterations"),
        *("optim.global_batch_size", "data.crop_size"),
    }
    printed = capsys.readouterr().out
    assert all(f"- {text}" in printed for text in row["deviations"])
    assert "- optim.iterations is 40000, not 400" in printed


def test_the_protocols_size_is_used_and_another_one_is_a_deviation(make_run, tmp_path, datasets):
    run = load_checkpoint(make_run("camvid", "camvid11"))
    cityscapes = DatasetConfig(name="cityscapes", split="val")

    def seen(**given):
        asked = InferenceConfig().replaced(**given)
        scoring = Scoring({"test": cityscapes}, datasets, asked, "cpu", "rein")
        return scoring.placed(run, "test").options.input_size

    assert seen() == (512, 1024)
    assert seen(input_size=(64, 64)) == (64, 64)
    assert seen(input_size="native") is None


@pytest.mark.parametrize(("protocol", "height"), [("rein", 512), ("soma", 1024)])
def test_the_protocols_windows_slide_and_a_height_is_one_size(make_run, datasets, protocol, height):
    run = load_checkpoint(make_run("camvid", "camvid11"))
    sets = protocol_sets(protocol, None)

    def seen(label, **given):
        asked = InferenceConfig().replaced(**given)
        return Scoring(sets, datasets, asked, "cpu", protocol).placed(run, label).options

    for label in sets:
        windows = seen(label)
        assert (windows.window, windows.steps) == ((512, 512), (341, 341))
    assert seen("bdd100k").describe() == "slide512x512-341x341-flat@720x1280"
    assert seen("mapillary").describe() == f"slide512x512-341x341-flat@h{height}"
    other = seen("mapillary", input_size=(64, 64))
    assert (other.input_size, other.input_height) == ((64, 64), None)
    native = seen("mapillary", input_size="native")
    assert (native.input_size, native.input_height) == (None, None)
    other = seen("cityscapes", window=(64, 64), stride=(32, 32))
    assert (other.window, other.stride) == ((64, 64), (32, 32))


def test_every_protocols_sets_are_ones_that_can_be_read():
    for name in PROTOCOLS:
        for label, dataset in protocol_sets(name, None).items():
            assert dataset.split in dataset_source(dataset.name).splits, (name, label)


@pytest.mark.parametrize(
    ("config", "protocol"),
    [
        ("gta5_robustnet", "robustnet"),
        ("gta5_none", "ibn_net_2018"),
        ("gta5_ibn_b", "ibn_net_2018"),
        ("cityscapes_ibn", "ibn_net_2018"),
        ("sample_ibn", "sample"),
    ],
)
def test_the_configs_of_a_protocol_train_as_it_says(config, protocol, repository):
    loaded = load_config(repository / "configs" / f"{config}.yaml")
    train = loaded.data.title
    assert run_deviations(PROTOCOLS[protocol], train, loaded.model_dump(), "last") == {}


def test_the_last_checkpoint_is_no_choice_even_of_a_run_that_watched_the_target(early, datasets):
    run = early(("bdd100k_semseg", "val"))
    content = torch.load(run, weights_only=True)
    content["config"]["optim"]["iterations"] = content["iteration"]
    torch.save(content, run)
    sets = {"away": DatasetConfig(name="bdd100k_semseg", split="val")}
    assert Scoring(sets, datasets).selection(load_checkpoint(run)) == "last"


def test_mapillary_is_scored_in_robustnets_map_and_crop(make_run, tmp_path):
    """A frame of 3 x 4 becomes 1152 x 1536 and stands 576 from the left, where all is road."""
    folder = tmp_path / "mapillary" / "validation"
    random = np.random.default_rng(0)
    write_image(folder / "images" / "a.jpg", random.integers(0, 256, (64, 48, 3), dtype=np.uint8))
    target = np.full((64, 48), 13, np.uint8)  # road
    target[:32] = 41  # manhole: road for RobustNet, void for Rein
    write_label_png(folder / "labels" / "a.png", target)
    run = make_run("gta5", "cityscapes19")
    counts = {}
    for label_map in ("robustnet", "rein"):
        on = ("--protocol", "robustnet", "--on", f"mapillary/{label_map}:validation")
        main(_argv([run], tmp_path, tmp_path / label_map, *on))
        (row,) = read_json(tmp_path / label_map / "cross_domain.json")
        assert f"|set:mapillary/{label_map}-validation~h1536-crop1536x1536-as-robustnet|" in row["signature"]
        assert "|res:1536x1536|" in row["signature"]
        counts[label_map] = np.array(row["confusion"])
        has = any("mapillary/rein:validation, not" in text for text in row["deviations"])
        assert has == (label_map == "rein")
    assert counts["robustnet"].sum() == counts["robustnet"][0].sum() == 1536 * 1536
    lower_half = 768 * (1536 - 576)
    assert counts["rein"].sum() == counts["rein"][0].sum() == lower_half + 1536 * 576


@pytest.mark.parametrize("protocol", ["robustnet", None])
def test_only_sets_whose_labels_are_reshaped_are_prepared(protocol, datasets):
    sets = {"test": DatasetConfig(name="cityscapes", split="val")}
    assert Scoring(sets, datasets, protocol=protocol).preparation("test") is None


def test_changed_frames_are_scored_and_the_signature_says_so(make_run, datasets):
    model, _, meta = load_segmenter(make_run("camvid", "camvid11") / "checkpoints" / "last.pt")
    seen = []

    def cut(name, image, target):
        seen.append(name)
        return image[:16, :32], np.full((16, 32), 3, np.uint8)

    dataset = DatasetConfig(name="camvid", split="val")
    frames = eval_frames(dataset, datasets, None, meta["class_names"])
    scores = score(Predictor(model), frames, "camvid:val", prepare=Preparation("cut", cut))
    assert len(seen) == 3
    assert scores.confusion.sum() == scores.confusion[3].sum() == 3 * 16 * 32
    assert "|set:camvid-val~cut|" in scores.signature
    assert "|res:16x32|" in scores.signature


def test_a_checkpoint_chosen_on_the_target_is_refused_unless_asked_for(early, datasets, tmp_path):
    run = early(("bdd100k_semseg", "val"))
    sets = ["--on", "home=camvid:val", "away=bdd100k_semseg:val"]
    with pytest.raises(ConfigError, match=r"test set away.*--allow-target-selection"):
        main(_argv([run], datasets, tmp_path, *sets))


def test_an_allowed_choice_is_marked_in_row_signature_and_table(make_run, early, datasets, tmp_path):
    """Trained on gta5, watched on camvid."""
    run = early(None)
    content = torch.load(run, weights_only=True)
    content["config"]["data"] |= {
        "train": {"name": "gta5", "split": "train"},
        "val": {"name": "camvid", "split": "val"},
    }
    torch.save(content, run)
    more = ("--on", "camvid:val", "--allow-target-selection")
    with pytest.raises(ConfigError, match="chosen on the target"):
        main(_argv([run], datasets, tmp_path / "out", *more[:2]))
    main(_argv([run], datasets, tmp_path / "out", *more))
    (row,) = read_json(tmp_path / "out" / "cross_domain.json")
    assert row["selection"] == "chosen-on-target"
    assert row["signature"].endswith("|checkpoint:chosen-on-target")
    markdown = (tmp_path / "out" / "cross_domain.md").read_text()
    assert "(checkpoint chosen on the target)" in markdown


@pytest.mark.parametrize(
    ("val", "name", "selection"),
    [
        (("camvid", "val"), "best.pt", "best-on-source"),
        (("camvid", "val"), "iteration_7.pt", "iteration-7-of-40000"),
        (None, "best.pt", "iteration-7-of-40000"),
    ],
)
def test_other_choices_are_said_too(early, datasets, val, name, selection):
    sets = {"camvid:val": DatasetConfig(name="camvid", split="val")}
    (row,) = cross_domain([load_checkpoint(early(val, name))], Scoring(sets, datasets))
    assert row["selection"] == selection
    assert row["signature"].endswith(f"|checkpoint:{selection}")


def test_all_protocols_can_be_listed(capsys):
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["--list-protocols"])
    assert stopped.value.code == 0
    assert "optim.iterations = 40000 [scripts/train_r50os16_gtav_base.sh@8bcd90a]" in capsys.readouterr().out
