"""Tiles give back the pixels that went in, or an error."""

import numpy as np
import pytest

from segibn.data.cache import tiles
from segibn.data.cache.tile_file import TileFile, TileFileError, write_tile_file


def _frame(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture with grain, and labels in stripes."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x, y, x + y], axis=2) / 3 + rng.normal(0, 2, (height, width, 3))
    return (image % 256).astype(np.uint8), ((x // 40) % 19).astype(np.uint8)


def _read(index: np.ndarray, data: bytes, size: tuple[int, int], box=None):
    return tiles.decode(lambda start, stop: data[start:stop], index, size, box)


@pytest.mark.parametrize("size", [(1, 1), (127, 255), (128, 256), (129, 257), (300, 700)])
def test_every_window_is_cut_from_the_frame(size: tuple[int, int]) -> None:
    image, target = _frame(*size)
    index, data = tiles.encode(image, target)
    rng = np.random.default_rng(0)
    boxes = [None, (0, 0, *size), (size[0] - 1, size[1] - 1, *size), (0, 0, 1, 1)]
    for _ in range(30):
        (top, bottom), (left, right) = (np.sort(rng.choice(n + 1, 2, replace=False)) for n in size)
        boxes.append((top, left, bottom, right))
    for box in boxes:
        top, left, bottom, right = box or (0, 0, *size)
        got_image, got_target = _read(index, data, size, box)
        np.testing.assert_array_equal(got_image, image[top:bottom, left:right])
        np.testing.assert_array_equal(got_target, target[top:bottom, left:right])


def test_a_window_reads_the_rows_of_tiles_under_it_and_no_others() -> None:
    image, target = _frame(512, 1024)  # 4 x 4 tiles
    index, data = tiles.encode(image, target)
    asked: list[tuple[int, int]] = []

    def read(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return data[start:stop]

    tiles.decode(read, index, (512, 1024), (130, 300, 250, 600))  # row 1, columns 1 and 2
    sizes = index[..., 0].astype(int) + index[..., 2]
    before = sizes[0].sum() + sizes[1, 0]
    assert asked == [(before, before + sizes[1, 1] + sizes[1, 2])]


def test_tiles_are_small() -> None:
    image, target = _frame(512, 1024)
    index, data = tiles.encode(image, target)
    assert len(data) < 0.75 * image.nbytes
    assert index[..., 2].sum() < 0.02 * target.nbytes


def test_no_changed_byte_goes_unnoticed(tmp_path) -> None:
    size = (140, 300)
    image, target = _frame(*size)
    path = tmp_path / "a.tiles"
    write_tile_file(path, size, {"made": "of this"}, *tiles.encode(image, target))
    assert TileFile(path).note == {"made": "of this"}
    content = path.read_bytes()
    assert len(content) == TileFile(path).expected_bytes
    rng = np.random.default_rng(0)
    places = {*range(0, 150, 3), *rng.integers(0, len(content), 100).tolist(), len(content) - 1}
    for place in sorted(places):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(TileFileError, match=r"a\.tiles: .*segibn cache"):
            TileFile(path).read()
    for length in (0, 10, 60, 200, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(TileFileError, match=r"a\.tiles"):
            TileFile(path).read()


def test_a_new_note_leaves_the_tiles_as_they_are(tmp_path) -> None:
    image, target = _frame(130, 270)
    path = tmp_path / "a.tiles"
    write_tile_file(path, (130, 270), {"mtime": 1}, *tiles.encode(image, target))
    TileFile(path).renote({"mtime": 12345678})
    again = TileFile(path)
    assert again.note == {"mtime": 12345678}
    np.testing.assert_array_equal(again.read()[0], image)
    np.testing.assert_array_equal(again.read()[1], target)
