"""Training, check, evaluation and prediction see the same pixels of every kind of picture."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from segibn.data.check import check_split, read_facts
from segibn.data.frame import open_frame
from segibn.data.frames import Frames
from segibn.data.samples import Pairing, SamplePaths
from segibn.errors import ImageFileError
from segibn.files import png
from segibn.files.picture_file import MAX_PIXELS
from segibn.files.pictures import image_size, read_image, read_label_map
from segibn.labels.cityscapes import CITYSCAPES
from segibn.media.faults import MediaError, read_upright

SIZE = (24, 40)
Y, X = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
RGB = np.stack([X * 6, Y * 10, 255 - X * 3 - Y], axis=2).astype(np.uint8)
PICTURE = Image.fromarray(RGB)

SAVED: dict[str, tuple[Image.Image, dict]] = {
    "rgb.png": (PICTURE, {}),
    "grey.png": (PICTURE.convert("L"), {}),
    "alpha.png": (PICTURE.convert("RGBA"), {}),
    "grey_alpha.png": (PICTURE.convert("LA"), {}),
    "palette.png": (PICTURE.quantize(200), {}),
    "few.png": (PICTURE.quantize(5), {}),
    "bit.png": (PICTURE.convert("1"), {}),
    "apng.png": (PICTURE, {"save_all": True, "append_images": [ImageOps.invert(PICTURE)]}),
    "rgb.jpg": (PICTURE, {"quality": 90}),
    "progressive.jpg": (PICTURE, {"progressive": True}),
    "grey.jpg": (PICTURE.convert("L"), {}),
    "cmyk.jpg": (PICTURE.convert("CMYK"), {}),
    "many.jpg": (PICTURE, {"format": "MPO", "save_all": True, "append_images": [PICTURE]}),
    "rgb.bmp": (PICTURE, {}),
    "palette.bmp": (PICTURE.quantize(9), {}),
    "rgb.tif": (PICTURE, {"compression": "tiff_lzw"}),
    "cmyk.tif": (PICTURE.convert("CMYK"), {}),
    "pages.tif": (PICTURE, {"save_all": True, "append_images": [ImageOps.invert(PICTURE)]}),
    "lossy.webp": (PICTURE, {}),
    "lossless.webp": (PICTURE.convert("RGBA"), {"lossless": True}),
    "animated.webp": (PICTURE, {"save_all": True, "append_images": [PICTURE], "lossless": True}),
}
TURNS = {"png": "rgb.png", "jpg": "rgb.jpg", "tif": "rgb.tif", "webp": "lossless.webp"}


def _readers(sample: SamplePaths) -> dict[str, np.ndarray]:
    """The image as each part of the toolkit reads it, and of two windows what training reads."""
    frame = open_frame(sample, CITYSCAPES)
    (top, left), (bottom, right) = (3, 5), (11, 14)
    pieces = read_image(sample.image).copy()
    pieces[top:bottom, left:right] = frame.read((top, left, bottom, right))[0]
    return {
        "train": frame.read()[0],
        "window": pieces,
        "evaluate": next(iter(Frames((sample,), CITYSCAPES)))[1],
        "predict": read_upright(sample.image),
    }


def _sample(image: Path, size: tuple[int, int]) -> SamplePaths:
    target = image.with_name("labels.png")
    Image.new("L", size[::-1], 7).save(target)
    return SamplePaths(image.name, image, target)


def _assert_all_read(image: Path, expected: np.ndarray, tolerance: int = 0) -> None:
    sample = _sample(image, expected.shape[:2])
    for reader, pixels in _readers(sample).items():
        assert pixels.shape == expected.shape, reader
        away = np.abs(pixels.astype(int) - expected).max()
        assert away <= tolerance, (reader, away)
    assert read_facts(sample, CITYSCAPES).image_size == expected.shape[:2]
    assert image_size(image) == expected.shape[:2]


@pytest.mark.parametrize("codec", ["imagecodecs", "zlib"])
@pytest.mark.parametrize("name", SAVED)
def test_every_kind_of_picture_is_one_to_all_readers(
    name: str, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if codec == "zlib":
        monkeypatch.setattr(png, "imagecodecs", None)
    picture, options = SAVED[name]
    picture.save(tmp_path / name, **options)
    with Image.open(tmp_path / name) as image:
        expected = np.array(image.convert("RGB"))
    # Two versions of the JPEG library may round differently.
    _assert_all_read(tmp_path / name, expected, tolerance=2 * name.endswith(".jpg"))


@pytest.mark.parametrize("suffix", TURNS)
@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_is_applied_by_all_readers(orientation: int, suffix: str, tmp_path: Path) -> None:
    picture, options = SAVED[TURNS[suffix]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / f"a.{suffix}", exif=exif, **options)
    with Image.open(tmp_path / f"a.{suffix}") as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    assert expected.shape[:2] == (SIZE if orientation < 5 else SIZE[::-1])
    _assert_all_read(tmp_path / f"a.{suffix}", expected, tolerance=2 * (suffix == "jpg"))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_label_map_is_turned_as_its_image(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    values = (X // 8 + Y // 9).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}", exif=exif)
    assert np.array_equal(read_label_map(tmp_path / f"a.{suffix}"), np.rot90(values, -1))


def test_check_says_that_images_are_turned_and_an_error_names_the_tag(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    PICTURE.save(tmp_path / "a.jpg", exif=exif)
    sample = _sample(tmp_path / "a.jpg", SIZE)  # its label map was made of the pixels as stored
    report = check_split("own", "train", Pairing((sample,)), CITYSCAPES)
    assert "1 image (first a.jpg) turned upright by an EXIF orientation" in report.notes[0]
    assert report.size_mismatches == ["a.jpg: image 40x24, label map 24x40"]
    with pytest.raises(ImageFileError, match=r"is 40x24, upright by its EXIF orientation 6, its"):
        open_frame(sample, CITYSCAPES)


def test_deep_pictures_are_refused_by_all_readers(tmp_path: Path) -> None:
    deep = np.full(SIZE, 40_000, np.uint16)
    for name, pixels in {"a.png": deep, "a.tif": deep, "f.tif": deep.astype(np.float32)}.items():
        path = tmp_path / name
        Image.fromarray(pixels).save(path)
        sample = _sample(path, SIZE)
        says = r"more than 8 bits a channel.*convert it"
        with pytest.raises(ImageFileError, match=says):
            open_frame(sample, CITYSCAPES).read()
        with pytest.raises(MediaError, match=says):
            read_upright(path)
        assert "more than 8 bits" in read_facts(sample, CITYSCAPES).errors[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>Log in</body></html>", "a web page.*download"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML text"),
        (b"GIF89a" + bytes(40), "a kind that is not read .GIF.*PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"PK\3\4" + bytes(40), "zip archive"),
        (bytes(999), "zero bytes"),
        (b"RIFF\x30\0\0\0WEBP" + bytes(40), "damaged or cut short"),
    ],
)
def test_bytes_that_are_no_picture_are_told_with_a_fix(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_image, read_label_map, image_size):
        with pytest.raises(ImageFileError, match=rf"a\.png: .*{says}"):
            read(tmp_path / "a.png")
    with pytest.raises(MediaError) as caught:
        read_upright(tmp_path / "a.png")
    assert caught.value.fix


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for read in (read_image, read_label_map, image_size):
        with pytest.raises(ImageFileError, match="a device or pipe"):
            read(tmp_path / "a.png")


# ---- damage, and files that ask for more than they hold ----


def _chunks(path: Path) -> list[tuple[bytes, bytes]]:
    data, position, found = path.read_bytes(), 8, []
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        found.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def _write_chunks(path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    data = png.SIGNATURE
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content)
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    path.write_bytes(data)


Damage = Callable[[dict[bytes, bytes]], None]


def _cut_stream(chunks: dict[bytes, bytes]) -> None:
    chunks[b"IDAT"] = chunks[b"IDAT"][:-30]


def _wrong_sum(chunks: dict[bytes, bytes]) -> None:
    chunks[b"IDAT"] = chunks[b"IDAT"][:-1] + b"\0"


def _no_filter(chunks: dict[bytes, bytes]) -> None:
    rows = zlib.decompress(chunks[b"IDAT"])
    chunks[b"IDAT"] = zlib.compress(b"\5" + rows[1:])


@pytest.mark.parametrize("codec", ["imagecodecs", "zlib"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize("damage", [_cut_stream, _wrong_sum, _no_filter])
def test_a_damaged_png_that_pillow_refuses_is_refused(
    mode: str, damage: Damage, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chunks have the right checksums; what they hold is wrong."""
    if codec == "zlib":
        monkeypatch.setattr(png, "imagecodecs", None)
    path = tmp_path / "a.png"
    PICTURE.convert(mode).save(path)
    chunks = dict(_chunks(path))
    damage(chunks)
    _write_chunks(path, list(chunks.items()))
    with pytest.raises(Exception, match=r"."), Image.open(path) as image:
        image.load()
    with pytest.raises(ImageFileError, match=r"a\.png.*damaged"):
        read_image(path)


def test_a_wrong_checksum_of_any_chunk_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PICTURE.quantize(9).save(path, exif=b"Exif\0\0MM\0*" + bytes(8))
    data = path.read_bytes()
    for kind in (b"IHDR", b"PLTE", b"eXIf", b"IDAT"):
        changed = bytearray(data)
        changed[data.index(kind) + 4 + (7 if kind == b"IHDR" else 0)] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ImageFileError, match=r"a\.png"):
            read_image(path)


def _jpeg(path: Path, **options: object) -> bytes:
    PICTURE.save(path, **options)
    return path.read_bytes()


def test_a_jpeg_of_a_thousand_scans_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data = _jpeg(path, progressive=True)
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 1000 + data[-2:])
    with pytest.raises(ImageFileError, match=r"a JPEG of 960 pixels in 1,0\d\d scans"):
        read_image(path)


def test_a_jpeg_that_declares_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data = bytearray(_jpeg(path))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 9000, 9000)
    path.write_bytes(data)
    with pytest.raises(ImageFileError, match="more pixels than its data can hold"):
        read_image(path)


@pytest.mark.parametrize("kind", ["png", "bmp", "tif"])
def test_a_size_above_the_limit_is_refused_by_the_header(kind: str, tmp_path: Path) -> None:
    path, side = tmp_path / f"a.{kind}", 9_000
    assert side * side > MAX_PIXELS
    PICTURE.save(path)
    if kind == "png":
        rows = zlib.compress(bytes(side * (1 + side // 8)))
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        _write_chunks(path, [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")])
    elif kind == "bmp":
        data = bytearray(path.read_bytes())
        data[18:26] = struct.pack("<II", side, side)
        path.write_bytes(data)
    else:
        data = path.read_bytes()
        for tag, old in ((256, SIZE[1]), (257, SIZE[0])):  # as a short, then as a long
            entry = struct.pack("<HHII", tag, 4, 1, side)
            data = data.replace(struct.pack("<HHII", tag, 3, 1, old), entry)
            data = data.replace(struct.pack("<HHII", tag, 4, 1, old), entry)
        path.write_bytes(data)
    for read in (read_image, read_label_map, image_size):
        with pytest.raises(ImageFileError, match=rf"a\.{kind}: more than {MAX_PIXELS} pixels"):
            read(path)
