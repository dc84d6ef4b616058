"""A loaded network: pictures of every kind in, predictions that explain themselves out."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import segibn
from segibn.errors import CheckpointError, ConfigError, ImageFileError
from segibn.files.encode import write_image
from segibn.files.pictures import read_image, read_label_map
from segibn.labels.drawing import legend
from segibn.models.kernels.resize import resize_image
from segibn.models.layers import upsample


@pytest.fixture(scope="module")
def model(make_run, tmp_path_factory):
    return segibn.load(make_run(tmp_path_factory.mktemp("runs") / "t"), device="cpu")


def test_every_way_to_give_a_picture_gives_the_same_prediction(model, frame, tmp_path):
    write_image(tmp_path / "frame.png", frame)
    pictures = [
        frame,
        tmp_path / "frame.png",
        str(tmp_path / "frame.png"),
        Image.fromarray(frame),
        Image.fromarray(np.dstack([frame, np.full((40, 60), 9, np.uint8)]), "RGBA"),
        torch.from_numpy(frame).permute(2, 0, 1),
    ]
    expected = model.predict(frame).train_ids
    assert len(np.unique(expected)) > 1
    for picture in pictures:
        found = model.predict(picture)
        np.testing.assert_array_equal(found.train_ids, expected)
        np.testing.assert_array_equal(found.image, frame)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_predicted_upright(model, tmp_path, orientation):
    """Pillow's own turning is the reference; its decoder gives the same pixels for a PNG."""
    stored = np.random.default_rng(orientation).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(stored).save(path, exif=exif)
    upright = Image.open(path)
    upright.load()
    expected = np.asarray(ImageOps.exif_transpose(upright))
    np.testing.assert_array_equal(model.predict(path).image, expected)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(model.predict(opened).image, expected)
    assert expected.shape == ((60, 40, 3) if orientation > 4 else (40, 60, 3))


def test_a_list_gives_one_prediction_each_in_its_order(model, frame):
    tall = np.ascontiguousarray(frame.transpose(1, 0, 2))
    frames = [frame, frame[:, ::-1].copy(), tall, frame[::-1].copy(), frame]
    together = model.predict(frames, batch_size=2)
    for one, picture in zip(together, frames, strict=True):
        np.testing.assert_array_equal(one.train_ids, model.predict(picture).train_ids)
    assert model.predict([]) == []


def test_a_prediction_explains_itself(model, frame):
    result = model.predict(frame)
    assert result.train_ids.shape == (40, 60)
    assert result.class_names[3] == "road"
    np.testing.assert_array_equal(result.colors(), result.palette[result.train_ids])
    np.testing.assert_array_equal(result.mask("road"), result.train_ids == 3)
    assert sum(result.shares().values()) == pytest.approx(1)
    largest = max(result.shares().items(), key=lambda pair: pair[1])
    assert repr(result).startswith(f"Prediction(40x60: {largest[0]} {100 * largest[1]:.0f} %")
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert shown.width == 640
    present = np.unique(result.train_ids)
    key = legend([result.class_names[index] for index in present], result.palette[present], 640)
    np.testing.assert_array_equal(np.asarray(shown)[-len(key) :], key)
    corners = np.asarray(shown)[[0, -len(key) - 1]][:, [0, -1]]
    np.testing.assert_array_equal(corners, result.overlay()[[0, -1]][:, [0, -1]])
    with pytest.raises(KeyError, match="there are sky"):
        result.mask("rode")


def test_confidence_is_the_softmax_of_the_chosen_class(model, frame):
    sure = model.predict(frame, confidence=True)
    image = torch.from_numpy(frame).permute(2, 0, 1)[None]
    with torch.inference_mode():
        small = resize_image(model.module.normalize(image), (32, 48))
        coarse = model.module.coarse_logits(small)
        logits = upsample(coarse, (40, 60), align_corners=model.module.align_corners)
    probabilities = logits.softmax(dim=1)[0].numpy()
    np.testing.assert_array_equal(sure.train_ids, model.predict(frame).train_ids)
    chosen = np.take_along_axis(probabilities, sure.train_ids[None].astype(int), axis=0)[0]
    np.testing.assert_allclose(sure.confidence, chosen, atol=1e-4)
    assert model.predict(frame).confidence is None


def test_label_ids_are_those_of_a_data_set(make_run, frame, tmp_path):
    result = segibn.load(make_run(tmp_path / "g", "gta5", "cityscapes19")).predict(frame)
    official = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    np.testing.assert_array_equal(result.label_ids(), np.array(official)[result.train_ids])
    np.testing.assert_array_equal(result.label_ids("cityscapes"), result.label_ids())
    np.testing.assert_array_equal(result.label_ids("bdd100k_semseg"), result.train_ids)
    with pytest.raises(ConfigError, match="cannot be read in the classes"):
        result.label_ids("bdd100k_drivable", encoding="2018")
    drivable = segibn.load(make_run(tmp_path / "d", "bdd100k_drivable", "drivable3"))
    with pytest.raises(ConfigError, match="which data set's values"):
        drivable.predict(frame).label_ids()


def test_what_is_saved_reads_back(model, frame, tmp_path):
    result = model.predict(frame)
    result.save(tmp_path / "a" / "overlay.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a" / "overlay.png"), result.overlay())
    result.save(tmp_path / "labels.png", "labels")
    np.testing.assert_array_equal(read_label_map(tmp_path / "labels.png"), result.train_ids)
    result.save(tmp_path / "ids.png", "label_ids")
    np.testing.assert_array_equal(read_label_map(tmp_path / "ids.png"), result.label_ids())
    with pytest.raises(ValueError, match="a label map is a PNG"):
        result.save(tmp_path / "labels.jpg", "labels")
    with pytest.raises(ValueError, match="there are overlay"):
        result.save(tmp_path / "x.png", "mask")


def test_preprocessing_is_what_the_network_is_given(model, frame):
    assert (model.preprocessing.size, model.iteration) == ((32, 48), 5)
    given = model.preprocessing
    expected = (frame - np.array(given.mean)) / np.array(given.std)
    normalized = model.module.normalize(torch.from_numpy(frame).permute(2, 0, 1)[None])
    np.testing.assert_allclose(normalized[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)
    assert repr(model) == ("TrainedRun(t: resnet18, no IBN, fcn; 11 classes, iteration 5, on cpu)")
    assert model.to("cpu").device.type == "cpu"
    with pytest.raises(ConfigError, match="device tpu: this machine has cpu"):
        model.to("tpu")


GREY, WIDE = np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8)


@pytest.mark.parametrize(
    ("picture", "fix"),
    [
        (GREY, r"np\.stack\(\[image\] \* 3, axis=2\)"),
        (GREY[:, :, None], r"image\.repeat\(3, axis=2\)"),
        (WIDE, r"image\[:, :, :3\]"),
        (np.zeros((4, 5, 3)), r"image\.astype\(np\.uint8\)"),
        (np.zeros((3, 8, 9), np.uint8), r"image\.transpose\(1, 2, 0\)"),
        (torch.zeros(3, 8, 9), r"255 \* image"),
        (torch.zeros(2, 3, 8, 9, dtype=torch.uint8), r"list\(batch\)"),
        (Image.new("I", (5, 4)), "mode I"),
    ],
)
def test_a_picture_that_would_have_to_be_guessed_is_refused_with_the_fix(model, picture, fix):
    with pytest.raises(ValueError, match=fix):
        model.predict(picture)


def test_wrong_input_is_named(model, tmp_path):
    with pytest.raises(ImageFileError, match=r"nothing\.jpg"):
        model.predict(tmp_path / "nothing.jpg")
    with pytest.raises(ImageFileError, match="is a folder"):
        model.predict(tmp_path)
    with pytest.raises(TypeError, match="cannot predict a dict"):
        model.predict({})
    with pytest.raises(CheckpointError, match="no run or checkpoint"):
        segibn.load(tmp_path / "nothing")


def test_importing_the_package_loads_nothing_else():
    code = "import sys\nbefore = set(sys.modules)\nimport segibn\nprint(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'segibn'}"
    assert {"load", "build", "list_models"} <= set(dir(segibn))
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = segibn.lode
