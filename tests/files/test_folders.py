"""Walking folders: each real folder and file once, and what is passed over is said."""

import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from segibn.cli.check import main
from segibn.data.datasets import camvid, cityscapes, folder, gta5
from segibn.data.datasets.source import Place
from segibn.errors import DatasetError
from segibn.files.folders import collect_passed_over, list_files, warned
from segibn.media.sources import find_sources


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (10, 8)).save(path)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Three frames, and four links that lead to what is there already."""
    root = tmp_path / "train"
    _touch(root / "a.png", root / "z/b.png", root / "z/deep/c.png")
    (root / "again").symlink_to(root)
    (root / "z/up").symlink_to("..")
    (root / "both").symlink_to(root / "z/deep")
    (root / "d.png").symlink_to(root / "a.png")
    return root


def test_what_several_names_lead_to_is_listed_once_by_its_own_name(linked: Path) -> None:
    with collect_passed_over() as passed_over:
        found = list_files(linked, (".png",), recursive=True)
    assert found == [linked / "a.png", linked / "z/b.png", linked / "z/deep/c.png"]
    assert {one.path.relative_to(linked).as_posix() for one in passed_over} == {
        "again", "z/up", "both", "d.png",
    }  # fmt: skip
    assert any(f"both (leads to {linked}/z/deep, which is read already)" in str(one)
               for one in passed_over)  # fmt: skip


def test_links_that_lead_nowhere_or_above_and_other_kinds_of_picture_are_said(tmp_path: Path) -> None:
    root = tmp_path / "set/train"
    _touch(root / "a.png", root / "b.jpeg", tmp_path / "set/val/c.png")
    for name, target in (("up", ".."), ("gone", "/no/such"), ("x", "y"), ("y", "x")):
        (root / name).symlink_to(target)
    (root / "lost.png").symlink_to("/no/such.png")
    with collect_passed_over() as passed_over:
        found = list_files(root, (".png",), recursive=True)
    assert found == [root / "a.png", root / "lost.png"]  # which whoever reads it refuses
    said = {one.path.name: one.reason for one in passed_over}
    assert said == {
        "b.jpeg": "a picture, but not *.png",
        "up": f"leads to {tmp_path}/set, which it lies in",
        "gone": "a link to /no/such, which is not there",
        "x": "a link to y, which is not there",
        "y": "a link to x, which is not there",
    }


def test_links_to_elsewhere_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path / "disk/1.png", tmp_path / "disk/2.png", tmp_path / "set/own.png")
    for name in ("a", "b"):
        (tmp_path / "set" / name).symlink_to(tmp_path / "disk")
    (tmp_path / "set/lone.png").symlink_to(tmp_path / "disk/1.png")
    found = list_files(tmp_path / "set", (".png",), recursive=True)
    assert found == [tmp_path / "set" / name for name in ("a/1.png", "a/2.png", "own.png")]


def test_prediction_and_data_sets_walk_alike(linked: Path) -> None:
    listed = list_files(linked, (".png",), recursive=True)
    assert [source.path for source in find_sources([linked]).sources] == listed
    assert sorted(Place("", ".png").files(linked).values()) == listed


def test_what_is_passed_over_is_logged_once_and_shown_by_check(
    linked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    _touch(linked / ".hidden.png")
    (linked / "frame.heic").touch()
    _touch(*(tmp_path / "masks" / name for name in ("a.png", "z/b.png", "z/deep/c.png")))
    warned.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            list_files(linked, (".png",), recursive=True)
    assert len(caplog.records) == 1
    assert "5 names passed over" in caplog.text
    config = tmp_path / "own.yaml"
    config.write_text(
        "data: {train: {name: folder, folder: {images: train, targets: masks, labels: ["
        "{name: a, label_id: 0, train_id: 0}, {name: b, label_id: 1, train_id: 1}]}}}"
    )
    main([str(config), "--datasets", str(tmp_path), "--jobs", "1"])
    said = capsys.readouterr().out
    for text in ("frame.heic (a picture of a kind", ".hidden.png (hidden)", "again (leads to"):
        assert text in said


def test_suffixes_are_compared_without_regard_to_case_everywhere(tmp_path: Path) -> None:
    names = ("leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.PNG",
             "gtFine/val/ulm/ulm_000000_000019_gtFine_LABELIDS.png")  # fmt: skip
    _touch(*(tmp_path / "cityscapes" / name for name in names))
    _touch(tmp_path / "camvid/val/1.PNG", tmp_path / "camvid/valannot/1.png")
    _touch(tmp_path / "gta5/images/00001.PNG", tmp_path / "gta5/labels/00001.Png")
    _touch(tmp_path / "own/f.JPG.png", tmp_path / "own/g.PNG", tmp_path / "own/h.BMP")
    (tmp_path / "own/g.PNG").rename(tmp_path / "own/g.JPG")
    for stem in ("f.JPG", "g", "h"):
        _touch(tmp_path / f"masks/{stem}_Mask.PNG")
    found = [
        cityscapes.SOURCE.find(tmp_path / "cityscapes", "val"),
        camvid.SOURCE.find(tmp_path / "camvid", "val"),
        gta5.SOURCE.find(tmp_path / "gta5", "all"),
        folder.find(tmp_path, "x", images="own", targets="masks", target_suffix="_mask.png"),
    ]
    assert [len(pairing.samples) for pairing in found] == [1, 1, 1, 3]
    assert not any(pairing.orphans for pairing in found)


@pytest.mark.parametrize("names", [("a.png", "A.PNG"), ("a.png", "A.png"), ("f.png", "f.PNG")])
def test_names_that_differ_in_case_alone_are_an_error_that_names_both(names: tuple[str, str], tmp_path: Path) -> None:
    _touch(*(tmp_path / "images" / name for name in names), tmp_path / "masks/a.png")
    for find in (
        lambda: Place("images", ".png").files(tmp_path / "images"),
        lambda: folder.find(tmp_path, "x", images="images", targets="masks"),
    ):
        with pytest.raises(DatasetError) as caught:
            find()
        assert all(name in str(caught.value) for name in names)


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    _touch(tmp_path / "set/a.png", tmp_path / "set/b/c.png")
    (tmp_path / "set/b").chmod(0)
    if os.access(tmp_path / "set/b", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(DatasetError, match="cannot be read"):
        list_files(tmp_path / "set", (".png",), recursive=True)
