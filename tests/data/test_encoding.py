"""The drivable encoding is read off the files, and a wrong claim about it is an error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.config.schema import DatasetConfig
from segibn.data.build import build_label_set, index_dataset
from segibn.data.dataset import load_arrays
from segibn.data.encoding import check_drivable_encoding, detect_drivable_encoding
from segibn.errors import DatasetError
from segibn.files import write_label_png


@pytest.mark.parametrize("encoding", ["2018", "2021"])
def test_the_encoding_is_told_from_the_values(
    encoding: str, make_drivable: Callable[..., Path]
) -> None:
    paths = sorted(make_drivable(encoding).rglob("*.png"))
    assert detect_drivable_encoding(paths) == encoding


@pytest.mark.parametrize(("found", "claimed"), [("2018", "2021"), ("2021", "2018")])
def test_one_encoding_read_as_the_other_is_an_error(
    found: str, claimed: str, make_drivable: Callable[..., Path], root: Path
) -> None:
    make_drivable(found)
    dataset = DatasetConfig(name="bdd100k_drivable", encoding=claimed)
    with pytest.raises(DatasetError, match=f"in the {found} encoding.*set `encoding: '{found}'`"):
        index_dataset(dataset, root)


def test_both_encodings_give_the_same_train_ids(
    make_drivable: Callable[..., Path], tmp_path: Path
) -> None:
    targets = []
    for encoding in ("2018", "2021"):
        own = make_drivable(encoding)
        dataset = DatasetConfig(name="bdd100k_drivable", encoding=encoding)
        samples = index_dataset(dataset, own.parent)
        targets.append(load_arrays(samples[0], build_label_set(dataset))[1])
    np.testing.assert_array_equal(*targets)


def test_auto_without_samples_refuses_to_guess() -> None:
    with pytest.raises(DatasetError, match="pass the samples"):
        build_label_set(DatasetConfig(name="bdd100k_drivable"))


def test_new_numbers_under_the_old_file_names_are_refused(
    make_drivable: Callable[..., Path],
) -> None:
    paths = sorted(make_drivable("2018", values="2021").rglob("*.png"))
    with pytest.raises(DatasetError, match="_drivable_id"):
        detect_drivable_encoding(paths)


def test_values_of_neither_encoding_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_label_png(path, np.full((9, 9), 255, np.uint8))
    with pytest.raises(DatasetError, match="255"):
        check_drivable_encoding([path], "auto")


def test_maps_that_do_not_tell_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_label_png(path, np.ones((9, 9), np.uint8))
    with pytest.raises(DatasetError, match="cannot be told"):
        check_drivable_encoding([path], "auto")
