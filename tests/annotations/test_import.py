"""Annotations of other tools: every format from its file to label maps, and what is wrong in them."""

import base64
import io
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from segibn.builders.sets import build_label_set, index_dataset
from segibn.cli.main import main
from segibn.config.load import load_config
from segibn.errors import DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_image, read_label_map
from segibn.runs.import_labels import import_annotations

H, W = 40, 60
Polygon = list[list[float]]


def _frames(folder: Path, *names: str, size: tuple[int, int] = (H, W)) -> None:
    for name in names:
        write_image(folder / name, np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8))


def _random_polygons(count: int, seed: int = 0) -> list[Polygon]:
    """Star-shaped, of 3 to 9 corners, some beyond the frame."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        n = random.integers(3, 10)
        angles = np.sort(random.uniform(0, 2 * np.pi, n))
        radius = random.uniform(2, 25, n)
        center = random.uniform((-5, -5), (W + 5, H + 5))
        corners = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        found.append(corners.round(2).tolist())
    return found


def _labels(output: Path, name: str) -> np.ndarray:
    return read_label_map(output / "labels" / f"{name}.png")


def _labelme(path: Path, shapes: list[dict[str, Any]], image: str, size: tuple[int, int] = (H, W)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shapes": shapes, "imagePath": image, "imageHeight": size[0], "imageWidth": size[1]}))


def _shape(label: str, points: Polygon, kind: str = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, **more}


def test_labelme_fills_as_pillow_and_later_shapes_cover_earlier_ones(tmp_path: Path) -> None:
    _frames(tmp_path / "in", "a.jpg")
    polygons = _random_polygons(30)
    names = ["road", "car", "tree"]
    shapes = [_shape(names[n % 3], polygon) for n, polygon in enumerate(polygons)]
    _labelme(tmp_path / "in/a.json", shapes, "C:\\work\\..\\a.jpg")
    found = import_annotations("labelme", tmp_path / "in", tmp_path / "own")
    assert load_config(found.config).data.val is None  # of one frame nothing can be held out
    expected = Image.new("L", (W, H))
    for n, polygon in enumerate(polygons):  # classes by name: car 1, road 2, tree 3
        value = {"car": 1, "road": 2, "tree": 3}[names[n % 3]]
        ImageDraw.Draw(expected).polygon([tuple(p) for p in polygon], outline=value, fill=value)
    assert np.array_equal(_labels(tmp_path / "own", "a"), np.asarray(expected))


def test_labelme_knows_rectangles_circles_masks_and_what_says_nothing(tmp_path: Path) -> None:
    _frames(tmp_path, "in/b/a.png", "in/alone.png")
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3] = 255
    packed = io.BytesIO()
    Image.fromarray(mask).save(packed, "PNG")
    shapes = [
        _shape("box", [[30, 20], [20, 10]], "rectangle"),
        _shape("disc", [[45, 20], [51, 20]], "circle"),
        _shape("mask", [[2, 30], [7, 33]], "mask", mask=base64.b64encode(packed.getvalue()).decode()),
        _shape("__ignore__", [[0, 0], [5, 0], [5, 5]]),
        _shape("_background_", [[22, 12], [26, 12], [26, 16], [22, 16]]),
        _shape("wire", [[0, 0], [9, 9]], "linestrip"),
    ]
    _labelme(tmp_path / "in/a.json", shapes, "a.png")
    found = import_annotations("labelme", tmp_path / "in", tmp_path / "own")
    labels = _labels(tmp_path / "own", "a")
    assert [row["name"] for row in found.rows] == ["_background_", "box", "disc", "mask", "ignored"]
    assert (labels[10:12, 20:31] == 1).all()
    assert (labels[13:16, 23:26] == 0).all()
    rows, columns = np.mgrid[:H, :W]
    distance = np.hypot(columns - 45, rows - 20)
    assert (labels[distance < 5] == 2).all()
    assert not (labels[distance > 7.5] == 2).any()
    assert (labels[31:33, 2:8] == 3).all()
    assert not (labels[30, 2:8] == 3).any()
    assert labels[1, 3] == 255
    assert any("linestrip left out" in note for note in found.notes)
    assert any("1 image without annotations" in note for note in found.notes)


def _coco(path: Path, annotations: list[dict[str, Any]], **image: Any) -> None:
    rows = [{"id": n, "image_id": 7, "category_id": 1, "iscrowd": 0, **row} for n, row in enumerate(annotations)]
    images = [{"id": 7, "file_name": "a.jpg", "height": H, "width": W, **image}]
    categories = [{"id": 5, "name": "car"}, {"id": 1, "name": "person"}]
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))


def test_coco_equals_its_own_api_for_polygons_run_lengths_and_crowds(tmp_path: Path) -> None:
    _frames(tmp_path, "a.jpg")
    polygons = [[x for point in polygon for x in point] for polygon in _random_polygons(20, seed=1)]
    crowd = np.zeros((H, W), np.uint8)
    crowd[:20] = 1
    packed = coco.encode(np.asfortranarray(crowd[::-1]))
    runs = [0, *np.diff([0, *(np.flatnonzero(np.diff(crowd.ravel(order="F"))) + 1), H * W]).tolist()]
    annotations = [
        {"segmentation": polygons[:2]},  # two parts of one object
        *({"segmentation": [polygon], "category_id": 5 if n % 2 else 1} for n, polygon in enumerate(polygons[2:])),
        {"segmentation": {"size": [H, W], "counts": packed["counts"].decode()}, "category_id": 5},
        {"segmentation": {"size": [H, W], "counts": runs}, "iscrowd": 1},
        {"segmentation": [], "bbox": [0, 0, 5, 5]},
    ]
    _coco(tmp_path / "coco.json", annotations)
    found = import_annotations("coco", tmp_path / "coco.json", tmp_path / "own")
    expected = np.where(crowd == 1, 255, 0).astype(np.uint8)  # crowds lie below all objects
    for row in annotations[:-3]:
        mask = coco.decode(coco.merge(coco.frPyObjects(row["segmentation"], H, W)))
        expected[mask == 1] = 2 if row.get("category_id") == 5 else 1
    expected[crowd[::-1] == 1] = 2
    assert np.array_equal(_labels(tmp_path / "own", "a"), expected)
    assert any("a box without a segmentation" in note for note in found.notes)


def _cvat(path: Path, body: str, head: str = "") -> None:
    labels = "".join(
        f"<label><name>{n}</name><color>{c}</color></label>" for n, c in [("road", "#804080"), ("car", "#00008e")]
    )
    image = f'<image id="0" name="x/a.jpg" width="{W}" height="{H}">{body}</image>'
    path.write_text(f"{head}<annotations><meta><task><labels>{labels}</labels></task></meta>{image}</annotations>")


def test_cvat_draws_by_z_order_with_boxes_and_masks(tmp_path: Path) -> None:
    _frames(tmp_path, "x/a.jpg")
    first, second = _random_polygons(2, seed=5)
    text = [";".join(f"{x},{y}" for x, y in polygon) for polygon in (first, second)]
    runs = "3,2,2,2,3"  # 3 x 4, along the rows
    body = (
        f'<polygon label="car" points="{text[0]}" z_order="2"/><polygon label="road" points="{text[1]}" z_order="1"/>'
        f'<mask label="car" rle="{runs}" left="50" top="30" width="4" height="3" z_order="3"/>'
        '<box label="road" xtl="0" ytl="36" xbr="9" ybr="40" z_order="0"/><polyline label="car" points="0,0;1,1"/>'
    )
    _cvat(tmp_path / "annotations.xml", body)
    found = import_annotations("cvat", tmp_path, tmp_path / "own")
    expected = np.zeros((H, W), np.uint8)
    for polygon, value in (([[0, 36], [9, 36], [9, 40], [0, 40]], 1), (second, 1), (first, 2)):
        expected[coco.decode(coco.frPyObjects([np.ravel(polygon).tolist()], H, W))[..., 0] == 1] = value
    expected[30:33, 50:54][np.array([[0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]], bool)] = 2
    assert np.array_equal(_labels(tmp_path / "own", "a"), expected)
    assert [row.get("color") for row in found.rows] == [[0, 0, 0], [128, 64, 128], [0, 0, 142], None]
    assert any("polyline left out" in note for note in found.notes)


def test_masks_of_cvat_are_read_by_their_colours(tmp_path: Path) -> None:
    _frames(tmp_path / "JPEGImages", "a.jpg")
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:10,20,30::\ncar:1,2,3::\n"
    )
    ids = np.random.default_rng(0).integers(0, 3, (H, W))
    picture = np.array([(0, 0, 0), (10, 20, 30), (1, 2, 3)], np.uint8)[ids]
    write_image(tmp_path / "SegmentationClass/a.png", picture)
    import_annotations("cvat-masks", tmp_path, tmp_path / "own")
    assert np.array_equal(_labels(tmp_path / "own", "a"), ids)
    picture[3, 4] = 9
    write_image(tmp_path / "SegmentationClass/a.png", picture)
    with pytest.raises(DatasetError, match=r"a\.png: colour \(9, 9, 9\) at row 3, column 4 is of no class"):
        import_annotations("cvat-masks", tmp_path, tmp_path / "own2")
    assert not list(tmp_path.glob("own2*"))
    assert not list(tmp_path.glob(".own2*"))


def test_yolo_scales_to_the_frame_and_takes_a_missing_file_as_empty(tmp_path: Path) -> None:
    _frames(tmp_path / "train/images", "a.b.jpg", "empty.jpg")
    (tmp_path / "data.yaml").write_text("names: {0: road, 1: car}\ntrain: ../train/images\n")
    polygon = np.array(_random_polygons(1, seed=3)[0]).clip(0, (W, H))
    words = " ".join(f"{x / W:.6f} {y / H:.6f}" for x, y in polygon)
    (tmp_path / "train/labels").mkdir()
    (tmp_path / "train/labels/a.b.txt").write_text(f"1 {words}\n")
    import_annotations("yolo", tmp_path, tmp_path / "own")
    written = np.array(words.split(), float).reshape(-1, 2) * (W, H)
    expected = coco.decode(coco.frPyObjects([written.ravel().tolist()], H, W))[..., 0] * 2
    assert np.array_equal(_labels(tmp_path / "own", "a.b"), expected)
    assert not _labels(tmp_path / "own", "empty").any()
    (tmp_path / "train/labels/a.b.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DatasetError, match=r"a\.b\.txt, line 1: a box, not a polygon"):
        import_annotations("yolo", tmp_path, tmp_path / "own2")


def test_cityscapes_polygons_equal_the_official_script(tmp_path: Path) -> None:
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    labels = ["road", "car", "cargroup", "license plate", "person", "sky", "rectification border"]
    objects = [
        {
            "label": labels[n % len(labels)],
            "polygon": np.array(polygon).round().astype(int).tolist(),
            "deleted": int(n == 9),
        }
        for n, polygon in enumerate(_random_polygons(40, seed=2))
    ]
    stem = tmp_path / "gtFine/train/ulm/ulm_000000_000019"
    stem.parent.mkdir(parents=True)
    path = stem.with_name(f"{stem.name}_gtFine_polygons.json")
    path.write_text(json.dumps({"imgHeight": H, "imgWidth": W, "objects": objects}))
    _frames(tmp_path / "leftImg8bit/train/ulm", "ulm_000000_000019_leftImg8bit.png")
    official = Annotation()
    official.fromJsonText(path.read_text())
    import_annotations("cityscapes", tmp_path / "gtFine", tmp_path / "own", images=tmp_path / "leftImg8bit")
    found = _labels(tmp_path / "own", "ulm_000000_000019_leftImg8bit")
    assert np.array_equal(found, np.asarray(createLabelImage(official, "ids")))


def test_supervisely_polygons_have_holes_and_bitmaps_an_origin(tmp_path: Path) -> None:
    _frames(tmp_path / "set/img", "a.jpg")
    bitmap = np.zeros((5, 5, 4), np.uint8)
    bitmap[1:4, 1:4] = 255
    packed = base64.b64encode(zlib.compress(cv2.imencode(".png", bitmap)[1].tobytes())).decode()
    outer, hole = [[5, 5], [40, 6], [38, 30], [8, 32]], [[15, 12], [25, 12], [25, 20], [15, 20]]
    objects = [
        {"classTitle": "lane", "geometryType": "polygon", "points": {"exterior": outer, "interior": [hole]}},
        {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": packed, "origin": [56, 36]}},
        {"classTitle": "car", "geometryType": "point", "points": {"exterior": [[1, 1]]}},
    ]
    (tmp_path / "set/ann").mkdir()
    (tmp_path / "set/ann/a.jpg.json").write_text(json.dumps({"size": {"height": H, "width": W}, "objects": objects}))
    classes = [{"title": "car", "color": "#FF0000"}, {"title": "lane", "color": "#00FF00"}]
    (tmp_path / "meta.json").write_text(json.dumps({"classes": classes}))
    import_annotations("supervisely", tmp_path, tmp_path / "own")
    expected = np.zeros((H, W), np.uint8)
    cv2.fillPoly(expected, [np.array(outer)], 2)
    cv2.fillPoly(expected, [np.array(hole)], 0)
    expected[37:40, 57:60] = 1  # the rest of the bitmap lies outside
    assert np.array_equal(_labels(tmp_path / "own", "a"), expected)


def test_shapes_are_drawn_over_label_maps_that_are_there(tmp_path: Path) -> None:
    frames, below = tmp_path / "frames", tmp_path / "below"
    _frames(frames, "a.jpg")
    seen = np.random.default_rng(1).choice([0, 1, 2, 255], (H, W)).astype(np.uint8)
    write_label_png(below / "a.png", seen)
    write_label_png(tmp_path / "predictions/labels/a.png", seen)
    square: Polygon = [[10, 5], [30, 5], [30, 20], [10, 20]]
    gone: Polygon = [[0, 0], [59, 0], [59, 12], [0, 12]]
    _labelme(frames / "a.json", [_shape("__ignore__", gone), _shape("sky", square), _shape("pole", gone)], "a.jpg")
    out = tmp_path / "out"
    found = import_annotations("labelme", frames, out, classes=["road", "car", "sky"], over=below)
    expected = seen.copy()
    expected[:13] = 255  # with the outline, as Pillow's polygon
    expected[5:21, 10:31] = 2
    np.testing.assert_array_equal(_labels(out, "a"), expected)
    assert [(row["name"], row["label_id"], row["train_id"]) for row in found.rows] == [
        ("road", 0, 0), ("car", 1, 1), ("sky", 2, 2), ("ignored", 255, 255)
    ]  # fmt: skip
    assert found.notes == ["1 object of 'pole' left out: not in --classes"]
    again = [
        "import",
        "labelme",
        str(frames),
        "--over",
        str(tmp_path / "predictions"),
        "--output",
        str(tmp_path / "cli"),
    ]
    assert main([*again, "--classes", "road,car,sky", "--jobs", "1"]) == 0
    np.testing.assert_array_equal(_labels(tmp_path / "cli", "a"), expected)


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        (np.zeros((H, W)), {"classes": []}, "--over DIR needs --classes"),
        (np.zeros((H, W)), {"unlabelled": "ignored"}, "--unlabelled does not apply"),
        (np.zeros((H + 1, W)), {}, "a.png: 41x60, but its image is 40x60"),
        (np.full((H, W), 2), {}, "a.png: the value 2, but --classes names 2, of the values 0 to 1"),
        (None, {}, "a.png: no such label map"),
        (None, {"classes": ["sky", "sky"]}, "--classes names sky twice"),
        (None, {"classes": [str(n) for n in range(256)]}, "256 classes; 1 to 200 can be trained"),
        (None, {"over": Path("nowhere")}, "--over nowhere: no such folder"),
    ],
)
def test_label_maps_below_that_do_not_fit_are_refused(
    tmp_path: Path, values: np.ndarray | None, arguments: dict[str, Any], message: str
) -> None:
    frames, below, out = tmp_path / "frames", tmp_path / "below", tmp_path / "out"
    _frames(frames, "a.jpg")
    _labelme(frames / "a.json", [_shape("sky", [[10, 5], [30, 5], [30, 20]])], "a.jpg")
    below.mkdir()
    if values is not None:
        write_label_png(below / "a.png", values.astype(np.uint8))
    with pytest.raises(DatasetError, match=re.escape(message)):
        import_annotations("labelme", frames, out, **{"over": below, "classes": ["road", "sky"], **arguments})
    assert not out.exists()


def test_what_was_imported_is_a_data_set_that_a_config_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _frames(tmp_path / "in", *(f"v{n}_{k}.jpg" for n in range(5) for k in range(2)))
    for image in (tmp_path / "in").glob("*.jpg"):
        shapes = [_shape("road", [[0, 20], [60, 20], [60, 40], [0, 40]]), _shape("car", [[5, 5], [20, 5], [20, 30]])]
        _labelme(image.with_suffix(".json"), shapes, image.name)
    words = ["import", "labelme", str(tmp_path / "in"), "--output", str(tmp_path / "own"), "--classes", "road"]
    with pytest.raises(DatasetError, match="'road' alone is nothing to tell apart"):
        main([*words, "--unlabelled", "ignored"])
    assert main(words) == 0
    assert "10 objects of 'car' left out" in capsys.readouterr().out
    config = load_config(tmp_path / "own/own.yaml")
    samples = index_dataset(config.data.train, tmp_path / "own")
    assert len(samples) + len(index_dataset(config.data.val, tmp_path / "own")) == 10
    table = build_label_set(config.data.train)
    assert table.class_names == ("_background_", "road")
    ids = table.to_train_ids(table.read(samples[0].target))
    assert (ids[21:] == 1).all()
    assert np.array_equal(read_image(samples[0].image), read_image(tmp_path / "in" / samples[0].image.name))
    assert main(["check", str(tmp_path / "own/own.yaml"), "--datasets", str(tmp_path / "own")]) == 0


TRIANGLE = [[0, 0], [9, 0], [9, 9]]


@pytest.mark.parametrize(
    ("shapes", "image", "size", "message"),
    [
        ([_shape("a", TRIANGLE)], "b.jpg", (H, W), r"a\.json: no image 'b\.jpg' below"),
        ([_shape("a", TRIANGLE)], "a.jpg", (W, H), r"annotated at 60x40, but .*a\.jpg is 40x60"),
        ([_shape("a", TRIANGLE[:2])], "a.jpg", (H, W), r"shape 0: 2 points; a region has 3"),
        ([_shape("a", [[0, 0], [1e9, 0], [1, 1]])], "a.jpg", (H, W), r"lies in no frame \(1e\+09\)"),
        ([_shape("a", [[0, 0], ["x", 0], [1, 1]])], "a.jpg", (H, W), r"points that are not pairs of numbers"),
        ([_shape("a", TRIANGLE, "mask", mask="AAAA")], "a.jpg", (H, W), r"a mask that is no PNG"),
        ([{"points": TRIANGLE}], "a.jpg", (H, W), r"shape 0: no `label`"),
        ([_shape("a", TRIANGLE, "blob")], "a.jpg", (H, W), r"shape_type 'blob' is not read"),
    ],
)
def test_what_is_wrong_names_the_file_and_nothing_is_written(
    tmp_path: Path, shapes: list[dict[str, Any]], image: str, size: tuple[int, int], message: str
) -> None:
    _frames(tmp_path / "in", "a.jpg")
    _labelme(tmp_path / "in/a.json", shapes, image, size)
    with pytest.raises(DatasetError, match=message):
        import_annotations("labelme", tmp_path / "in", tmp_path / "own")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def _break_coco(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        _coco(folder / "coco.json", [{"segmentation": [[0, 0, 9, 0, 9, 9]]}])
        content = json.loads((folder / "coco.json").read_text())
        change(content)
        (folder / "coco.json").write_text(json.dumps(content))

    return write


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(category_id=9), r"annotation 0: its category_id or image_id is not"),
        (lambda c: c["annotations"][0].update(segmentation={"size": [H, W], "counts": [9]}), r"damaged run lengths"),
        (lambda c: c["annotations"][0].update(segmentation={"size": [H, W], "counts": "zz"}), r"damaged run lengths"),
        (lambda c: c["annotations"][0].update(segmentation=[[0, 0, 1]]), r"points that are not pairs"),
        (lambda c: c.pop("categories"), r"`categories` is no list"),
    ],
)
def test_damaged_coco_files_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    _frames(tmp_path, "a.jpg")
    _break_coco(change)(tmp_path)
    with pytest.raises(DatasetError, match=message):
        import_annotations("coco", tmp_path / "coco.json", tmp_path / "own")


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    _frames(tmp_path, "x/a.jpg")
    _cvat(tmp_path / "annotations.xml", "", head='<!DOCTYPE a [<!ENTITY b "c">]>')
    with pytest.raises(DatasetError, match="declares entities"):
        import_annotations("cvat", tmp_path, tmp_path / "own")


def test_a_folder_that_is_not_empty_stays_as_it_is(tmp_path: Path) -> None:
    _frames(tmp_path / "in", "a.jpg")
    write_label_png(tmp_path / "own/x.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(DatasetError, match="is there already; name a new folder"):
        import_annotations("labelme", tmp_path / "in", tmp_path / "own")
    assert (tmp_path / "own/x.png").is_file()
