"""The shipped tables: against the official scripts, against each other, and on real label maps."""

import os
from pathlib import Path

import numpy as np
import pytest

from segibn.data.datasets.catalog import dataset_source, scheme_label_set
from segibn.errors import ConfigError, ImageFileError, LabelValueError
from segibn.files.pictures import read_label_map
from segibn.labels import CLASS_SCHEMES
from segibn.labels.label_set import IGNORE_INDEX, LabelSet
from segibn.labels.schemes import STREET11

NINETEEN = (
    "cityscapes",
    "gta5",
    "bdd100k_semseg",
    "synthia",
    "acdc",
    "dark_zurich",
    "nighttime_driving",
    "idd",
    "foggy_cityscapes",
    "wilddash2",
    "kitti",
    "urbansyn",
)
ON_NINETEEN = ("cityscapes19", "street11", "synthia16", "synthia13")
ALL = [
    *((name, scheme, None, None) for name in NINETEEN for scheme in ON_NINETEEN),
    *(("camvid", scheme, None, None) for scheme in ("camvid11", "cityscapes19", "street11")),
    *(("idd_lite", scheme, None, None) for scheme in ("idd7", "cityscapes19")),
    *(
        ("bdd100k_drivable", scheme, year, None)
        for scheme in ("drivable3", "cityscapes19")
        for year in ("2018", "2021")
    ),
    *(("mapillary", scheme, None, label_map) for scheme in ON_NINETEEN for label_map in ("robustnet", "rein")),
    *(("gta5", scheme, None, "robustnet") for scheme in ON_NINETEEN),
]


def test_cityscapes_equals_the_official_table() -> None:
    official = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    ours = dataset_source("cityscapes").label_set().labels
    assert [row.name for row in ours] == [row.name for row in official]
    for row, other in zip(ours, official, strict=True):
        expected_train_id = IGNORE_INDEX if other.ignoreInEval else other.trainId
        assert (row.label_id, row.train_id) == (other.id, expected_train_id)
        assert (row.color, row.category) == (other.color, other.category)


def test_cityscapes_label_ids_are_the_official_ones_for_each_train_id() -> None:
    official = pytest.importorskip("cityscapesscripts.helpers.labels").trainId2label
    train_ids = np.arange(19, dtype=np.uint8)[None]
    expected = [official[train_id].id for train_id in range(19)]
    assert dataset_source("cityscapes").label_set().to_label_ids(train_ids).tolist() == [expected]


@pytest.mark.parametrize("dataset", NINETEEN)
def test_the_nineteen_classes_have_one_name_and_colour_everywhere(dataset: str) -> None:
    label_set, reference = (dataset_source(dataset).label_set(), dataset_source("cityscapes").label_set())
    assert label_set.classes == reference.classes
    assert label_set.num_classes == 19


def test_gta5_differs_from_cityscapes_in_the_license_plate_only() -> None:
    gta5, cityscapes = (dataset_source("gta5").label_set().lookup, dataset_source("cityscapes").label_set().lookup)
    assert np.flatnonzero(gta5 != cityscapes).tolist() == [34]
    assert gta5[34] == IGNORE_INDEX


def test_robustnets_map_of_gta5_is_what_reading_the_colours_gives() -> None:
    """Of rows of one colour, the one that is trained on counts."""
    colours = {row.color: row.train_id for row in dataset_source("gta5").label_set().labels if row.train_id < 255}
    robustnet = dataset_source("gta5").label_set(label_map="robustnet")
    expected = {row.label_id: colours.get(row.color, 255) for row in robustnet.labels}
    assert {row.label_id: row.train_id for row in robustnet.labels} == expected
    assert (expected[34], expected[18]) == (13, 5)
    assert robustnet.classes == dataset_source("gta5").label_set().classes


def test_cityscapes_does_not_know_value_34() -> None:
    with pytest.raises(LabelValueError, match="34"):
        dataset_source("cityscapes").label_set().to_train_ids(np.full((2, 2), 34, np.uint8))


def test_bdd100k_semseg_values_are_train_ids() -> None:
    values = np.array([[*range(19), 255]], np.uint8)
    assert dataset_source("bdd100k_semseg").label_set().to_train_ids(values).tolist() == values.tolist()


def test_the_two_drivable_encodings_are_the_published_permutation() -> None:
    old, new = (dataset_source("bdd100k_drivable").label_set(encoding=year) for year in ("2018", "2021"))
    train_ids = np.array([[0, 1, 2]], np.uint8)
    assert old.to_label_ids(train_ids).tolist() == [[0, 1, 2]]
    assert new.to_label_ids(train_ids).tolist() == [[2, 0, 1]]
    assert old.class_names == new.class_names == ("background", "direct", "alternative")


def test_of_the_nineteen_drivable_maps_tell_the_road_alone() -> None:
    source, reference = dataset_source("bdd100k_drivable"), dataset_source("cityscapes")
    values = np.array([[0, 1, 2]], np.uint8)
    for year, expected in (("2018", [[255, 0, 0]]), ("2021", [[0, 0, 255]])):
        table = source.label_set("cityscapes19", year)
        assert table.to_train_ids(values).tolist() == expected
        assert table.classes == reference.label_set().classes


def test_the_drivable_encoding_is_never_assumed() -> None:
    with pytest.raises(ConfigError, match=r"2018.*2021"):
        dataset_source("bdd100k_drivable").label_set()


def test_camvid_on_nineteen_classes_follows_the_stated_map() -> None:
    values = np.arange(12, dtype=np.uint8)[None]
    expected = [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 18, 255]
    assert dataset_source("camvid").label_set("cityscapes19").to_train_ids(values).tolist() == [expected]


def test_camvids_own_classes_leave_void_out() -> None:
    camvid = dataset_source("camvid").label_set()
    assert camvid.num_classes == 11
    assert camvid.to_train_ids(np.array([[10, 11]], np.uint8)).tolist() == [[10, 255]]


def test_every_one_of_the_nineteen_classes_is_in_street11_once() -> None:
    members = [member for spec in STREET11 for member in spec.members]
    assert len(members) == len(set(members))
    assert set(dataset_source("cityscapes").label_set().class_names) <= set(members)
    assert set(dataset_source("camvid").label_set().class_names) <= set(members)


@pytest.mark.parametrize("dataset", [*NINETEEN, "camvid"])
def test_street11_has_a_value_for_each_class_in_each_data_set(dataset: str) -> None:
    label_set = dataset_source(dataset).label_set("street11")
    train_ids = np.array([[*range(11), 255]], np.uint8)
    written = label_set.to_label_ids(train_ids)
    assert label_set.to_train_ids(written).tolist() == train_ids.tolist()


def test_street11_writes_the_value_of_the_class_of_that_name() -> None:
    written = dataset_source("cityscapes").label_set("street11").to_label_ids(np.array([[6, 8]], np.uint8))
    assert written.tolist() == [[20, 26]]  # traffic sign, not light; car, not truck


@pytest.mark.parametrize(("dataset", "scheme", "encoding", "label_map"), ALL)
def test_schemes_give_equal_class_names_and_palettes(
    dataset: str, scheme: str, encoding: str | None, label_map: str | None
) -> None:
    label_set = dataset_source(dataset).label_set(scheme, encoding, label_map)
    assert label_set.class_names == scheme_label_set(scheme).class_names
    assert np.array_equal(label_set.palette, scheme_label_set(scheme).palette)
    assert np.unique(label_set.palette, axis=0).shape == label_set.palette.shape


def test_the_catalog_lists_exactly_the_schemes_it_has() -> None:
    assert {scheme for _, scheme, _, _ in ALL} == set(CLASS_SCHEMES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("waymo",), "no label table for 'waymo'"),
        (("cityscapes", "camvid11"), "cannot be read in the classes 'camvid11'"),
        (("camvid", None, "2018"), "one encoding only"),
        (("camvid", None, None, "rein"), "one label map only"),
    ],
)
def test_combinations_that_do_not_exist_are_refused(arguments: tuple, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        dataset_source(arguments[0]).label_set(*arguments[1:])


@pytest.fixture
def real_frames() -> Path:
    folder = os.environ.get("SEGIBN_REAL_DATA")
    if not folder:
        pytest.skip("SEGIBN_REAL_DATA is not set")
    return Path(folder)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("pattern", "dataset", "schemes", "encoding"),
    [
        ("cityscapes/gtFine/*/*/*_labelIds.png", "cityscapes", 4, None),
        ("bdd100k/labels/sem_seg/colormaps/*/*.png", "bdd100k_semseg", 4, None),
        ("bdd100k/drivable_maps/labels/val/*.png", "bdd100k_drivable", 1, "2018"),
        ("camvid/*annot/*.png", "camvid", 3, None),
    ],
)
def test_real_label_maps_hold_known_values_only(
    real_frames: Path, pattern: str, dataset: str, schemes: int, encoding: str | None
) -> None:
    paths = sorted(real_frames.glob(pattern))
    tables = [dataset_source(key[0]).label_set(*key[1:]) for key in ALL if (key[0], key[2]) == (dataset, encoding)]
    assert paths
    assert len(tables) == schemes
    for path in paths:
        label_map = read_label_map(path)
        for table in tables:
            assert _is_mapped(table, table.to_train_ids(label_map, path))


@pytest.mark.real_data
def test_real_instance_maps_are_refused_as_label_maps(real_frames: Path) -> None:
    path = next(iter(sorted(real_frames.glob("cityscapes/gtFine/*/*/*_instanceIds.png"))))
    with pytest.raises(ImageFileError, match="16-bit grey PNG"):
        read_label_map(path)


def _is_mapped(table: LabelSet, train_ids: np.ndarray) -> bool:
    values = np.unique(train_ids)
    return bool((values[values != IGNORE_INDEX] < table.num_classes).all())
