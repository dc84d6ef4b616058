"""LabelSet: derived tables, unknown values, inverse, remapping, contradictions in a table."""

from contextlib import suppress

import numpy as np
import pytest

from segibn.errors import ConfigError, LabelValueError
from segibn.labels.label_set import IGNORE_INDEX, ClassInfo, ClassSpec, Label, LabelSet
from segibn.labels.own_table import label_set_from_table, spread_colors

BLACK = (0, 0, 0)


@pytest.fixture
def toy() -> LabelSet:
    return LabelSet(
        "toy",
        (
            Label("void", 0, IGNORE_INDEX, BLACK),
            Label("road", 7, 0, (1, 2, 3)),
            Label("marking", 8, 0, (9, 9, 9)),
            Label("sky", 200, 1, (4, 5, 6)),
            Label("plate", -1, IGNORE_INDEX, BLACK),
        ),
    )


def test_the_first_row_of_a_train_id_names_and_colours_its_class(toy: LabelSet) -> None:
    assert toy.class_names == ("road", "sky")
    assert toy.num_classes == 2
    assert toy.palette.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert toy.palette.dtype == np.uint8


def test_every_pixel_maps_as_a_loop_over_the_table_says(toy: LabelSet) -> None:
    table = {label.label_id: label.train_id for label in toy.labels}
    label_map = np.random.default_rng(0).choice(np.array([0, 7, 8, 200], np.uint8), (13, 17))
    expected = [[table[value] for value in row] for row in label_map.tolist()]
    train_ids = toy.to_train_ids(label_map)
    assert train_ids.dtype == np.uint8
    assert train_ids.tolist() == expected


def test_unknown_values_are_listed_with_file_and_pixel_count(toy: LabelSet) -> None:
    label_map = np.array([[7, 7, 9], [9, 254, 0]], np.uint8)
    with pytest.raises(LabelValueError) as caught:
        toy.to_train_ids(label_map, "labels/a.png")
    message = str(caught.value)
    assert message.startswith("labels/a.png: ")
    assert "9 (2 pixels), 254 (1 pixels)" in message
    assert "0, 7-8, 200" in message


def test_a_map_of_only_unknown_values_lists_no_more_than_eight(toy: LabelSet) -> None:
    with pytest.raises(LabelValueError, match="and 12 more values"):
        toy.to_train_ids(np.arange(100, 120, dtype=np.uint8).reshape(4, 5))


def test_inverse_then_lookup_is_the_identity(toy: LabelSet) -> None:
    train_ids = np.array([[0, 1, IGNORE_INDEX]], np.uint8)
    label_ids = toy.to_label_ids(train_ids)
    assert label_ids.tolist() == [[7, 200, 0]]
    assert toy.to_train_ids(label_ids).tolist() == train_ids.tolist()


def test_ignored_pixels_cannot_be_written_without_an_ignored_row() -> None:
    plain = LabelSet("plain", (Label("a", 0, 0, BLACK), Label("hidden", -1, 255, BLACK)))
    with pytest.raises(LabelValueError, match="ignored pixels"):
        plain.to_label_ids(np.array([[0, 255]], np.uint8))


def test_a_class_without_a_row_cannot_be_written() -> None:
    classes = (ClassInfo("road", BLACK), ClassInfo("train", BLACK))
    label_set = LabelSet("partial", (Label("road", 3, 0, BLACK),), classes)
    assert label_set.num_classes == 2
    with pytest.raises(LabelValueError, match=r"class 1 \(train\)"):
        label_set.to_label_ids(np.array([[1]], np.uint8))
    with pytest.raises(LabelValueError, match="train id 2"):
        label_set.to_label_ids(np.array([[2]], np.uint8))


def test_derived_arrays_cannot_be_changed(toy: LabelSet) -> None:
    for array in (toy.lookup, toy.inverse, toy.palette):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_remap_gathers_classes_and_writes_the_first_member(toy: LabelSet) -> None:
    three = LabelSet(
        "three",
        (
            Label("light", 1, 0, BLACK),
            Label("sign", 2, 1, BLACK),
            Label("wall", 3, 2, BLACK),
            Label("void", 4, 255, BLACK),
        ),
    )
    coarse = three.remap("coarse", [ClassSpec("sign", (7, 7, 7), ("sign", "light", "absent"))])
    assert coarse.class_names == ("sign",)
    assert coarse.palette.tolist() == [[7, 7, 7]]
    assert coarse.to_train_ids(np.array([[1, 2, 3, 4]], np.uint8)).tolist() == [[0, 0, 255, 255]]
    assert coarse.to_label_ids(np.array([[0]], np.uint8)).tolist() == [[2]]


def test_remap_refuses_a_class_in_two_groups(toy: LabelSet) -> None:
    specs = [ClassSpec("a", BLACK, ("road",)), ClassSpec("b", BLACK, ("road", "sky"))]
    with pytest.raises(ConfigError, match="two classes"):
        toy.remap("bad", specs)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((Label("a", 0, 0, BLACK), Label("b", 0, 1, BLACK)), "label_id 0 is in 2 rows"),
        ((Label("a", 0, 0, BLACK), Label("b", 1, 2, BLACK)), "train_id 2, but there are 2"),
        ((Label("a", 0, 255, BLACK),), "no class"),
        ((Label("a", 256, 0, BLACK),), "label_id 256"),
        ((Label("a", 0, 0, (0, 0, 256)),), "color"),
        ((Label("a", 0, 0, BLACK), Label("a", 1, 1, BLACK)), "two classes are named 'a'"),
    ],
    ids=["repeated id", "gap", "all ignored", "id too large", "colour", "repeated name"],
)
def test_a_table_that_contradicts_itself_is_refused(labels: tuple[Label, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        LabelSet("bad", labels)


def test_all_mistakes_of_a_table_are_reported_at_once() -> None:
    rows = (Label("a", 0, 0, BLACK), Label("b", 0, 5, BLACK))
    with pytest.raises(ConfigError, match=r"(?s)label_id 0.*train_id 5"):
        LabelSet("bad", rows)


def test_a_users_table_becomes_a_label_set() -> None:
    rows = [
        {"name": "free", "label_id": 10, "train_id": 0, "color": [0, 255, 0]},
        {"name": "rest", "label_id": 0, "train_id": 255, "color": [0, 0, 0]},
    ]
    label_set = label_set_from_table("mine", rows)
    assert label_set.class_names == ("free",)
    assert label_set.to_train_ids(np.array([[0, 10]], np.uint8)).tolist() == [[255, 0]]


def test_a_class_of_several_rows_has_a_name_and_a_colour_of_its_own() -> None:
    rows = [
        {"name": "void", "label_id": 0, "train_id": 255},
        {"name": "car", "label_id": 1, "train_id": 1},
        {"name": "truck", "label_id": 2, "train_id": 1, "class": "vehicle", "color": (9, 8, 7)},
        {"name": "road", "label_id": 3, "train_id": 0, "class": None, "color": None},
    ]
    table = label_set_from_table("mine", rows)
    assert table.class_names == ("road", "vehicle")
    assert table.palette[1].tolist() == [9, 8, 7]
    assert {row.color for row in table.labels[1:3]} == {(9, 8, 7)}
    assert table.labels[0].color == BLACK
    rows[1]["class"] = "auto"
    with pytest.raises(ConfigError, match="'truck' is of class 'vehicle', but train_id 1 is 'auto'"):
        label_set_from_table("mine", rows)
    rows[1]["class"], rows[0]["class"] = "vehicle", "void"
    with pytest.raises(ConfigError, match=r"'void' has a class \('void'\) and is ignored"):
        label_set_from_table("mine", rows)


def test_two_tables_of_the_same_classes_mean_the_same_in_one_order() -> None:
    mine = label_set_from_table(
        "mine",
        [
            {"name": "car", "label_id": 1, "train_id": 0, "class": "vehicle"},
            {"name": "truck", "label_id": 2, "train_id": 0},
            {"name": "road", "label_id": 3, "train_id": 1},
        ],
    )
    ordered = mine.in_order(("road", "vehicle"))
    values = np.array([[1, 2, 3]], np.uint8)
    names = [ordered.class_names[key] for key in ordered.to_train_ids(values)[0]]
    assert names == ["vehicle", "vehicle", "road"]
    assert ordered.palette.tolist() == mine.palette[::-1].tolist()
    assert mine.in_order(mine.class_names) is mine
    with pytest.raises(ConfigError, match="has the classes vehicle, road, not road, car"):
        mine.in_order(("road", "car"))


@pytest.mark.parametrize(("count", "apart"), [(8, 100), (19, 70), (254, 15)])
def test_colours_that_nobody_chose_are_unlike_each_other_black_and_the_given(count: int, apart: float) -> None:
    given = [(128, 64, 128), (70, 70, 70)]
    colors = spread_colors(count, given)
    assert colors == spread_colors(count, given)
    every = np.array([BLACK, *given, *colors], float)
    distance = np.linalg.norm(every[:, None] - every[None], axis=2)
    distance[np.diag_indices(len(every))] = np.inf
    assert distance[:, 3:].min() > apart


@pytest.mark.parametrize("seed", range(40))
def test_any_table_gives_a_label_set_or_an_error_of_ours(seed: int) -> None:
    random = np.random.default_rng(seed)
    names = ("road", "car", "", "\x1b[31m", "x" * 500)
    rows = [
        {
            "name": names[random.integers(5)],
            "label_id": int(random.integers(-1, 300 if seed % 3 else 5)),
            "train_id": int(random.choice([0, 1, 2, 3, 255, 254])),
            "class": [None, "vehicle"][random.integers(2)],
            "color": [None, (1, 2, 3), (300, 0, 0)][random.integers(3 if seed % 2 else 2)],
        }
        for _ in range(random.integers(1, 6))
    ]
    with suppress(ConfigError):
        table = label_set_from_table("mine", rows)
        assert len(set(table.class_names)) == table.num_classes == len(table.palette)
