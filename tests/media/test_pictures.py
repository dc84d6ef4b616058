"""Pictures as users have them, against Pillow's own idea of how viewers show them."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from segibn.files.pictures import read_image
from segibn.media.faults import MediaError, read_upright

SUFFIXES = ("jpg", "png", "tif", "webp")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_as_pillow_turns_it(orientation, suffix, make_image, tmp_path):
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(make_image(24, 40)).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    found = read_upright(path)
    assert found.shape == ((24, 40, 3) if orientation < 5 else (40, 24, 3))
    assert np.abs(found.astype(int) - expected).max() <= 2  # two decoders of one JPEG
    if orientation != 1:
        assert not np.array_equal(found, make_image(24, 40))


def test_pixels_are_those_that_data_sets_are_read_with(make_image, tmp_path):
    for suffix in ("jpg", "png"):
        path = tmp_path / f"frame.{suffix}"
        Image.fromarray(make_image()).save(path)
        np.testing.assert_array_equal(read_upright(path), read_image(path))


def test_grey_palette_bilevel_and_alpha_become_rgb(make_image, tmp_path):
    image = make_image()
    grey = image[..., 0]
    alpha = np.dstack([image, np.full_like(grey, 3)])
    few = Image.fromarray(image).quantize(4)
    forms = {
        "grey.png": (Image.fromarray(grey), np.dstack([grey] * 3)),
        "grey.bmp": (Image.fromarray(grey), np.dstack([grey] * 3)),
        "alpha.png": (Image.fromarray(alpha), image),
        "alpha.tif": (Image.fromarray(alpha), image),
        "palette.png": (few, np.array(few.convert("RGB"))),
        "bilevel.png": (Image.fromarray(grey > 127), np.dstack([np.where(grey > 127, 255, 0)] * 3)),
    }
    for name, (picture, expected) in forms.items():
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(read_upright(tmp_path / name), expected, err_msg=name)


def test_cmyk_is_converted_and_not_inverted(tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(read_upright(tmp_path / "cmyk.jpg").astype(int) - red).max() < 12


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (1, 3000)])
def test_odd_sizes_are_read(size, make_image, tmp_path):
    Image.fromarray(make_image(*size)).save(tmp_path / "odd.png")
    np.testing.assert_array_equal(read_upright(tmp_path / "odd.png"), make_image(*size))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
def test_a_truncated_file_is_named_with_a_fix(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=rf"cut\.{suffix}") as caught:
        read_upright(path)
    assert caught.value.reason
    assert "again" in caught.value.fix


def test_more_than_8_bits_are_refused_whatever_the_file(make_image, tmp_path):
    deep = make_image().astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "rgb.png"), deep)
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    cv2.imwrite(str(tmp_path / "rgb.tif"), deep)
    cv2.imwrite(str(tmp_path / "grey.tif"), deep[..., 0])
    Image.fromarray(deep[..., 0].astype(np.float32)).save(tmp_path / "float.tif")
    for path in tmp_path.iterdir():
        with pytest.raises(MediaError, match="8 bits") as caught:
            read_upright(path)
        assert "convert it to 8 bits" in caught.value.fix


def test_what_is_no_picture_is_said(tmp_path):
    contents = {"empty": b"", "text": "straße\n".encode() * 99, "noise": bytes(range(256)) * 9}
    for (name, content), reason in zip(contents.items(), ("empty", "text inside", "no JPEG, PNG"), strict=True):
        (tmp_path / f"{name}.jpg").write_bytes(content)
        with pytest.raises(MediaError, match=reason):
            read_upright(tmp_path / f"{name}.jpg")
    with pytest.raises(MediaError, match="no such file"):
        read_upright(tmp_path / "missing.jpg")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(MediaError, match="more pixels than its data"):
        read_upright(tmp_path / "bomb.png")
