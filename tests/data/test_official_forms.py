"""Each data set in its exact official form: names, folders, values, and what is said if one lacks.

One row a data set and split; what only one of them can do is tested below the rows.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from segibn.builders.loader import build_eval_frames
from segibn.builders.sets import find_dataset, index_dataset
from segibn.cli.check import main as check
from segibn.config.data import DatasetConfig
from segibn.errors import DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.runs.sets import parse_evaluation_set

# Cityscapes' label ids, in train id order; the others of 0..33 are ignored.
EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
LABEL_IDS = {value: 255 for value in range(34)} | {v: i for i, v in enumerate(EVALUATED)}
# WildDash 2 goes on with 34..80; those that the authors' policy makes one of the 19 classes.
WILDDASH_BEYOND_CITYSCAPES = dict.fromkeys(range(34, 81), 255) | {
    34: 14, 35: 13, 38: 0, 41: 0, 43: 0, 45: 5, 46: 5, 47: 12, 48: 12, 49: 12, 52: 1, 56: 3, 58: 17,
    61: 0, 64: 0, 65: 1, 70: 0, 74: 0, 75: 0, 76: 0, 77: 1, 78: 9, 79: 0, 80: 1,
}  # fmt: skip
TRAIN_IDS = {**{value: value for value in range(19)}, 255: 255}


@dataclass(frozen=True)
class Form:
    """One frame on disk, below the data sets' root, and what must be read from it."""

    on: str
    """As on the command line."""
    name: str
    image: str
    target: str | None
    values: dict[int, int]
    """Value in the file -> train id; every value that the data set's files may hold."""

    def write(self, root: Path) -> Path:
        """Write image and label map; the label map has a row of pixels for each value."""
        rows = np.array(list(self.values), np.uint8)[:, None].repeat(3, 1)
        write_image(root / self.image, np.full((*rows.shape, 3), 90, np.uint8))
        if self.target is not None:
            write_label_png(root / self.target, rows)
        return root / self.image


FORMS = [
    *(
        Form(
            f"acdc:{split}-{condition}",
            "GOPR0475_frame_000041",
            f"acdc/rgb_anon/{condition}/{split}/GOPR0475/GOPR0475_frame_000041_rgb_anon.png",
            f"acdc/gt/{condition}/{split}/GOPR0475/GOPR0475_frame_000041_gt_labelTrainIds.png",
            TRAIN_IDS,
        )
        for split, condition in [("train", "fog"), ("val", "night")]
    ),
    Form(
        "acdc:test-rain",
        "GP010400_frame_000616",
        "acdc/rgb_anon/rain/test/GP010400/GP010400_frame_000616_rgb_anon.png",
        None,
        TRAIN_IDS,
    ),
    Form(
        "dark_zurich:val",
        "GOPR0356_frame_000321",
        "dark_zurich/rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "dark_zurich/gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png",
        TRAIN_IDS,
    ),
    Form(
        "dark_zurich:test",
        "GP010364_frame_000409",
        "dark_zurich/rgb_anon/test/night/GP010364/GP010364_frame_000409_rgb_anon.png",
        None,
        TRAIN_IDS,
    ),
    Form(
        "nighttime_driving:test",
        "0_frame_0205",
        "nighttime_driving/leftImg8bit/test/night/0_frame_0205_leftImg8bit.png",
        "nighttime_driving/gtCoarse_daytime_trainvaltest/test/night/0_frame_0205_gtCoarse_labelTrainIds.png",
        TRAIN_IDS,
    ),
    Form(
        "idd:train",
        "0/005506",
        "idd/leftImg8bit/train/0/005506_leftImg8bit.png",
        "idd/gtFine/train/0/005506_gtFine_labelcsTrainIds.png",
        TRAIN_IDS,
    ),
    Form(
        "idd:val",
        "119/frame0029",
        "idd/leftImg8bit/val/119/frame0029_leftImg8bit.jpg",
        "idd/gtFine/val/119/frame0029_gtFine_labelcsTrainIds.png",
        TRAIN_IDS,
    ),
    *(
        Form(
            f"foggy_cityscapes:{split}-{beta}",
            f"{city}_000000_000294",
            f"cityscapes/leftImg8bit_foggy/{split}/{city}/{city}_000000_000294_leftImg8bit_foggy_beta_{beta}.png",
            f"cityscapes/gtFine/{split}/{city}/{city}_000000_000294_gtFine_labelIds.png",
            LABEL_IDS,
        )
        for split, city, beta in [("train", "aachen", "0.005"), ("val", "frankfurt", "0.02")]
    ),
    Form(
        "foggy_cityscapes:test-0.01",
        "berlin_000000_000019",
        "cityscapes/leftImg8bit_foggy/test/berlin/berlin_000000_000019_leftImg8bit_foggy_beta_0.01.png",
        None,
        LABEL_IDS,
    ),
    Form(
        "wilddash2:all",
        "ar0000_100000",
        "wilddash2/images/ar0000_100000.jpg",
        "wilddash2/labels/ar0000_100000_labelIds.png",
        LABEL_IDS | WILDDASH_BEYOND_CITYSCAPES,
    ),
    Form(
        "kitti:training",
        "000007_10",
        "kitti/training/image_2/000007_10.png",
        "kitti/training/semantic/000007_10.png",
        LABEL_IDS,
    ),
    Form("kitti:testing", "000199_10", "kitti/testing/image_2/000199_10.png", None, LABEL_IDS),
    Form("urbansyn:all", "0043", "urbansyn/rgb/rgb_0043.png", "urbansyn/ss/ss_0043.png", TRAIN_IDS | {19: 255}),
]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.on)
LABELLED = [form for form in FORMS if form.target is not None]
labelled = pytest.mark.parametrize("form", LABELLED, ids=lambda form: form.on)


@forms
def test_a_frame_is_found_under_its_name(form: Form, root: Path) -> None:
    form.write(root)
    (sample,) = index_dataset(parse_evaluation_set(form.on), root)
    assert sample.name == form.name
    assert sample.image == root / form.image
    assert sample.target == (None if form.target is None else root / form.target)


@labelled
def test_every_value_becomes_its_train_id(form: Form, root: Path) -> None:
    form.write(root)
    ((name, image, target),) = build_eval_frames(parse_evaluation_set(form.on), root)
    assert (name, image.shape) == (form.name, (len(form.values), 3, 3))
    assert dict(zip(form.values, target[:, 0].tolist(), strict=True)) == form.values


def _twin(form: Form) -> Form:
    """The same form with another frame."""
    name = form.name[:-1] + ("2" if form.name[-1] == "1" else "1")
    image, target = form.image.replace(form.name, name), str(form.target).replace(form.name, name)
    assert image != form.image
    return replace(form, name=name, image=image, target=target)


@labelled
def test_a_file_without_its_partner_is_named_with_the_place_it_belongs(form: Form, root: Path) -> None:
    _twin(form).write(root)  # one whole sample, so that the split is there
    image, target = form.write(root), root / str(form.target)
    content = target.read_bytes()
    target.unlink()
    with pytest.raises(DatasetError) as caught:
        index_dataset(parse_evaluation_set(form.on), root)
    assert f"image {image} has no label map {target}" in str(caught.value)
    target.write_bytes(content)
    image.unlink()
    with pytest.raises(DatasetError) as caught:
        index_dataset(parse_evaluation_set(form.on), root)
    assert f"label map {target} has no image {image.with_suffix('')}" in str(caught.value)


@forms
def test_no_folder_says_layout_and_address(form: Form, root: Path) -> None:
    with pytest.raises(DatasetError, match=r"The layout expected there:[\s\S]*https?://"):
        index_dataset(parse_evaluation_set(form.on), root)


@forms
def test_check_accepts_it_and_finds_a_value_that_does_not_belong(
    form: Form, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form.write(root)
    name, split = form.on.split(":")
    arguments = [name, "--split", split, "--datasets", str(root), "--jobs", "1"]
    assert check(arguments) == 0
    if form.target is None:
        return
    size = (len(form.values), 3)
    write_label_png(root / form.target, np.full(size, 200, np.uint8))
    assert check(arguments) == 1
    assert "value 200" in capsys.readouterr().out


def test_acdc_pools_its_four_conditions(root: Path) -> None:
    for number, condition in enumerate(("fog", "night", "rain", "snow")):
        stem = f"GOPR0{number}_frame_000001"
        Form(
            "acdc:val",
            stem,
            f"acdc/rgb_anon/{condition}/val/GOPR0{number}/{stem}_rgb_anon.png",
            f"acdc/gt/{condition}/val/GOPR0{number}/{stem}_gt_labelTrainIds.png",
            TRAIN_IDS,
        ).write(root)
    # The frames of good weather beside them are not part of it.
    write_image(
        root / "acdc/rgb_anon/fog/val_ref/GOPR00/GOPR00_frame_000001_rgb_ref_anon.png", np.zeros((4, 4, 3), np.uint8)
    )
    pooled = index_dataset(DatasetConfig(name="acdc", split="val"), root)
    assert [s.name[:6] for s in pooled] == ["GOPR00", "GOPR01", "GOPR02", "GOPR03"]
    assert check(["acdc", "--datasets", str(root), "--jobs", "1"]) == 0


def test_acdc_with_a_part_of_its_conditions_says_which_split_to_take(root: Path) -> None:
    FORMS[1].write(root)
    with pytest.raises(DatasetError, match=r"fog/val.*all four.*'val-night'"):
        find_dataset(DatasetConfig(name="acdc", split="val"), root)


def test_idd_keeps_frames_of_one_number_in_two_drives_apart(root: Path) -> None:
    for drive in ("0", "1"):
        Form(
            "idd:val",
            f"{drive}/005506",
            f"idd/leftImg8bit/val/{drive}/005506_leftImg8bit.png",
            f"idd/gtFine/val/{drive}/005506_gtFine_labelcsTrainIds.png",
            TRAIN_IDS,
        ).write(root)
    found = index_dataset(DatasetConfig(name="idd", split="val"), root)
    assert [s.name for s in found] == ["0/005506", "1/005506"]
    assert all(s.target and s.target.parent.name == s.name[0] for s in found)


@pytest.mark.parametrize("file", ["005506_gtFine_polygons.json", "005506_gtFine_labelids.png"])
def test_idd_without_painted_label_maps_says_the_command(root: Path, file: str) -> None:
    write_image(root / "idd/leftImg8bit/val/0/005506_leftImg8bit.png", np.zeros((2, 2, 3), "u1"))
    (root / "idd/gtFine/val/0").mkdir(parents=True)
    (root / "idd/gtFine/val/0" / file).write_bytes(b"{}")
    with pytest.raises(DatasetError, match=rf"{file}.*createLabels\.py.*csTrainId"):
        index_dataset(DatasetConfig(name="idd", split="val"), root)


def test_foggy_cityscapes_keeps_its_three_densities_apart(root: Path) -> None:
    for beta in ("0.005", "0.01", "0.02"):
        name = "ulm_000000_000019"
        folder = "cityscapes/leftImg8bit_foggy/train/ulm"
        write_image(root / folder / f"{name}_leftImg8bit_foggy_beta_{beta}.png", np.zeros((2, 2, 3), "u1"))
    write_label_png(root / f"cityscapes/gtFine/train/ulm/{name}_gtFine_labelIds.png", np.zeros((2, 2), "u1"))
    for beta in ("0.005", "0.01", "0.02"):
        dataset = DatasetConfig(name="foggy_cityscapes", split=f"train-{beta}")
        (sample,) = index_dataset(dataset, root)
        assert sample.image.stem.endswith(f"beta_{beta}")
    both = DatasetConfig(name="foggy_cityscapes", split="train-0.01+train-0.02")
    with pytest.raises(DatasetError, match="stands in two"):
        index_dataset(both, root)


def test_a_check_of_foggy_cityscapes_passes_over_densities_that_are_not_there(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (form,) = (form for form in FORMS if form.on == "foggy_cityscapes:val-0.02")
    form.write(root)
    assert check(["foggy_cityscapes", "--datasets", str(root), "--jobs", "1"]) == 0
    assert capsys.readouterr().out.count("all good") == 1
    with pytest.raises(DatasetError, match=r"no \*_leftImg8bit_foggy_beta_0\.01\.png below"):
        index_dataset(DatasetConfig(name="foggy_cityscapes", split="val-0.01"), root)


def test_wilddash2_without_label_maps_says_the_command_that_makes_them(root: Path) -> None:
    write_image(root / "wilddash2/images/ar0000_100000.jpg", np.zeros((2, 2, 3), "u1"))
    (root / "wilddash2/panoptic.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"pano2sem\.py.*--outp_dir_sem .*wilddash2/labels"):
        index_dataset(DatasetConfig(name="wilddash2", split="all"), root)


def test_urbansyn_with_label_files_renamed_as_the_frames_is_found_too(root: Path) -> None:
    write_image(root / "urbansyn/rgb/rgb_0001.png", np.zeros((2, 2, 3), "u1"))
    write_label_png(root / "urbansyn/ss/rgb_0001.png", np.zeros((2, 2), "u1"))
    (sample,) = index_dataset(DatasetConfig(name="urbansyn", split="all"), root)
    assert (sample.name, sample.target) == ("0001", root / "urbansyn/ss/rgb_0001.png")
