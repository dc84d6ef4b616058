"""Run lengths of COCO: what is written is read back, what is damaged is refused."""

import sys

import numpy as np
import pytest

from segibn.errors import ImageFileError, SegibnError
from segibn.files.rle import decode_rle, encode_rle

pytest.importorskip("pycocotools")


def test_runs_go_down_the_columns_and_start_outside():
    assert encode_rle(np.array([[1, 0], [1, 0]])) == {"counts": "022", "size": [2, 2]}
    np.testing.assert_array_equal(
        decode_rle({"counts": "13", "size": [2, 2]}), [[False, True], [True, True]]
    )


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_a_mask_survives_the_way_there_and_back(share: float):
    mask = np.random.default_rng(0).random((37, 53)) < share
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


def test_a_damaged_text_is_refused_or_decoded_but_never_overruns():
    rng = np.random.default_rng(1)
    whole = encode_rle(rng.random((40, 40)) < 0.1)
    refused = 0
    for _ in range(300):
        text = bytearray(whole["counts"], "ascii")
        text[rng.integers(len(text))] = rng.integers(33, 126)
        text = text[: rng.integers(len(text) + 1)]
        try:
            assert decode_rle({"counts": text.decode(), "size": [40, 40]}).shape == (40, 40)
        except ImageFileError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"counts": "0<", "size": [2, 2]}, "does not fill 2x2"),
        ({"counts": "0P", "size": [2, 2]}, "damaged"),  # its last number goes on
        ({"counts": "0" + "o" * 12 + "1", "size": [2, 2]}, "damaged"),  # a number beyond 32 bits
        ({"counts": "", "size": [2, 2]}, "damaged"),
        ({"counts": "0é", "size": [2, 2]}, "damaged"),
        ({"counts": "04", "size": [2, 0]}, "size"),
        ({"counts": "04", "size": [1 << 20, 1 << 20]}, "size"),
        ({"counts": "04", "size": "2x2"}, "size"),
        ({"counts": [0, 4], "size": [2, 2]}, "compressed text"),
        ("04", "compressed text"),
    ],
)
def test_what_is_no_rle_is_named(rle: object, message: str):
    with pytest.raises(ImageFileError, match=f"a.json: .*{message}"):
        decode_rle(rle, "a.json")


def test_without_pycocotools_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(SegibnError, match=r'pip install "segibn\[rle\]"'):
        encode_rle(np.ones((2, 2)))
