"""Palettes held against label tables, and label maps read by their colours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segibn.data.check import read_facts
from segibn.data.datasets.gta5 import GTA5
from segibn.data.frame import open_frame
from segibn.data.samples import SamplePaths
from segibn.errors import ImageFileError, PaletteError
from segibn.files.pictures import read_label_map
from segibn.labels.label_set import Label, LabelSet

RNG = np.random.default_rng(5)
TABLE = LabelSet(
    "yard",
    (
        Label("floor", 1, 0, (128, 64, 128)),
        Label("crate", 7, 1, (70, 70, 70)),
        Label("lamp", 9, 2, (250, 170, 30)),
        Label("void", 0, 255, (0, 0, 0)),
    ),
)
COLOR_OF = {row.label_id: row.color for row in TABLE.labels}
VALUES = RNG.choice(list(COLOR_OF), (24, 40)).astype(np.uint8)
COLORS = np.array([COLOR_OF.get(value, (1, 1, 1)) for value in range(256)], np.uint8)[VALUES]


def _palette_png(path: Path, indices: np.ndarray, palette: np.ndarray) -> Path:
    image = Image.fromarray(indices)
    image.putpalette(palette.astype(np.uint8).tobytes())
    image.save(path)
    return path


def _voc_palette() -> np.ndarray:
    """The palette of PASCAL VOC, as its development kit makes it of an index's bits."""
    index = np.arange(256)
    channels = [sum((((index >> (3 * bit + channel)) & 1) << (7 - bit)) for bit in range(8)) for channel in range(3)]
    return np.stack(channels, axis=1)


@pytest.fixture
def renumbered(tmp_path: Path) -> Path:
    """A map of GTA5 as an optimiser leaves it: every colour kept, the indices counted anew."""
    rows = [row for row in GTA5.labels if row.name in ("road", "building", "sky", "person")]
    palette = np.array([row.color for row in rows])
    return _palette_png(tmp_path / "r.png", RNG.integers(0, 4, (24, 40), np.uint8), palette)


def test_a_renumbered_palette_is_refused_by_every_reader(renumbered: Path, tmp_path: Path) -> None:
    image = tmp_path / "i.png"
    Image.new("RGB", (40, 24)).save(image)
    sample = SamplePaths("r", image, renumbered)
    says = r"r\.png: its palette contradicts.*index 0 .*'unlabeled'.*\(128, 64, 128\) of 'road' \(7\)"
    with pytest.raises(PaletteError, match=says):
        GTA5.read(renumbered)
    for box in (None, (0, 0, 4, 4)):  # the window of a crop is judged as the whole file
        with pytest.raises(PaletteError, match="convert"):
            open_frame(sample, GTA5).read(box)
    assert "palette contradicts" in read_facts(sample, GTA5).errors[0]
    assert read_label_map(renumbered).max() == 3  # without a table there is nothing to contradict
    Image.open(renumbered).convert("RGB").save(renumbered)  # what the message advises
    assert set(np.unique(GTA5.read(renumbered))) == {7, 11, 23, 24}


def test_the_advice_leaves_out_what_colours_cannot_tell(tmp_path: Path) -> None:
    rows = [row for row in GTA5.labels if row.name in ("road", "car")]  # and license plates
    path = _palette_png(tmp_path / "a.png", np.eye(4, dtype=np.uint8), np.array([row.color for row in rows]))
    with pytest.raises(PaletteError, match=r"as it was published$"):
        GTA5.read(path)


@pytest.mark.parametrize("kind", ["own", "voc", "ramp", "random", "none of the rows", "padded"])
def test_palettes_that_do_not_contradict_are_read_by_index(tmp_path: Path, kind: str) -> None:
    own = np.zeros((256, 3), np.uint8)
    for row in GTA5.labels:
        own[max(row.label_id, 0)] = row.color
    palette = {
        "own": own,
        "voc": _voc_palette(),  # whose index 21 has the colour of road
        "ramp": np.repeat(np.arange(256)[:, None], 3, axis=1),  # whose index 70 is building's
        "random": RNG.integers(0, 256, (256, 3)),
        "none of the rows": np.full((256, 3), 5),
        "padded": own[:12],
    }[kind]
    values = np.arange(34, dtype=np.uint8).reshape(2, 17)
    values = values % 12 if kind == "padded" else values
    assert np.array_equal(GTA5.read(_palette_png(tmp_path / "a.png", values, palette)), values)


@pytest.mark.parametrize("kind", ["png", "rgba.png", "bmp", "tif", "webp"])
def test_a_label_map_in_the_colours_of_the_table_is_read_by_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    image = Image.fromarray(COLORS).convert("RGBA" if "rgba" in kind else "RGB")
    image.save(path, **({"lossless": True} if kind == "webp" else {}))
    assert np.array_equal(TABLE.read(path), VALUES)
    with pytest.raises(ImageFileError, match="expected one class index"):
        read_label_map(path)  # without a table nothing says what colours mean


def test_a_colour_of_no_row_is_named_with_its_place_and_the_nearest(tmp_path: Path) -> None:
    image = COLORS.copy()
    image[3, 17] = (249, 171, 30)
    Image.fromarray(image).save(tmp_path / "a.png")
    says = r"\(249, 171, 30\) at row 3, column 17 .*'lamp' \(250, 170, 30\).*1 of 960 pixels"
    with pytest.raises(ImageFileError, match=says):
        TABLE.read(tmp_path / "a.png")


def test_a_colour_of_two_classes_is_refused(tmp_path: Path) -> None:
    rows = (*TABLE.labels, Label("bulb", 3, 3, (250, 170, 30)))
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match=r"'lamp' and of 'bulb'.*not one class"):
        LabelSet("twins", rows).read(tmp_path / "a.png")
    same = LabelSet("one class", (*rows[:-1], replace(rows[-1], train_id=2)))
    assert np.array_equal(same.read(tmp_path / "a.png"), VALUES)


def test_grey_with_three_channels_holds_values_unless_its_levels_are_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"

    def read(levels: list[int]) -> list[int]:
        row = np.array(levels, np.uint8)[None]
        Image.fromarray(np.stack([row] * 3, axis=2)).save(path)
        return TABLE.read(path)[0].tolist()

    assert read([0, 1, 7, 9]) == [0, 1, 7, 9]
    assert read([0, 70]) == [0, 7]
    assert read([0, 0]) == [0, 0]  # void either way
    assert read([0, 1, 99]) == [0, 1, 99]  # the table says which value it does not know
    with pytest.raises(ImageFileError, match=r"\(70, 70, 70\)|\(90, 90, 90\)"):
        read([70, 90])
    clash = LabelSet("clash", (Label("a", 70, 0, (9, 9, 9)), Label("b", 9, 1, (70, 70, 70))))
    Image.new("RGB", (2, 2), (70, 70, 70)).save(path)
    with pytest.raises(ImageFileError, match="level 70 is the value of 'a' and the colour of 'b'"):
        clash.read(path)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}), ("a.bmp", {}), ("a.tif", {"compression": "tiff_lzw"}),
        ("a.webp", {"lossless": True}), ("deep.png", {}), ("deep.tif", {}), ("bit.png", {}),
        ("bit.bmp", {}), ("bit.tif", {"compression": "group4"}), ("la.png", {}),
    ],
)  # fmt: skip
def test_every_kind_of_label_file_gives_its_values(tmp_path: Path, name: str, options: dict) -> None:
    values = VALUES > 5 if name.startswith("bit") else VALUES
    image = Image.fromarray(values.astype(np.uint16) if name.startswith("deep") else values)
    if name.startswith("la"):
        image = image.convert("LA")
    if name.endswith("webp"):
        image = image.convert("RGB")
    image.save(tmp_path / name, **options)
    assert np.array_equal(TABLE.read(tmp_path / name), values)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a.jpg", {}, "a JPEG; its compression changes values"),
        ("a.webp", {}, "a lossy WebP"),
        ("a.tif", {"compression": "jpeg"}, "a TIFF with lossy compression"),
        ("a.tif", {"save_all": True, "append_images": [Image.new("L", (3, 3))]}, "several pages"),
    ],
)
def test_lossy_and_many_paged_label_files_are_refused(tmp_path: Path, name: str, options: dict, says: str) -> None:
    Image.fromarray(VALUES).save(tmp_path / name, **options)
    with pytest.raises(ImageFileError, match=says):
        TABLE.read(tmp_path / name)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_classes_in_the_alpha_channel_alone_are_refused(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (40, 24))
    image.putalpha(Image.fromarray(VALUES))
    image.save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match="differ in their alpha channel alone"):
        TABLE.read(tmp_path / "a.png")


def test_values_in_three_channels_need_no_colours(tmp_path: Path) -> None:
    Image.fromarray(VALUES).convert("RGB").save(tmp_path / "a.png")
    assert np.array_equal(read_label_map(tmp_path / "a.png"), VALUES)
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match="or the colours of a label table whose rows have a"):
        read_label_map(tmp_path / "a.png")


def test_a_deep_label_file_with_larger_values_says_where(tmp_path: Path) -> None:
    values = VALUES.astype(np.uint16)
    values[2, 5] = 26_001
    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match="16-bit grey PNG with the value 26001 at row 2, col"):
        TABLE.read(tmp_path / "a.png")


def test_colours_that_nobody_chose_are_no_evidence(tmp_path: Path) -> None:
    rows = tuple(replace(row, has_color=False) for row in TABLE.labels)
    palette = np.zeros((256, 3), np.uint8)
    palette[[1, 7]] = (250, 170, 30), (128, 64, 128)
    path = _palette_png(tmp_path / "a.png", VALUES, palette)
    assert np.array_equal(LabelSet("own", rows).read(path), VALUES)
