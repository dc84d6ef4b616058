"""Mapillary Vistas: both releases' folders, both public maps, palette PNGs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.builders.loader import build_eval_frames
from segibn.cli.check import main as check
from segibn.config.data import DatasetConfig
from segibn.data.datasets import mapillary
from segibn.data.datasets.mapillary import MAPILLARY65
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.runs.sets import parse_labelled_set

ID = "0035fkbjWljhaftpVM37-{}"


@pytest.fixture
def make_mapillary(root: Path) -> Callable[..., Path]:
    def make(labels: str = "labels", split: str = "validation", values: int = 66) -> Path:
        own = root / "mapillary" / split
        palette = np.array([row.color for row in MAPILLARY65.labels], np.uint8)
        pattern = np.arange(values, dtype=np.uint8).reshape(2, -1)
        for i in range(2):
            write_image(own / "images" / f"{ID.format(i)}.jpg", np.zeros((*pattern.shape, 3), "u1"))
            if split != "testing":
                write_label_png(own / labels / f"{ID.format(i)}.png", pattern, palette)
        return root / "mapillary"

    return make


@pytest.mark.parametrize("labels", ["labels", "v1.2/labels"])
def test_both_releases_are_found(make_mapillary: Callable[..., Path], labels: str, index: Callable[..., list]) -> None:
    own = make_mapillary(labels)
    first, second = index(mapillary.SOURCE.find, own, "validation")
    assert (first.name, second.name) == (ID.format(0), ID.format(1))
    assert first.target == own / "validation" / labels / f"{ID.format(0)}.png"


def test_label_maps_of_v2_alone_are_refused_with_the_fix(
    make_mapillary: Callable[..., Path], index: Callable[..., list]
) -> None:
    own = make_mapillary("v2.0/labels")
    with pytest.raises(DatasetError, match=r"v2\.0 only.*124.*v1\.2/labels"):
        index(mapillary.SOURCE.find, own, "validation")


def test_v2_beside_v1_is_passed_over(make_mapillary: Callable[..., Path], index: Callable[..., list]) -> None:
    make_mapillary("v2.0/labels")
    own = make_mapillary("v1.2/labels")
    assert all("v1.2" in str(s.target) for s in index(mapillary.SOURCE.find, own, "validation"))


def test_the_test_split_has_no_labels(make_mapillary: Callable[..., Path], index: Callable[..., list]) -> None:
    own = make_mapillary(split="testing")
    assert [s.target for s in index(mapillary.SOURCE.find, own, "testing")] == [None, None]


def test_a_frame_without_label_map_is_named_with_both_paths(
    make_mapillary: Callable[..., Path], index: Callable[..., list]
) -> None:
    own = make_mapillary("v1.2/labels")
    gone = own / "validation/v1.2/labels" / f"{ID.format(1)}.png"
    gone.unlink()
    with pytest.raises(DatasetError, match=f"has no label map {gone}"):
        index(mapillary.SOURCE.find, own, "validation")


@pytest.mark.parametrize(
    ("label_map", "differ"),
    [
        ("robustnet", {13: 0, 24: 0, 41: 0, 2: 1, 15: 1, 45: 5, 47: 5, 50: 7, 8: 255, 44: 255}),
        ("rein", {41: 255, 8: 0, 10: 0, 7: 0, 14: 0, 23: 0, 9: 1, 11: 1, 44: 5, 46: 7, 49: 7}),
    ],
)
def test_frames_are_read_by_the_map_that_is_named(
    make_mapillary: Callable[..., Path], root: Path, label_map: str, differ: dict[int, int]
) -> None:
    make_mapillary()
    _, dataset = parse_labelled_set(f"mapillary/{label_map}:validation")
    assert dataset.title == f"mapillary/{label_map}:validation"
    for _, _, target in build_eval_frames(dataset, root, "cityscapes19"):
        flat = target.ravel()
        assert {value: int(flat[value]) for value in differ} == differ


def test_no_map_is_ever_assumed(make_mapillary: Callable[..., Path], root: Path) -> None:
    make_mapillary()
    with pytest.raises(ConfigError, match=r"robustnet or rein.*label_map.*mapillary/robustnet"):
        build_eval_frames(DatasetConfig(name="mapillary", split="validation"), root)


@pytest.mark.parametrize(
    ("text", "says"), [("mapillary/mseg:validation", "has robustnet and rein"), ("camvid/rein:val", "camvid has none")]
)
def test_a_map_that_does_not_exist_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_labelled_set(text)


def test_a_check_needs_no_map_and_names_values_of_v2(
    make_mapillary: Callable[..., Path], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_mapillary()
    make_mapillary(split="testing")
    assert check(["mapillary", "--datasets", str(root), "--jobs", "1"]) == 0
    assert "Lane Marking - Crosswalk" in capsys.readouterr().out
    make_mapillary(values=68)
    assert check(["mapillary", "--datasets", str(root), "--jobs", "1"]) == 1
    assert "value 66" in capsys.readouterr().out
