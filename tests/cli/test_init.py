"""``segibn init``: folders as people have them, and what is said of those that cannot be read."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.builders.sets import build_label_set, index_dataset
from segibn.cli.main import main
from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.data.check import SplitReport
from segibn.errors import DatasetError
from segibn.files.encode import write_image, write_label_png
from segibn.report.contact_sheet import SheetFrame, SheetPart, build_sheet
from segibn.runs.check import check_dataset

Init = Callable[..., tuple[RunConfig, Path, str]]


def _frames(folder: Path, suffix: str = ".jpg", count: int = 8) -> None:
    random = np.random.default_rng(0)
    for n in range(count):
        write_image(folder / f"drive{n // 2}_{n:03}{suffix}", random.integers(0, 255, (32, 48, 3), np.uint8))


def _ids(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 3, (32, 48), np.uint8)


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    """Run the verb in a folder -> the config that it wrote, the data sets' root of its next line, what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[RunConfig, Path, str]:
        assert main(["init", *words, "--output", "own", "--jobs", "1"]) == 0
        said = capsys.readouterr().out
        (root,) = re.findall(r"next: .* train own/own\.yaml --datasets (\S+)", said)
        assert (tmp_path / "own/check.html").stat().st_size > 5000
        return load_config(tmp_path / "own/own.yaml"), Path(root), said

    return run


def test_label_maps_of_values_in_a_folder_of_their_own(tmp_path: Path, init: Init) -> None:
    _frames(tmp_path / "pile/frames")
    for n in range(8):
        ids = _ids(n)
        ids[0] = 255
        write_label_png(tmp_path / f"pile/masks/drive{n // 2}_{n:03}_mask.png", ids)
    config, root, said = init("pile")
    assert "labels: PNGs of values" in said
    folder = config.data.train.folder
    assert folder.target_suffix == "_mask.png"
    rows = [(row.name, row.label_id, row.train_id) for row in folder.labels]
    assert rows == [("class 0", 0, 0), ("class 1", 1, 1), ("class 2", 2, 2), ("ignored", 255, 255)]
    train, val = (index_dataset(side, root) for side in (config.data.train, config.data.val))
    assert len(train) + len(val) == 8
    drives = [{sample.name.split("_")[0] for sample in side} for side in (train, val)]
    assert not drives[0] & drives[1]  # whole sequences are held out


def test_label_maps_of_colours_are_named_where_a_public_set_has_the_colours(tmp_path: Path, init: Init) -> None:
    colors = np.array([(128, 64, 128), (70, 130, 180), (0, 0, 142)], np.uint8)  # road, sky, car
    _frames(tmp_path / "a/images/train")
    _frames(tmp_path / "a/images/val", count=2)
    for split, count in (("train", 8), ("val", 2)):
        for n in range(count):
            write_image(tmp_path / f"a/labels/{split}/drive{n // 2}_{n:03}.png", colors[_ids(n)])
    config, root, said = init("a/images", "a/labels")
    assert "labels: PNGs of colours" in said
    assert config.data.train.folder.images == "images/{split}"
    assert (config.data.train.split, config.data.val.split) == ("train", "val")
    table = build_label_set(config.data.train)
    assert sorted(table.class_names) == ["car", "road", "sky"]
    sample = index_dataset(config.data.train, root)[0]
    found = np.array(table.class_names)[table.to_train_ids(table.read(sample.target))]
    assert np.array_equal(found, np.array(["road", "sky", "car"])[_ids(0)])


def test_frames_and_label_maps_in_one_folder_by_their_endings(tmp_path: Path, init: Init) -> None:
    _frames(tmp_path / "one")
    for n in range(8):
        write_label_png(tmp_path / f"one/drive{n // 2}_{n:03}_gt.png", _ids(n))
    config, root, _ = init("one")
    assert (config.data.train.folder.image_suffix, config.data.train.folder.target_suffix) == (".jpg", "_gt.png")
    assert len(index_dataset(config.data.train, root)) + len(index_dataset(config.data.val, root)) == 8


NOISE = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
FIRST = "labels/drive0_000.png"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: None, "no labels in it"),
        (lambda a: write_image(a / FIRST, NOISE), "more than 64 colours"),
        (lambda a: write_label_png(a / "labels/other.png", _ids(0)), "have no names in common"),
        (lambda a: write_label_png(a / FIRST, _ids(0)[:8]), "is not of the size of its frame"),
        (lambda a: write_label_png(a / FIRST, np.zeros((32, 48), np.uint8)), "nothing to tell apart"),
        (lambda a: (a / "labels").mkdir(), "no label maps"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    _frames(tmp_path / "a/images")
    spoil(tmp_path / "a")
    with pytest.raises(DatasetError, match=message):
        main(["init", str(tmp_path / "a"), "--output", str(tmp_path / "own"), "--jobs", "1"])
    assert not (tmp_path / "own").exists()


def test_a_folder_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    _frames(tmp_path / "a/images")
    with pytest.raises(DatasetError, match="is there already"):
        main(["init", str(tmp_path / "a/images"), str(tmp_path / "a/images"), "--output", str(tmp_path / "a")])
    with pytest.raises(DatasetError, match="no such folder"):
        main(["init", str(tmp_path / "b"), "--output", str(tmp_path / "own")])


def test_the_page_shows_odd_frames_first_and_escapes_names(tmp_path: Path, init: Init) -> None:
    _frames(tmp_path / "a/images")
    for n in range(8):
        ids = np.full((32, 48), 1, np.uint8) if n == 5 else _ids(n)
        write_label_png(tmp_path / f"a/labels/drive{n // 2}_{n:03}.png", ids)
    config, root, _ = init("a")
    report: SplitReport = check_dataset(config.data.train, root, 1, lambda done, total: None)
    from segibn.runs.contact_sheet import write_sheet

    write_sheet(tmp_path / "page.html", [report], "a <b>")
    text = (tmp_path / "page.html").read_text()
    assert "a &lt;b&gt;" in text
    if "drive2_005" in text:  # which side of the split it is on is a matter of its name
        assert text.index("one class everywhere") < text.index("32x48")
    frame = SheetFrame("<script>x</script>", b"", "note")
    part = SheetPart("t", 1, [], [("<i>", (1, 2, 3), 0.5, 1)], ["<u>"], [], [frame])
    page = build_sheet([part], "t")
    assert "<script>x" not in page
    assert "<i>" not in page
    assert "<u>" not in page


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_page_fits_a_phone_and_a_desk(tmp_path: Path, browser, init: Init, width: int, scheme: str) -> None:
    _frames(tmp_path / "a/images")
    for n in range(8):
        write_label_png(tmp_path / f"a/labels/drive{n // 2}_{n:03}.png", _ids(n))
    init("a")
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto((tmp_path / "own/check.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    loaded = page.evaluate("[...document.images].every(image => image.loading === 'lazy' || image.naturalWidth > 0)")
    assert loaded
    page.close()
