"""Recipes, ensembles and batches on the command line."""

import zipfile

import cv2
import numpy as np
import pytest

from segibn.builders.checkpoints import load_segmenter
from segibn.cli import compare_inference, cross_domain, evaluate, predict, submit
from segibn.errors import ConfigError
from segibn.files.pictures import read_image, read_label_map
from segibn.files.writing import read_json
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import Predictor


@pytest.fixture
def runs(make_run):
    return [make_run("camvid", "camvid11"), make_run("camvid", "camvid11", "a", seed=1)]


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "views.yaml"
    path.write_text("scales: [0.75, 1.0]\nflip: true\nbatch_size: 2\n")
    return path


def score(run, datasets, tmp_path, *more):
    output = tmp_path / "scores.json"
    argv = [str(run), "--datasets", str(datasets), "--device", "cpu", "--output", str(output)]
    assert evaluate.main([*argv, *map(str, more)]) == 0
    return read_json(output)


def test_an_ensemble_is_scored_signed_and_recorded(runs, datasets, tmp_path, recipe):
    scores = score(runs[0], datasets, tmp_path, "--recipe", recipe, "--ensemble", runs[1])
    assert "|infer:whole-ensemble2|scales:0.75,1.0|flip:yes|" in scores["signature"]
    members = [scores, *scores["ensemble"]]
    assert [(member["ibn"], member["seed"]) for member in members] == [("none", 0), ("a", 1)]
    assert len({member["checkpoint_sha256"] for member in members}) == 2
    assert scores["inference"]["batch_size"] == 2
    networks = [load_segmenter(run / "checkpoints" / "last.pt")[0] for run in runs]
    both = Predictor(networks, options=InferenceOptions(scales=(0.75, 1.0), flip=True))
    right = 0
    for path in sorted((datasets / "camvid" / "val").iterdir()):
        target = read_image(datasets / "camvid" / "valannot" / path.name)[..., 0]
        right += (both(read_image(path)) == target)[target < 11].sum()
    assert np.trace(np.array(scores["confusion"])[:, :11]) == pytest.approx(right, abs=3)


def test_a_recipe_may_name_the_first_network_among_its_ensemble(runs, datasets, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(f"ensemble: [{', '.join(map(str, runs))}]\n")
    scores = score(runs[0], datasets, tmp_path, "--recipe", path)
    assert [member["ibn"] for member in scores["ensemble"]] == ["a"]
    with pytest.raises(ConfigError, match="give it once"):
        score(runs[0], datasets, tmp_path, "--ensemble", runs[0])


def test_networks_of_other_classes_are_not_averaged(runs, make_run, datasets, tmp_path):
    other = make_run("gta5", "cityscapes19")
    with pytest.raises(ConfigError, match="know different classes"):
        score(runs[0], datasets, tmp_path, "--ensemble", other)


def test_a_recipe_with_an_ensemble_is_refused_where_each_is_scored_by_itself(runs, datasets, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(f"ensemble: [{runs[1]}]\n")
    argv = [str(runs[0]), "--on", "camvid:val", "--datasets", str(datasets), "--recipe", str(path)]
    with pytest.raises(ConfigError, match="scored by itself"):
        cross_domain.main([*argv, "--device", "cpu"])


def test_batches_give_the_counts_of_single_frames(runs, datasets, tmp_path):
    one = score(runs[1], datasets, tmp_path)
    many = score(runs[1], datasets, tmp_path, "--batch-size", 2)  # of three frames
    assert one["signature"] == many["signature"]
    moved = np.abs(np.array(one["confusion"]) - np.array(many["confusion"])).sum()
    assert moved <= 4  # of 9216 pixels: equally good classes, rounded otherwise


def test_predict_and_submission_use_recipe_and_ensemble(make_run, datasets, tmp_path, recipe):
    runs = [make_run("bdd100k_drivable", "drivable3", ibn) for ibn in ("none", "b")]
    images = datasets / "bdd100k" / "images" / "100k" / "test"
    common = [str(runs[0]), "--images", str(images), "--device", "cpu"]
    more = ["--recipe", str(recipe), "--ensemble", str(runs[1])]
    out, archive = tmp_path / "out", tmp_path / "wad.zip"
    assert predict.main([*common, *more, "--output", str(out)]) == 0
    assert submit.main(["wad", *common, *more, "--output", str(archive)]) == 0
    networks = [load_segmenter(run / "checkpoints" / "last.pt")[0] for run in runs]
    options = InferenceOptions(scales=(0.75, 1.0), flip=True)
    expected = Predictor(networks, options=options)
    with zipfile.ZipFile(archive) as file:
        for path in images.iterdir():
            content = file.read(f"{path.stem}_drivable_id.png")
            submitted = cv2.imdecode(np.frombuffer(content, np.uint8), -1)
            written = read_label_map(out / "labels" / f"{path.stem}.png")
            wanted = expected(read_image(path))
            assert (submitted == wanted).mean() > 0.999
            assert (written == wanted).mean() > 0.999


def test_ways_are_compared_in_one_table(runs, datasets, tmp_path, recipe, capsys):
    plain = tmp_path / "plain.yaml"
    plain.write_text("flip: false\n")
    out = tmp_path / "out"
    argv = [*map(str, runs), "--on", "home=camvid:val", "--datasets", str(datasets)]
    argv += ["--recipes", str(plain), str(recipe), "--device", "cpu", "--output", str(out)]
    assert compare_inference.main(argv) == 0
    rows = read_json(out / "inference.json")
    assert [(row["ibn"], row["way"]) for row in rows] == [
        ("none", "plain"),
        ("none", "views"),
        ("a", "plain"),
        ("a", "views"),
    ]
    assert rows[0]["confusion"] == score(runs[0], datasets, tmp_path)["confusion"]
    table = (out / "inference.md").read_text()
    change = 100 * (rows[3]["miou"] - rows[2]["miou"])
    assert f"IBN-a | home | {100 * rows[2]['miou']:.1f} | " in table
    assert f"({change:+.1f}) |" in table
    assert "- views: `infer:whole|scales:0.75,1.0|flip:yes`" in table
    assert table in capsys.readouterr().out
    assert read_json(out / "conditions.json")["ways"]["views"]["scales"] == [0.75, 1.0]


VERBS = {
    "evaluate": (evaluate, ["RUN"]),
    "cross-domain": (cross_domain, ["RUN", "--on", "camvid:val"]),
    "compare-inference": (compare_inference, ["RUN", "--on", "camvid:val", "--recipes", "RECIPE"]),
    "predict": (predict, ["RUN", "IMAGES", "--output", "OUT"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_size_given_as_width_by_height_is_refused_before_anything_is_written(runs, datasets, tmp_path, recipe, verb):
    module, words = VERBS[verb]
    out = tmp_path / "out"
    places = {"RUN": runs[0], "RECIPE": recipe, "IMAGES": datasets / "camvid/val", "OUT": out}
    argv = [str(places.get(word, word)) for word in words] + ["--device", "cpu"]
    argv += [] if verb == "predict" else ["--datasets", str(datasets)]
    with pytest.raises(ConfigError) as refused:  # the frames are 48 high and 64 wide
        module.main([*argv, "--input-size", "64x48"])
    for part in ("64 high and 48 wide", "48 high and 64 wide", "mean --input-size 48x64"):
        assert part in str(refused.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("size", "frames", "is_refused"),
    [
        ((1024, 512), [(1024, 2048)], True),
        ((512, 1024), [(1024, 2048)], False),
        ((768, 768), [(720, 1280)], False),
        ((512, 1024), [(375, 1242)], False),  # KITTI: flatter, but not turned
        ((640, 480), [(720, 1280)], True),
        ((512, 1024), [(1280, 720)], True),  # a telephone held upright
        ((512, 1024), [(1280, 720), (720, 1280)], False),  # some of them fit
        (None, [(720, 1280)], False),
    ],
)
def test_only_a_size_that_fits_turned_is_refused(size, frames, is_refused):
    options = InferenceOptions(input_size=size)
    if is_refused:
        with pytest.raises(ConfigError, match=f"--input-size {size[1]}x{size[0]} "):
            options.require_upright(frames, "a folder")
    else:
        options.require_upright(frames, "a folder")
