"""Catalog: which label table belongs to a data set, read in which classes.

In: the names that configs and the command line use. Out: a ``LabelSet``.
"""

from segibn.errors import ConfigError
from segibn.labels.bdd100k import DRIVABLE_2018, DRIVABLE_2021, SEMSEG
from segibn.labels.camvid import CAMVID11, CAMVID19
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.gta5 import GTA5
from segibn.labels.label_set import LabelSet
from segibn.labels.street11 import STREET11

# data set -> class scheme -> table; the first scheme is the data set's own.
_TABLES: dict[str, dict[str, LabelSet]] = {
    "cityscapes": {
        "cityscapes19": CITYSCAPES,
        "street11": CITYSCAPES.remap("cityscapes_on_street11", STREET11),
    },
    "gta5": {
        "cityscapes19": GTA5,
        "street11": GTA5.remap("gta5_on_street11", STREET11),
    },
    "bdd100k_semseg": {
        "cityscapes19": SEMSEG,
        "street11": SEMSEG.remap("bdd100k_semseg_on_street11", STREET11),
    },
    "camvid": {
        "camvid11": CAMVID11,
        "cityscapes19": CAMVID19,
        "street11": CAMVID11.remap("camvid_on_street11", STREET11),
    },
    "bdd100k_drivable": {"drivable3": DRIVABLE_2018},
}

DATASETS = tuple(_TABLES)
"""Names of the data sets that have a label table."""

# The same numbers with other meanings: the encoding has to be named.
_DRIVABLE_ENCODINGS = {"2018": DRIVABLE_2018, "2021": DRIVABLE_2021}

CLASS_SCHEMES = ("cityscapes19", "street11", "camvid11", "drivable3")
"""Names of the class lists that a network can be trained for."""


def label_set_for(
    dataset: str, classes: str | None = None, encoding: str | None = None
) -> LabelSet:
    """Return the table that reads ``dataset`` in the classes of a scheme.

    Args:
        dataset: cityscapes, gta5, bdd100k_semseg, bdd100k_drivable or camvid.
        classes: one of ``CLASS_SCHEMES``; None for the data set's own.
        encoding: 2018 or 2021, for ``bdd100k_drivable`` only, where it is required.

    Raises:
        ConfigError: an unknown name, or a combination that does not exist.
    """
    if dataset not in _TABLES:
        raise ConfigError(f"no label table for '{dataset}'; there are {', '.join(_TABLES)}")
    tables = _TABLES[dataset]
    scheme = classes or next(iter(tables))
    if scheme not in tables:
        raise ConfigError(
            f"'{dataset}' cannot be read in the classes '{scheme}'; it has {', '.join(tables)}"
        )
    if dataset == "bdd100k_drivable":
        return _drivable_table(encoding)
    if encoding is not None:
        raise ConfigError(f"'{dataset}' has one encoding only; leave out '{encoding}'")
    return tables[scheme]


def scheme_class_names(classes: str) -> tuple[str, ...]:
    """Return a scheme's class names in train id order."""
    return scheme_label_set(classes).class_names


def scheme_label_set(classes: str) -> LabelSet:
    """Return a table with the classes and colours of a scheme: the first one that has it."""
    for tables in _TABLES.values():
        if classes in tables:
            return tables[classes]
    raise ConfigError(f"no class scheme '{classes}'; there are {', '.join(CLASS_SCHEMES)}")


def _drivable_table(encoding: str | None) -> LabelSet:
    if encoding not in _DRIVABLE_ENCODINGS:
        raise ConfigError(
            f"bdd100k_drivable: encoding {encoding!r}; say which, '2018' (0 background, 1 direct, "
            "2 alternative) or '2021' (0 direct, 1 alternative, 2 background)"
        )
    return _DRIVABLE_ENCODINGS[encoding]


def scheme_of(dataset: str, classes: str | None = None) -> str:
    """Return the class scheme that ``dataset`` is read in: the one asked for, or its own.

    A user's own data set (``folder``) has the scheme ``folder``: only its table says its classes.
    """
    return classes or next(iter(_TABLES.get(dataset, {"folder": None})))
