"""A user's own folders: side by side, one in the other, or both the same."""

import logging
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from segibn.data.datasets import folder
from segibn.errors import DatasetError

# What each layout holds: files, and the options that describe it. Every one has frames a and b.
LAYOUTS = {
    "one folder": (("d/a.png", "d/a_mask.png", "d/b.png", "d/b_mask.png"), {
        "images": "d", "targets": "d", "target_suffix": "_mask.png"}),
    "its images named": (("d/a.png", "d/a_mask.png", "d/b.png", "d/b_mask.png"), {
        "images": "d", "targets": "./d", "target_suffix": "_mask.png", "image_suffix": ".png"}),
    "images end in more": (("d/a_rgb.png", "d/a.png", "d/b_rgb.png", "d/b.png"), {
        "images": "d", "targets": "d", "image_suffix": "_rgb.png"}),
    "JPEG and PNG": (("d/a.jpg", "d/a.png", "d/b.jpg", "d/b.png"), {"images": "d", "targets": "d"}),
    "capitals": (("d/a.PNG", "d/a_MASK.PNG", "d/b.png", "d/b_mask.png"), {
        "images": "d", "targets": "d", "target_suffix": "_mask.png"}),
    "masks below": (("d/a.png", "d/masks/a.png", "d/b.png", "d/masks/b.png"), {
        "images": "d", "targets": "d/masks"}),
    "images below": (("d/a.png", "d/rgb/a.png", "d/b.png", "d/rgb/b.png"), {
        "images": "d/rgb", "targets": "d"}),
    "side by side": (("i/a.jpg", "l/a.png", "i/b.png", "l/b.png"), {"images": "i", "targets": "l"}),
}  # fmt: skip


def _touch(root: Path, files: Sequence[str]) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_file_is_an_image_or_a_label_map_in_every_layout(
    layout: str, tmp_path: Path, index: Callable[..., list]
) -> None:
    files, options = LAYOUTS[layout]
    _touch(tmp_path, files)
    found = index(folder.find, tmp_path, "train", **options)
    assert [sample.name for sample in found] == ["a", "b"]
    used = [path for sample in found for path in (sample.image, sample.target)]
    assert sorted(used) == sorted(tmp_path / file for file in files)


def test_names_that_look_alike_are_one_and_other_kinds_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, index: Callable[..., list]
) -> None:
    composed, taken_apart = (unicodedata.normalize(form, "d/ü") for form in ("NFC", "NFD"))
    _touch(tmp_path, (f"i{composed}.jpg", f"l{taken_apart}.png", "id/b.jpeg", "ld/b.tif"))
    options = {"images": "id", "targets": "ld", "image_suffix": ".jpg"}
    with caplog.at_level(logging.WARNING):
        (sample,) = index(folder.find, tmp_path, "train", **options)
    assert (sample.name, sample.image.stem) == ("ü", "ü")
    assert "b.jpeg (a picture, but not *.jpg)" in caplog.text
    assert "b.tif (a picture, but not *.png)" in caplog.text


def test_further_maps_of_a_frame_are_passed_over_but_no_frame_that_lacks_its_image(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, index: Callable[..., list]
) -> None:
    _touch(tmp_path, ("i/a.jpg", "l/a_gt.png", "l/a_inst_gt.png", "l/a_b_color_gt.png"))
    options = {"images": "i", "targets": "l", "target_suffix": "_gt.png"}
    with caplog.at_level(logging.WARNING):
        (sample,) = index(folder.find, tmp_path, "train", **options)
    assert sample.target == tmp_path / "l/a_gt.png"
    assert "passed over 2 further maps of frames that have their label map" in caplog.text
    _touch(tmp_path, ("l/ab_gt.png",))
    with pytest.raises(DatasetError, match=r"1 file of split .*\n.*l/ab_gt.png has no image"):
        index(folder.find, tmp_path, "train", **options)
    (tmp_path / "l/a_gt.png").unlink()
    with pytest.raises(DatasetError, match=r"4 files of split"):
        index(folder.find, tmp_path, "train", **options)


@pytest.mark.parametrize(
    ("files", "options", "says"),
    [
        (("d/a.png",), {"images": "d", "targets": "d", "image_suffix": ".png"}, "both end in"),
        (("d/a.png",), {"images": "d", "targets": "d"}, r"all of its 1 file end as those of"),
        (
            ("i/a.png", "l/a_gt.png"),
            {"images": "i", "targets": "l", "target_suffix": "_mask.png"},
            r"none of its 1 file is \*_mask\.png \(a_gt\.png, \.\.\.\)",
        ),
        (
            ("i/training/a.png", "i/validation/a.png", "l/a.png"),
            {"images": "i/{split}", "targets": "l"},
            "has training, validation, but no 'train'; did you mean 'training'",
        ),
        (("x/i/a.png", "x/l/a.png"), {"images": "i", "targets": "l"}, r"use --datasets \S+/x$"),
        (("i/a.png",), {"images": "i", "targets": "/nowhere/l"}, "no folder /nowhere/l"),
        (("i/a.png", "labels/a.png"), {"images": "i", "targets": "label"}, "mean 'labels'"),
        (("i/a.png", "i/a.jpg", "l/a.png"), {"images": "i", "targets": "l"}, "two files"),
    ],
)
def test_folders_that_do_not_fit_say_what_is_there(
    files: Sequence[str], options: dict[str, str], says: str, tmp_path: Path, index: Callable[..., list]
) -> None:
    _touch(tmp_path, files)
    with pytest.raises(DatasetError, match=says):
        index(folder.find, tmp_path, "train", **options)
