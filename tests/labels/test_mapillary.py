"""The two public maps of Mapillary Vistas, against the rules of their sources."""

import numpy as np
import pytest

from segibn.data.datasets.catalog import dataset_source
from segibn.data.datasets.mapillary import MAPILLARY65
from segibn.errors import ConfigError
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX
from segibn.labels.schemes import on_nineteen

MAPILLARY_ROBUSTNET = dataset_source("mapillary").label_set(label_map="robustnet")
MAPILLARY_REIN = dataset_source("mapillary").label_set(label_map="rein")

# As RobustNet's loader numbers them.
ROBUSTNET = {
    13: 0, 24: 0, 41: 0, 2: 1, 15: 1, 17: 2, 6: 3, 3: 4, 45: 5, 47: 5, 48: 6, 50: 7, 30: 8, 29: 9,
    27: 10, 19: 11, 20: 12, 21: 12, 22: 12, 55: 13, 61: 14, 54: 15, 58: 16, 57: 17, 52: 18,
}  # fmt: skip


def test_the_table_has_the_66_values_in_order() -> None:
    assert [row.label_id for row in MAPILLARY65.labels] == list(range(66))
    assert len({row.name for row in MAPILLARY65.labels}) == 66
    assert MAPILLARY65.num_classes == 65
    assert MAPILLARY65.labels[65].train_id == IGNORE_INDEX


def test_robustnets_map_is_that_of_its_loader() -> None:
    expected = [ROBUSTNET.get(value, IGNORE_INDEX) for value in range(66)]
    assert MAPILLARY_ROBUSTNET.lookup[:66].tolist() == expected
    assert (MAPILLARY_ROBUSTNET.lookup[66:] == -1).all()


def test_reins_map_is_what_its_words_select() -> None:
    """Its source goes by words in the names, the first rule that fits."""
    exact = {name.replace(" ", ""): index for index, name in enumerate(CITYSCAPES.class_names)}
    rules = [
        (("trafficsign",), "traffic sign"), (("onrail",), "train"), (("cyclist", "rider"), "rider"),
        (("pole", "streetlight"), "pole"), (("curb", "pedestrianarea"), "sidewalk"),
        (("crosswalkplain", "parking", "bikelane", "servicelane", "lanemarking"), "road"),
    ]  # fmt: skip
    for row in MAPILLARY65.labels:
        name = row.name.lower().replace(" ", "").replace("-", "")
        expected = exact.get(name)
        for words, class_name in rules:
            if expected is None and any(word in name for word in words):
                expected = CITYSCAPES.class_names.index(class_name)
        assert MAPILLARY_REIN.lookup[row.label_id] == (255 if expected is None else expected), name


def test_the_maps_differ_in_eleven_values() -> None:
    differ = np.flatnonzero(MAPILLARY_ROBUSTNET.lookup != MAPILLARY_REIN.lookup)
    assert differ.tolist() == [7, 8, 9, 10, 11, 14, 23, 41, 44, 46, 49]


def test_an_unknown_class_in_a_map_is_named() -> None:
    with pytest.raises(ConfigError, match="Raod"):
        on_nineteen("bad", MAPILLARY65, {"road": ("Raod",)})
