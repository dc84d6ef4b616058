"""Submissions of three small frames, made by zipfile and Pillow, not by our own writer."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from segibn.submission.expected import Expected
from segibn.submission.formats import FORMATS

KEYS = {
    "wad": ("0004a4c0-d4dff0ad", "cabc30fc-e7726578", "fdb6baaf-3d897136"),
    "cityscapes": ("berlin_000000_000019", "berlin_000001_000019", "bonn_000000_000294"),
}
SHAPES = ((6, 8), (6, 8), (4, 10))


def png_of(pixels, mode=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture
def png():
    """Return a function (array, mode) -> the bytes of a PNG by Pillow."""
    return png_of


@pytest.fixture
def case():
    """Return a function: format name -> (format, expected frames, (name, PNG) members)."""

    def make(name):
        form = FORMATS[name]
        sizes = dict(zip(KEYS.get(name, KEYS["wad"]), SHAPES, strict=True))
        draw = np.random.default_rng(5)
        allowed = np.flatnonzero(form.knows & ~form.is_void)
        members = [
            (form.member.format(key=key), png_of(draw.choice(allowed, size).astype(np.uint8)))
            for key, size in sizes.items()
        ]
        return form, Expected("the test", len(sizes), sizes, form.size), members

    return make


@pytest.fixture
def write_zip():
    """Return a function (path, members) that writes a zip by zipfile."""

    def write(path, members):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members:
                archive.writestr(name, content)
        return path

    return write
