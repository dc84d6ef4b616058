"""Label maps as polygons: what the readers of this package, and the tools' own rules, make of them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from segibn.annotations.writing import WRITERS, regions_of
from segibn.cli.main import main
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_label_map
from segibn.runs.export_labels import export_labels
from segibn.runs.import_labels import import_annotations

NAMES = ["road", "car", "sky"]


def _label_map(seed: int = 0, size: tuple[int, int] = (60, 90)) -> np.ndarray:
    """Blobs with holes and islands in them."""
    noise = np.random.default_rng(seed).normal(size=(3, *size)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 5) for plane in noise]).argmax(0).astype(np.uint8)


def _predictions(folder: Path, maps: dict[str, np.ndarray]) -> Path:
    for name, ids in maps.items():
        write_label_png(folder / "labels" / f"{name}.png", ids)
    (folder / "summary.json").write_text(json.dumps({"class_names": NAMES}))
    return folder


@pytest.mark.parametrize("kind", WRITERS)
def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, kind: str) -> None:
    maps = {f"a{seed}": _label_map(seed) for seed in range(3)}
    predictions = _predictions(tmp_path / "predictions", maps)
    for name in maps:
        write_image(tmp_path / "frames" / f"{name}.png", np.zeros((60, 90, 3), np.uint8))
    output = tmp_path / "frames" if kind == "labelme" else tmp_path / "out"
    how = {"images": tmp_path / "frames", "tolerance": 0.0, "smallest": 1}
    files, regions = export_labels(predictions, kind, output, **how)
    assert regions > 20
    source = output if kind == "labelme" else files[0]
    import_annotations(kind, source, tmp_path / "own", images=tmp_path / "frames")
    rows = {"labelme": ["car", "road", "sky"]}.get(kind, NAMES)
    for name, ids in maps.items():
        found = read_label_map(tmp_path / "own/labels" / f"{name}.png")
        expected = np.array([rows.index(n) + 1 for n in NAMES])[ids]
        wrong = (found != expected).mean()
        assert wrong == 0 if kind == "labelme" else wrong < 0.01  # half pixels, by the rule of COCO


def test_an_outline_is_off_by_no_more_than_the_tolerance() -> None:
    ids = np.zeros((120, 120), np.uint8)
    cv2.circle(ids, (60, 60), 45, 1, cv2.FILLED)
    regions = regions_of(ids, NAMES, tolerance=2.0)
    (disc,) = (region for region in regions if region.label == "car")
    assert len(disc.points) < 30
    drawn = np.zeros_like(ids)
    cv2.polylines(drawn, [disc.points.astype(np.int32)], True, 1)
    inner = cv2.morphologyEx(ids, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    outside = cv2.distanceTransform((~(inner & (ids == 1))).view(np.uint8), cv2.DIST_L2, 5)
    assert outside[drawn > 0].max() <= 3  # the tolerance, and the rounding of a pixel


def test_specks_are_left_to_what_is_around_them() -> None:
    ids = np.zeros((40, 40), np.uint8)
    ids[5:8, 5:8] = 1
    ids[20:30, 20:30] = 2
    assert [region.label for region in regions_of(ids, NAMES)] == ["road", "sky"]


def test_ignored_pixels_are_no_region() -> None:
    ids = np.full((20, 20), 255, np.uint8)
    ids[:10] = 0
    assert [region.label for region in regions_of(ids, NAMES)] == ["road"]


def test_the_verb_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    from segibn.errors import DatasetError

    with pytest.raises(DatasetError, match="no predictions in it; segibn predict"):
        main(["export-labels", str(tmp_path / "empty"), "--format", "coco", "--output", str(tmp_path / "o")])
    predictions = _predictions(tmp_path / "p", {"a": _label_map()})
    write_image(tmp_path / "f/b.png", np.zeros((4, 4, 3), np.uint8))
    words = ["export-labels", str(predictions), "--format", "cvat", "--output", str(tmp_path / "o")]
    with pytest.raises(DatasetError, match="no frame 'a' in it, which was predicted"):
        main([*words, "--images", str(tmp_path / "f")])
    assert main(words) == 0
    assert "in 1 file below" in capsys.readouterr().out
