"""SYNTHIA: 16-bit label files as published, RobustNet's split, 19, 16 and 13 classes."""

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from segibn.builders.loader import build_eval_frames, build_train_loader
from segibn.builders.sets import build_label_set, index_dataset, training_sets
from segibn.cli.check import main as check
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.data.class_index import IndexJob
from segibn.data.datasets import synthia
from segibn.data.datasets.catalog import dataset_source
from segibn.errors import DatasetError, ImageFileError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pictures import read_label_map

CLASSES = np.arange(23, dtype=np.uint16).repeat(6).reshape(23, 6)
# As RobustNet's loader has them.
TRAIN_IDS = {
    1: 10, 2: 2, 3: 0, 4: 1, 5: 4, 6: 8, 7: 5, 8: 13, 9: 7, 10: 11, 11: 18, 12: 17, 15: 6, 16: 9,
    17: 12, 18: 14, 19: 15, 20: 16, 21: 3,
}  # fmt: skip


def write_label_file(path: Path, classes: np.ndarray) -> None:
    """As published: 16-bit RGB, class, instance, nothing."""
    instances = np.full_like(classes, 40_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([classes, instances, np.zeros_like(classes)], axis=2)
    path.write_bytes(imagecodecs.png_encode(pixels))


@pytest.fixture
def make_synthia(root: Path) -> Callable[..., Path]:
    def make(ids: tuple[int, ...] = (0, 1, 2, 3), below: str = "synthia") -> Path:
        for i in ids:
            frame = np.zeros((*CLASSES.shape, 3), np.uint8)
            write_image(root / below / "RGB" / f"{i:07d}.png", frame)
            write_label_file(root / below / "GT/LABELS" / f"{i:07d}.png", CLASSES)
        return root / "synthia"

    return make


def test_the_class_is_the_first_channel_of_16_bits(tmp_path: Path) -> None:
    write_label_file(tmp_path / "a.png", CLASSES)
    data = (tmp_path / "a.png").read_bytes()
    assert (data[24], data[25]) == (16, 2)  # bit depth, RGB
    values = read_label_map(tmp_path / "a.png", "red16")
    assert values.dtype == np.uint8
    assert values.tolist() == CLASSES.tolist()


def test_converted_copies_and_classes_beyond_a_byte_are_refused(tmp_path: Path) -> None:
    write_label_png(tmp_path / "grey.png", CLASSES.astype(np.uint8))
    with pytest.raises(ImageFileError, match=r"grey\.png: 8-bit grey PNG; expected a 16-bit RGB"):
        read_label_map(tmp_path / "grey.png", "red16")
    write_label_file(tmp_path / "large.png", CLASSES + 300)
    with pytest.raises(ImageFileError, match="322"):
        read_label_map(tmp_path / "large.png", "red16")
    with pytest.raises(ImageFileError, match="16-bit RGB PNG; expected one class index"):
        read_label_map(tmp_path / "large.png")


@pytest.mark.parametrize("below", ["synthia", "synthia/RAND_CITYSCAPES"])
def test_the_split_is_robustnets(make_synthia: Callable[..., Path], below: str, index: Callable[..., list]) -> None:
    own = make_synthia(below=below)
    assert [s.name for s in index(synthia.SOURCE.find, own, "train")] == ["0000001", "0000002"]
    assert [s.name for s in index(synthia.SOURCE.find, own, "val")] == ["0000000", "0000003"]
    assert len(index(synthia.SOURCE.find, own, "all")) == 4


def test_the_shipped_list_has_2820_of_the_9400_frames() -> None:
    held_out = synthia.read_ranges("synthia_val.txt")["val"]
    assert len(held_out) == 2820
    assert max(held_out) < 9400


def test_frames_come_in_19_16_and_13_classes(make_synthia: Callable[..., Path], root: Path) -> None:
    make_synthia()
    names = dataset_source("cityscapes").label_set().class_names
    dataset = DatasetConfig(name="synthia", split="val")
    for scheme, left_out in (
        ("cityscapes19", set()),
        ("synthia16", {"terrain", "truck", "train"}),
        ("synthia13", {"terrain", "truck", "train", "wall", "fence", "pole"}),
    ):
        kept = [name for name in names if name not in left_out]
        frames = build_eval_frames(dataset, root, scheme)
        assert frames.label_set.class_names == tuple(kept)
        _, _, target = next(iter(frames))
        for value in range(23):
            name = names[TRAIN_IDS[value]] if value in TRAIN_IDS else ""
            expected = kept.index(name) if name in kept else 255
            assert set(target[value].tolist()) == {expected}, (scheme, value)


def test_a_window_of_a_label_file_is_that_of_the_whole(make_synthia: Callable[..., Path], root: Path) -> None:
    from segibn.data.frame import open_frame

    make_synthia()
    dataset = DatasetConfig(name="synthia", split="val")
    sample, table = index_dataset(dataset, root)[0], build_label_set(dataset)
    _, whole = open_frame(sample, table).read()
    _, part = open_frame(sample, table).read((3, 1, 20, 5))
    assert np.array_equal(part, whole[3:20, 1:5])


def test_gta5_and_synthia_train_together(
    make_synthia: Callable[..., Path], make_gta5: Callable[..., Path], root: Path
) -> None:
    make_synthia()
    make_gta5([1, 2, 3])
    config = RunConfig.model_validate(
        {
            "name": "both",
            "data": {
                "train": {"name": "gta5"},
                "mix": [{"dataset": {"name": "synthia"}, "share": 0.5}],
                "crop_size": [16, 16],
                "workers": 0,
                "color_jitter": None,
                "sampling": {"name": "class_uniform", "share": 0.5},
            },
            "optim": {"iterations": 2, "global_batch_size": 4},
        }
    )
    loader = build_train_loader(config, training_sets(config.data, root), datasets_root=root)
    plain = [sum(len(image[0].unique()) < 3 for image in batch["image"]) for batch in loader]
    assert plain == [2, 2]  # SYNTHIA's frames here are black but for padding, GTA5's are noise


def test_rare_classes_are_found_in_16_bit_files(make_synthia: Callable[..., Path], root: Path) -> None:
    make_synthia()
    samples = index_dataset(DatasetConfig(name="synthia"), root)
    index = IndexJob("", samples, dataset_source("synthia").label_set()).build()
    assert index.pixels[:, :19].tolist() == [[6] * 19] * 2


def test_check_reads_them_with_several_processes_too(
    make_synthia: Callable[..., Path], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = make_synthia(tuple(range(24)))
    assert check(["synthia", "--datasets", str(root), "--jobs", "2"]) == 0
    assert "lane marking" in capsys.readouterr().out
    write_label_png(own / "GT/LABELS/0000001.png", CLASSES.astype(np.uint8))
    assert check(["synthia", "--split", "train", "--datasets", str(root), "--jobs", "1"]) == 1
    assert "expected a 16-bit RGB PNG" in capsys.readouterr().out


def test_a_missing_folder_says_where_to_get_it(tmp_path: Path, index: Callable[..., list]) -> None:
    with pytest.raises(DatasetError, match="synthia-dataset"):
        index(synthia.SOURCE.find, tmp_path / "synthia", "train")
