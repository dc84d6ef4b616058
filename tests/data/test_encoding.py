"""The drivable encoding is read off the files; what is said of it is believed and doubted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segibn.builders.sets import build_label_set, index_dataset
from segibn.config.data import DatasetConfig
from segibn.data.frame import open_frame
from segibn.errors import DatasetError
from segibn.evaluation.score_folders import score_drivable
from segibn.files.encode import write_label_png
from segibn.labels.drivable_encoding import Decision, decide_drivable_encoding
from segibn.runs.check import check_dataset


@pytest.mark.parametrize("encoding", ["2018", "2021"])
def test_the_encoding_is_told_from_the_values(encoding: str, make_drivable: Callable[..., Path]) -> None:
    paths = sorted(make_drivable(encoding).rglob("*.png"))
    assert decide_drivable_encoding(paths) == Decision(encoding)


@pytest.mark.parametrize(("found", "claimed"), [("2018", "2021"), ("2021", "2018")])
def test_one_encoding_read_as_the_other_is_a_warning(
    found: str, claimed: str, make_drivable: Callable[..., Path], root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_drivable(found)
    dataset = DatasetConfig(name="bdd100k_drivable", encoding=claimed)
    samples = index_dataset(dataset, root)
    assert build_label_set(dataset, samples=samples).name.endswith(claimed)
    assert f"read in the {claimed} encoding" in caplog.text
    assert f"which is that of {found}" in caplog.text


def test_both_encodings_give_the_same_train_ids(make_drivable: Callable[..., Path], tmp_path: Path) -> None:
    targets = []
    for encoding in ("2018", "2021"):
        own = make_drivable(encoding)
        dataset = DatasetConfig(name="bdd100k_drivable", encoding=encoding)
        samples = index_dataset(dataset, own.parent)
        targets.append(open_frame(samples[0], build_label_set(dataset)).read()[1])
    np.testing.assert_array_equal(*targets)


def test_auto_without_samples_refuses_to_guess() -> None:
    with pytest.raises(DatasetError, match="pass the samples"):
        build_label_set(DatasetConfig(name="bdd100k_drivable"))


def test_new_numbers_under_the_old_file_names_are_refused(make_drivable: Callable[..., Path]) -> None:
    paths = sorted(make_drivable("2018", values="2021").rglob("*.png"))
    with pytest.raises(DatasetError, match="_drivable_id"):
        decide_drivable_encoding(paths)


def test_values_of_neither_encoding_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_label_png(path, np.full((9, 9), 255, np.uint8))
    with pytest.raises(DatasetError, match="255"):
        decide_drivable_encoding([path])


def test_maps_that_do_not_tell_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_label_png(path, np.ones((9, 9), np.uint8))
    with pytest.raises(DatasetError, match="cannot be told"):
        decide_drivable_encoding([path])


def below_the_horizon(year: str) -> np.ndarray:
    """A road that fills the frame up to its upper edge, background on either side."""
    background, direct, alternative = {"2018": (0, 1, 2), "2021": (2, 0, 1)}[year]
    out = np.full((24, 40), direct, np.uint8)
    out[:, 30:35] = alternative
    out[:, :8] = background
    return out


@pytest.mark.parametrize("year", ["2018", "2021"])
def test_frames_cut_below_the_horizon_are_read_as_said_everywhere(
    year: str, make_drivable: Callable[..., Path], root: Path
) -> None:
    paths = sorted(make_drivable(year, count=2).rglob("*.png"))
    for path in paths:
        write_label_png(path, below_the_horizon(year))
    if year == "2021":
        with pytest.raises(DatasetError, match="cannot be told"):
            decide_drivable_encoding(paths)
    dataset = DatasetConfig(name="bdd100k_drivable", encoding=year)
    report = check_dataset(dataset, root, jobs=1, progress=lambda *_: None)
    assert report.ok
    assert any("do not confirm it" in note for note in report.notes)
    shares = {row["name"]: row["share"] for row in report.to_dict()["values"].values()}
    scores = score_drivable(paths[0].parent, paths[0].parent, target_encoding=year, pred_encoding=year)
    pixels = scores.scores.confusion.sum(axis=1)
    assert shares == dict(zip(scores.scores.class_names, pixels / pixels.sum(), strict=True))
    assert shares["direct"] == (below_the_horizon("2018") == 1).mean()
    assert "do not confirm it" in scores.doubt
