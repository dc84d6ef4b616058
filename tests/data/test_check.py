"""check_dataset finds every kind of mistake, and says so by its exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segibn.cli.check import main
from segibn.data.check import check_split
from segibn.data.datasets import cityscapes
from segibn.data.datasets.catalog import dataset_source
from segibn.errors import ConfigError, DatasetError
from segibn.files.encode import write_image, write_label_png


def _check(root: Path, *arguments: str) -> tuple[int, list[dict]]:
    report = root.parent / "report.json"
    code = main([*arguments, "--datasets", str(root), "--json", str(report), "--jobs", "1"])
    return code, json.loads(report.read_text())


def test_a_whole_data_set_is_good(make_cityscapes: Callable[..., Path], root: Path) -> None:
    make_cityscapes("train")
    make_cityscapes("val", city="ulm", count=2)
    code, (train, val) = _check(root, "cityscapes")
    assert code == 0
    assert (train["split"], train["samples"], val["split"], val["samples"]) == ("train", 3, "val", 2)
    assert train["image_sizes"] == {"24x40": 3}
    assert sum(entry["pixels"] for entry in train["values"].values()) == 3 * 24 * 40
    assert sum(entry["share"] for entry in train["values"].values()) == pytest.approx(1)
    assert train["values"]["7"]["name"] == "road"


def test_every_kind_of_mistake_is_found_at_once(
    make_cityscapes: Callable[..., Path], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = make_cityscapes(count=6)
    images, labels = own / "leftImg8bit/train/aachen", own / "gtFine/train/aachen"
    name = "aachen_00000{}_000019{}"
    (labels / name.format(0, "_gtFine_labelIds.png")).unlink()
    (images / name.format(1, "_leftImg8bit.png")).unlink()
    cut = images / name.format(2, "_leftImg8bit.png")
    cut.write_bytes(cut.read_bytes()[:-30])
    write_image(images / name.format(3, "_leftImg8bit.png"), np.zeros((24, 44, 3), np.uint8))
    write_label_png(labels / name.format(4, "_gtFine_labelIds.png"), np.full((24, 40), 99, np.uint8))
    code, (report,) = _check(root, "cityscapes", "--split", "train")
    assert code == 1
    missing = [orphan["name"] for orphan in report["missing_partners"]]
    assert missing == ["aachen_000000_000019", "aachen_000001_000019"]
    assert len(report["unreadable"]) == 1
    assert cut.name in report["unreadable"][0]
    assert report["size_mismatches"] == ["aachen_000003_000019: image 24x44, label map 24x40"]
    assert report["unknown_values"] == {"99": "aachen_000004_000019"}
    assert "something is wrong" in capsys.readouterr().out


@pytest.mark.parametrize(("held", "code"), [("2018", 0), ("2021", 1)])
def test_the_encoding_is_held_against_the_files(
    make_drivable: Callable[..., Path], root: Path, held: str, code: int
) -> None:
    make_drivable(held)
    result, (report,) = _check(root, "bdd100k_drivable", "--encoding", "2018")
    assert result == code
    assert bool(report["problems"]) == bool(code)


def test_a_list_narrows_the_check(make_cityscapes: Callable[..., Path], root: Path, tmp_path: Path) -> None:
    own = make_cityscapes()
    (own / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png").unlink()
    names = tmp_path / "names.txt"
    names.write_text("aachen_000001_000019\n")
    code, (report,) = _check(
        root, "cityscapes", "--split", "train", "--names-file", str(names)
    )  # fmt: skip
    assert (code, report["samples"]) == (0, 1)


def test_images_without_any_labels_are_an_error(make_cityscapes: Callable[..., Path], root: Path) -> None:
    own = make_cityscapes()
    (own / "gtFine").rename(own / "elsewhere")
    with pytest.raises(DatasetError, match="gtFine"):
        main(["cityscapes", "--datasets", str(root)])


def test_a_config_names_the_data_sets_to_check(root: Path, tmp_path: Path) -> None:
    write_image(root / "mine/a.png", np.zeros((8, 10, 3), np.uint8))
    write_label_png(root / "mask/a.png", np.full((8, 10), 3, np.uint8))
    config = tmp_path / "own.yaml"
    config.write_text(
        "data: {train: {name: folder, folder: {images: mine, targets: mask, labels: ["
        "{name: a, label_id: 0, train_id: 0, color: [0, 0, 0]},"
        "{name: b, label_id: 1, train_id: 1, color: [9, 9, 9]}]}}}"
    )
    code, (report,) = _check(root, str(config))
    assert code == 1
    assert report["unknown_values"] == {"3": "a"}


def test_a_config_is_checked_for_frames_on_both_sides_and_for_labels_that_say_nothing(
    root: Path, tmp_path: Path
) -> None:
    for name, value in (("a", 0), ("b", 1), ("c", 255)):
        write_image(root / f"mine/{name}.png", np.zeros((8, 10, 3), np.uint8))
        write_label_png(root / f"mine/{name}_mask.png", np.full((8, 10), value, np.uint8))
    (root / "linked").symlink_to(root / "mine")
    (tmp_path / "c.txt").write_text("c.png\n")
    rows = [("ground", 0, 0), ("road", 1, 1), ("car", 2, 2), ("void", 255, 255)]
    labels = [dict(zip(("name", "label_id", "train_id"), row, strict=True)) for row in rows]
    files = {"images": "mine", "targets": "mine", "target_suffix": "_mask.png", "labels": labels}
    train = {"name": "folder", "folder": files}
    linked = {"name": "folder", "folder": {**files, "images": "linked", "targets": "linked"}}
    void = {**train, "names_file": "c.txt"}

    def problems(val: dict[str, Any]) -> list[list[str]]:
        config = tmp_path / "own.yaml"
        config.write_text(json.dumps({"data": {"train": train, "val": val}}))
        code, reports = _check(root, str(config))
        assert (code == 1) == any(report["problems"] for report in reports)
        assert reports[0]["notes"] == ["no pixel of car: never learnt or scored here"]
        return [report["problems"] for report in reports]

    for name, value in (("d", 0), ("e", 255)):
        write_image(root / f"one/{name}.png", np.zeros((8, 10, 3), np.uint8))
        write_label_png(root / f"one/{name}_mask.png", np.full((8, 10), value, np.uint8))
    _, (alone,) = problems({**train, "folder": {**files, "images": "one", "targets": "one"}})
    assert alone.startswith("every labelled pixel is ground: nothing to tell apart")
    assert alone.endswith("is 255 a class rather than ignored?")
    for val in (linked, {**void, "folder": linked["folder"]}):
        own, held = problems(val)
        assert not own
        assert held[0].startswith("data.train and data.val share ")
    assert held[1].startswith("no pixel is labelled: every value found is ignored")


def test_no_data_set_and_unknown_names_are_told_apart(root: Path) -> None:
    with pytest.raises(DatasetError, match="Where to get it"):
        main(["gta5", "--datasets", str(root)])
    with pytest.raises(ConfigError, match="did you mean 'cityscapes'"):
        main(["cityscape", "--datasets", str(root)])


def test_several_processes_report_what_one_does(make_cityscapes: Callable[..., Path]) -> None:
    own = make_cityscapes(count=9)
    pairing, labels = cityscapes.SOURCE.find(own, "train"), dataset_source("cityscapes").label_set()
    steps: list[int] = []
    reports = [
        check_split("cityscapes", "train", pairing, labels, jobs=jobs,
                    progress=lambda done, _: steps.append(done))
        for jobs in (1, 2)
    ]  # fmt: skip
    assert reports[0] == reports[1]
    assert steps == [*range(1, 10)] * 2
