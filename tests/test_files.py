"""Files: decoding exactly, refusing damaged ones, writing whole or not at all."""

import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segibn import files
from segibn.errors import DatasetError, ImageFileError, SegibnError
from segibn.files import png
from segibn.files.encode import write_image, write_label_png
from segibn.files.folders import list_files
from segibn.files.pictures import Picture, image_size, read_image, read_label_map
from segibn.files.writing import atomic_files, atomic_path, read_json, sha256_of, write_bytes, write_json, write_text

RNG = np.random.default_rng(3)


def _smooth_image() -> np.ndarray:
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, 255 - x * 2 - y], axis=2).astype(np.uint8)


# ---- pictures ----


def test_png_pixels_equal_pillows_in_rgb_order(tmp_path: Path) -> None:
    image = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_grey_alpha_and_palette_pictures_come_out_as_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(_smooth_image()).convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)


def test_size_is_height_width(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", _smooth_image())
    assert image_size(tmp_path / "a.jpg") == (48, 64)


@pytest.mark.parametrize("read", [read_image, read_label_map, image_size])
def test_a_missing_file_is_named(tmp_path: Path, read) -> None:
    with pytest.raises(ImageFileError, match=r"absent\.png: no such file"):
        read(tmp_path / "absent.png")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("read", [read_image, read_label_map, image_size])
def test_what_is_no_picture_is_refused(tmp_path: Path, read, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageFileError, match=r"a\.png"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_cut_at_any_point_is_refused(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    write_image(whole, _smooth_image())
    data = whole.read_bytes()
    for length in (*range(0, len(data) - 1, 7), len(data) - 2, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(ImageFileError, match="cut"):
            read_image(cut)


@pytest.mark.parametrize("palette", [None, np.zeros((3, 3), np.uint8)], ids=["grey", "palette"])
def test_a_label_map_cut_at_any_point_is_refused(tmp_path: Path, palette) -> None:
    whole, cut = tmp_path / "whole.png", tmp_path / "cut.png"
    write_label_png(whole, RNG.integers(0, 19, (20, 30), dtype=np.uint8), palette)
    data = whole.read_bytes()
    for length in (*range(0, len(data) - 1, 5), len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(ImageFileError, match="cut"):
            read_label_map(cut)


def test_a_cut_jpeg_with_a_thumbnail_is_refused(tmp_path: Path) -> None:
    """The thumbnail in the header has an end marker of its own."""
    thumbnail = io.BytesIO()
    Image.fromarray(_smooth_image()[::4, ::4].copy()).save(thumbnail, "JPEG")
    buffer = io.BytesIO()
    extra = b"\xff\xe2" + struct.pack(">H", thumbnail.tell() + 2) + thumbnail.getvalue()
    Image.fromarray(_smooth_image()).save(buffer, "JPEG")
    data = buffer.getvalue()[:2] + extra + buffer.getvalue()[2:]
    (tmp_path / "a.jpg").write_bytes(data + b"trailing bytes")
    assert read_image(tmp_path / "a.jpg").shape == (48, 64, 3)
    (tmp_path / "a.jpg").write_bytes(data[:-20])
    with pytest.raises(ImageFileError, match="cut short"):
        read_image(tmp_path / "a.jpg")


def test_a_png_with_damaged_data_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = bytearray((tmp_path / "a.png").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4] = bytes(255 - value for value in data[middle : middle + 4])
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageFileError, match="damaged"):
        read_image(tmp_path / "a.png")


# ---- label maps ----


@pytest.mark.parametrize("colors", [None, 3, 19, 256])
def test_label_maps_round_trip_every_value(tmp_path: Path, colors: int | None) -> None:
    palette = None if colors is None else RNG.integers(0, 256, (colors, 3), dtype=np.uint8)
    label_map = np.arange(256, dtype=np.uint8).reshape(8, 32)
    write_label_png(tmp_path / "a.png", label_map, palette)
    assert np.array_equal(read_label_map(tmp_path / "a.png"), label_map)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == ("L" if palette is None else "P")
        if palette is not None:
            shown = np.asarray(image.convert("RGB")).reshape(-1, 3)
            assert np.array_equal(shown[:colors], palette)


@pytest.mark.parametrize("color_type", [0, 3], ids=["grey", "palette"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_values_of_fewer_bits_come_as_stored(tmp_path: Path, bits: int, color_type: int) -> None:
    values = RNG.integers(0, 1 << bits, (5, 16), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(_png_by_hand(values, bits, color_type))
    assert np.array_equal(read_label_map(tmp_path / "a.png"), values)


@pytest.mark.parametrize(("mode", "says"), [("RGB", "8-bit RGB PNG"), ("RGBA", "RGB with alpha")])
def test_a_label_map_of_another_kind_says_what_it_is(tmp_path: Path, mode: str, says: str) -> None:
    Image.new(mode, (4, 4), (10, 20, 30)).save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match=rf"{says}.*expected one class index"):
        read_label_map(tmp_path / "a.png")


def test_a_jpeg_is_no_label_map(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(ImageFileError, match="JPEG"):
        read_label_map(tmp_path / "a.jpg")


def test_only_proper_arrays_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="label map"):
        write_label_png(tmp_path / "a.png", np.zeros((2, 2), np.int64))
    with pytest.raises(ValueError, match="image"):
        write_image(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(ImageFileError, match=r"use \.png or \.jpg"):
        write_image(tmp_path / "a.gif", np.zeros((2, 2, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def _png_by_hand(values: np.ndarray, bits: int, color_type: int) -> bytes:
    """Encode after the PNG specification, independent of any library's idea of bit depths."""
    chunk = _chunk
    planes = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1)
    scanlines = b"".join(b"\x00" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", values.shape[1], len(values), bits, color_type, 0, 0, 0)
    colors = chunk(b"PLTE", bytes(range(256)) * 3) if color_type == 3 and bits == 8 else b""
    colors = chunk(b"PLTE", bytes(3 << bits)) if color_type == 3 and bits < 8 else colors
    body = chunk(b"IHDR", header) + colors + chunk(b"IDAT", zlib.compress(scanlines))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


# ---- windows of a picture ----


@pytest.fixture
def windows() -> list[tuple[int, int, int, int]]:
    """Windows of a 67 x 91 picture: single pixels at its corners, single lines, random ones."""
    found = [(0, 0, 1, 1), (66, 90, 67, 91), (0, 0, 67, 91), (33, 0, 34, 91), (0, 45, 67, 46)]
    for _ in range(20):
        (top, bottom), (left, right) = (np.sort(RNG.choice(n + 1, 2, replace=False)) for n in (67, 91))
        found.append((int(top), int(left), int(bottom), int(right)))
    return found


def _write_by(writer: str, path: Path, pixels: np.ndarray) -> None:
    if writer == "pillow":
        Image.fromarray(pixels).save(path)
    elif writer == "opencv":
        cv2.imwrite(str(path), pixels if pixels.ndim == 2 else pixels[..., ::-1])
    else:  # every row with the filter type of this number
        path.write_bytes(_filtered_png(pixels, int(writer)))


@pytest.mark.parametrize("shape", [(67, 91, 3), (67, 91)], ids=["image", "labels"])
@pytest.mark.parametrize("writer", ["pillow", "opencv", "0", "1", "2", "3", "4"])
def test_a_window_of_a_png_is_cut_from_what_pillow_decodes(
    tmp_path: Path, windows: list, writer: str, shape: tuple[int, ...]
) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    pixels[20:40] //= 16  # smooth and rough rows take different filters
    path = tmp_path / "a.png"
    _write_by(writer, path, pixels)
    whole = np.asarray(Image.open(path))
    assert np.array_equal(whole, pixels)
    picture = Picture(path)
    assert picture.size == shape[:2]
    assert png.read_layout(path.read_bytes()).is_plain  # it does take the fast road
    for box in windows:
        top, left, bottom, right = box
        got = picture.image(box) if len(shape) == 3 else picture.label_map(box)
        assert np.array_equal(got, whole[top:bottom, left:right]), box


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 20_000), (4, 21_844), (65_535 // 4, 1), (700, 3)])
def test_long_and_wide_pngs_decode_whole(tmp_path: Path, height: int, width: int) -> None:
    """A block of the uncompressed stream holds whole rows: one, several, or all of them."""
    image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), image)


def test_windows_of_other_pictures_are_cut_from_the_whole(tmp_path: Path, windows: list) -> None:
    image = np.tile(_smooth_image(), (2, 2, 1))[:67, :91]
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=90)
    Image.fromarray(image).convert("RGBA").save(tmp_path / "a.png")
    Image.fromarray(image[..., 0]).save(tmp_path / "grey.png")
    for name in ("a.jpg", "a.png", "grey.png"):
        picture = Picture(tmp_path / name)
        whole = picture.image()
        assert picture.size == (67, 91)
        for box in windows:
            assert np.array_equal(picture.image(box), whole[box[0] : box[2], box[1] : box[3]])


def test_uncommon_pngs_are_left_to_the_other_decoder() -> None:
    header = struct.Struct(">IIBBBBB")
    pixel = _chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + _chunk(b"IEND", b"")

    def is_plain(extra: bytes = b"", bits: int = 8, kind: int = 2, interlaced: int = 0) -> bool:
        shape = _chunk(b"IHDR", header.pack(1, 1, bits, kind, 0, 0, interlaced))
        return png.read_layout(png.SIGNATURE + shape + extra + pixel).is_plain

    assert is_plain()
    assert is_plain(bits=16, kind=6)
    assert not is_plain(bits=4, kind=0)
    assert not is_plain(kind=4)
    assert not is_plain(kind=3)  # without a palette
    assert not is_plain(interlaced=1)
    assert not is_plain(_chunk(b"tRNS", bytes(6)))
    assert not is_plain(_chunk(b"acTL", bytes(8)))


@pytest.mark.parametrize("codec", ["imagecodecs", "zlib"])
@pytest.mark.parametrize(
    "rows", [b"\5\1\2\3", b"\0\1\2", b"\0\1\2\3\0", b""], ids=["no such filter", "too little", "too much", "nothing"]
)
def test_rows_that_do_not_fit_the_header_are_refused(rows: bytes, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if codec == "zlib":
        monkeypatch.setattr(png, "imagecodecs", None)
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    data = png.SIGNATURE + header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="damaged"):
        png.decode_window(data, png.read_layout(data))


def test_threads_decode_without_mixing_their_pictures(tmp_path: Path) -> None:
    images = [RNG.integers(0, 256, (90 + i, 120, 3), dtype=np.uint8) for i in range(8)]
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            read = pool.map(lambda i: read_image(tmp_path / f"{i}.png"), range(8))
            assert all(np.array_equal(a, b) for a, b in zip(read, images, strict=True))


def _filtered_png(pixels: np.ndarray, kind: int) -> bytes:
    """Encode with one filter type by the loops of the PNG specification, section 9."""
    step = 1 if pixels.ndim == 2 else 3
    rows = pixels.reshape(len(pixels), -1).astype(int)
    scanlines = b""
    for y, row in enumerate(rows):
        above = rows[y - 1] if y else np.zeros_like(row)
        left = np.concatenate([np.zeros(step, int), row[:-step]])
        upper_left = np.concatenate([np.zeros(step, int), above[:-step]])
        guess = left + above - upper_left
        nearest = np.argmin([abs(guess - side) for side in (left, above, upper_left)], axis=0)
        paeth = np.choose(nearest, [left, above, upper_left])
        predicted = [0 * row, left, above, (left + above) // 2, paeth][kind]
        scanlines += bytes([kind]) + ((row - predicted) % 256).astype(np.uint8).tobytes()
    shape = struct.pack(">IIBBBBB", pixels.shape[1], len(pixels), 8, 2 * (step == 3), 0, 0, 0)
    body = _chunk(b"IHDR", shape) + _chunk(b"IDAT", zlib.compress(scanlines))
    return png.SIGNATURE + body + _chunk(b"IEND", b"")


# ---- whole or absent ----


@contextmanager
def _largest_file(limit: int) -> Iterator[None]:
    """Let the operating system refuse to let a file grow past ``limit`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_the_system_refuses_leaves_the_previous_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "last.bin"
    write_bytes(path, b"previous")
    with _largest_file(1000), pytest.raises(SegibnError, match=r"last\.bin: .*previous file is unchanged"):
        write_bytes(path, bytes(5000))
    assert path.read_bytes() == b"previous"
    assert [found.name for found in tmp_path.iterdir()] == ["last.bin"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(options, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("reports_as", [OSError, RuntimeError])
def test_a_full_disk_leaves_the_previous_file_whole(tiny_disk: Path, reports_as) -> None:
    """torch.save reports a full disk as a RuntimeError without an OSError behind it."""
    path = tiny_disk / "last.pt"
    write_bytes(path, b"previous")

    def overfill() -> None:
        with atomic_path(path) as temporary:
            try:
                temporary.write_bytes(bytes(1 << 20))
            except OSError as error:
                raise (error if reports_as is OSError else RuntimeError("cut")) from None

    with pytest.raises(SegibnError, match="No space left on device"):
        overfill()
    assert path.read_bytes() == b"previous"
    assert [found.name for found in tiny_disk.iterdir()] == ["last.pt"]


def test_a_refused_flush_or_rename_leaves_the_previous_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "previous")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, refuse)
            with pytest.raises(SegibnError, match=r"a\.txt: .*No space left"):
                write_text(path, "new")
        assert path.read_text() == "previous"
        assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_an_exception_in_the_body_passes_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), atomic_path(tmp_path / "a") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    with pytest.raises(RuntimeError, match="a bug"), atomic_path(tmp_path / "a"):
        raise RuntimeError("a bug")
    assert not list(tmp_path.iterdir())


def test_a_killed_writer_leaves_the_previous_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "previous")
    script = (
        "import os, sys; from pathlib import Path; from segibn.files.writing import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    root = Path(files.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, path], cwd=root, check=False)
    assert done.returncode == -9
    assert path.read_text() == "previous"
    assert list_files(tmp_path, [".txt"]) == [path]


def test_folders_are_made_and_the_suffix_kept_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.npz"
    with atomic_path(path) as temporary:
        np.savez(temporary, x=np.arange(3))  # would add .npz to a name without it
    assert np.load(path)["x"].tolist() == [0, 1, 2]


def test_a_folder_that_cannot_be_made_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SegibnError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_json_is_strict_and_takes_numpy_and_paths(tmp_path: Path) -> None:
    value = {
        "nan": float("nan"),
        "count": np.int64(3),
        "iou": np.array([0.5, np.nan]),
        "path": Path("a/b"),
        "nested": [(1, True, None)],
    }
    write_json(tmp_path / "a.json", value)
    assert "NaN" not in (tmp_path / "a.json").read_text()
    assert read_json(tmp_path / "a.json") == {
        "nan": None,
        "count": 3,
        "iou": [0.5, None],
        "path": "a/b",
        "nested": [[1, True, None]],
    }


def test_a_float_survives_json_to_the_last_bit(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 0.1 + 0.2)
    assert read_json(tmp_path / "a.json") == 0.1 + 0.2


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n oops}')
    with pytest.raises(SegibnError, match=r"a\.json.*line 2"):
        read_json(tmp_path / "a.json")


# ---- folders ----


def test_files_are_listed_sorted_by_suffix_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.png", ".c.part.png", "d.txt", "sub/e.png", ".hidden/f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in list_files(tmp_path, [".png"])] == ["a.png", "b.PNG"]
    found = list_files(tmp_path, [".png"], recursive=True)
    assert found == [tmp_path / "a.png", tmp_path / "b.PNG", tmp_path / "sub" / "e.png"]
    with pytest.raises(DatasetError, match="no such folder"):
        list_files(tmp_path / "absent", [".png"])


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert sha256_of(tmp_path / "a") == expected


def test_files_labels_and_visualize_load_without_torch_or_matplotlib() -> None:
    script = (
        "import sys, segibn.files, segibn.labels.drawing, segibn.data.datasets.catalog\n"
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    root = Path(files.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_several_files_and_folders_take_their_places_together_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "out" / "m.xml"
    with atomic_files(place) as temporary:
        temporary.write_text("graph")
        temporary.with_suffix(".bin").write_text("weights")
    assert {path.name: path.read_text() for path in place.parent.iterdir()} == {"m.xml": "graph", "m.bin": "weights"}
    with pytest.raises(ValueError, match="half"), atomic_files(place) as temporary:  # noqa: PT012
        temporary.write_text("other")
        raise ValueError("half")
    assert {path.name: path.read_text() for path in place.parent.iterdir()} == {"m.xml": "graph", "m.bin": "weights"}
    for content in ("first", "second"):  # a folder over one that holds something
        with atomic_files(tmp_path / "m.mlpackage") as temporary:
            (temporary / "Data").mkdir(parents=True)
            (temporary / "Data" / content).write_text(content)
        assert [path.name for path in (tmp_path / "m.mlpackage" / "Data").iterdir()] == [content]
    (tmp_path / "file").touch()
    with pytest.raises(SegibnError, match="cannot be written"), atomic_files(tmp_path / "file" / "m.xml"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "m.mlpackage", "out"]
