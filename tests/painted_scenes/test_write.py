"""Sample data on disk: official layouts, reproducible bytes, no mixing with other files."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from painted_scenes.names import bdd100k_name, gta5_name
from painted_scenes.spec import SampleSpec
from painted_scenes.write import MANIFEST, write_sample_data
from segibn.cli.sample_data import main
from segibn.data.datasets.bdd100k_drivable import DRIVABLE_2018
from segibn.data.datasets.bdd100k_semseg import SEMSEG
from segibn.data.datasets.gta5 import GTA5
from segibn.errors import SegibnError
from segibn.files.pictures import read_image, read_label_map
from segibn.files.writing import read_json
from segibn.labels.cityscapes import CITYSCAPES

SPEC = SampleSpec(seed=2, frames=(2, 1), size=(32, 64))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "data"
    assert write_sample_data(root, SPEC, workers=1)
    return root


def test_two_processes_write_the_same_bytes_as_one(sample: Path, tmp_path: Path):
    seen: list[int] = []
    write_sample_data(tmp_path / "again", SPEC, workers=2, progress=seen.append)
    assert digests(tmp_path / "again") == digests(sample)
    assert seen == list(range(1, 3 + 3 + 11 + 1))


def test_gta5_labels_are_palette_pngs_of_label_ids(sample: Path):
    names = sorted(path.name for path in (sample / "gta5" / "images").iterdir())
    assert names == sorted(path.name for path in (sample / "gta5" / "labels").iterdir())
    assert len(names) == 3
    label = sample / "gta5" / "labels" / names[0]
    with Image.open(label) as picture:
        assert picture.mode == "P"
        assert picture.getpalette()[7 * 3 : 8 * 3] == [128, 64, 128]
    assert (GTA5.to_train_ids(read_label_map(label), label) == 0).any()
    assert read_image(sample / "gta5" / "images" / names[0]).shape == (32, 64, 3)


def test_cityscapes_files_follow_the_official_pattern(sample: Path):
    images = sorted((sample / "cityscapes" / "leftImg8bit").rglob("*.png"))
    assert len(images) == 3
    for path in images:
        split, city, name = path.parts[-3:]
        assert re.fullmatch(rf"{city}_\d{{6}}_\d{{6}}_leftImg8bit\.png", name)
        truth = sample / "cityscapes" / "gtFine" / split / city
        stem = name.removesuffix("_leftImg8bit.png")
        labels = read_label_map(truth / f"{stem}_gtFine_labelIds.png")
        CITYSCAPES.to_train_ids(labels)
        with Image.open(truth / f"{stem}_gtFine_instanceIds.png") as picture:
            instances = np.array(picture, np.int64)
            assert picture.mode.startswith("I")
        assert (np.where(instances >= 1000, instances // 1000, instances) == labels).all()


def test_bdd100k_holds_both_label_sets_in_official_places(sample: Path):
    root = sample / "bdd100k"
    for split, count in (("train", 2), ("val", 1), ("test", 8)):
        images = sorted((root / "images" / "100k" / split).iterdir())
        assert len(images) == count
        assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{8}\.jpg", path.name) for path in images)
        if split == "test":
            continue
        for path in images:
            maps = root / "drivable_maps" / "labels" / split / f"{path.stem}_drivable_id.png"
            drivable = DRIVABLE_2018.to_train_ids(read_label_map(maps))
            masks = root / "labels" / "sem_seg" / "masks" / split / f"{path.stem}.png"
            classes = SEMSEG.to_train_ids(read_label_map(masks))
            assert (classes[drivable > 0] == 0).all()
            assert (root / "images" / "10k" / split / path.name).is_file()


def test_names_are_unique_and_belong_to_the_official_split():
    from importlib import resources

    lists = resources.files("segibn").joinpath("data/lists/gta5_splits.txt").read_text("utf-8")
    for split, count in (("train", 2700), ("val", 1400)):
        ids = {int(gta5_name(split, index)) for index in range(count)}
        assert len(ids) == count
        official: set[int] = set()
        for line in lists.splitlines():
            if line.split(" ")[0] == split:
                for words in line.split()[1:]:
                    first, _, last = words.partition("-")
                    official.update(range(int(first), int(last or first) + 1))
        assert ids <= official
    names = {bdd100k_name(0, split, i) for split in ("train", "val", "test") for i in range(3000)}
    assert len(names) == 9000
    with pytest.raises(SegibnError, match="ask for fewer"):
        gta5_name("val", 5000)


def test_the_same_arguments_keep_the_folder_and_others_replace_it(tmp_path: Path):
    root = tmp_path / "data"
    few = SampleSpec(seed=0, frames=(1, 1), size=(32, 64), sets=("gta5",))
    assert write_sample_data(root, few, workers=1)
    before = (root / MANIFEST).stat().st_mtime_ns
    assert not write_sample_data(root, few, workers=1)
    assert (root / MANIFEST).stat().st_mtime_ns == before
    assert write_sample_data(root, SampleSpec(1, (1, 1), (32, 64), ("cityscapes",)), workers=1)
    assert {path.name for path in root.iterdir()} == {MANIFEST, "cityscapes"}
    assert read_json(root / MANIFEST)["seed"] == 1


def test_folders_with_other_files_are_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SegibnError, match="did not make; choose a new or empty folder"):
        write_sample_data(tmp_path, SPEC, workers=1)
    root = tmp_path / "data"
    few = SampleSpec(seed=0, frames=(1, 1), size=(32, 64), sets=("gta5",))
    write_sample_data(root, few, workers=1)
    (root / "notes.txt").write_text("keep")
    with pytest.raises(SegibnError, match=r"notes\.txt"):
        write_sample_data(root, SampleSpec(9, (1, 1), (32, 64), ("gta5",)), workers=1)
    assert (root / "notes.txt").read_text() == "keep"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine.txt"]


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path):
    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample_data(tmp_path / "data", SPEC, workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (SampleSpec(size=(100, 256)), "multiples of 8"),
        (SampleSpec(frames=(0, 5)), "at least one"),
        (SampleSpec(sets=("kitti",)), "'kitti'"),
    ],
)
def test_impossible_wishes_are_refused(spec: SampleSpec, message: str, tmp_path: Path):
    with pytest.raises(SegibnError, match=message):
        write_sample_data(tmp_path / "data", spec)


def test_the_command_line_writes_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--frames", "1", "1", "--size", "32", "64", "--sets", "gta5", "--workers", "1"]
    assert main(["--output", str(tmp_path / "out"), *words]) == 0
    assert "2 frames" in capsys.readouterr().out
    assert main(["--output", str(tmp_path / "out"), *words]) == 0
    assert "unchanged" in capsys.readouterr().out
