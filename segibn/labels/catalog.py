"""Catalog: which label table belongs to a data set, read in which classes.

In: the names that configs and the command line use. Out: a ``LabelSet``.
"""

from segibn.errors import ConfigError
from segibn.labels.bdd100k import DRIVABLE_2018, DRIVABLE_2021, SEMSEG
from segibn.labels.camvid import CAMVID11, CAMVID19
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.gta5 import GTA5, GTA5_ROBUSTNET
from segibn.labels.label_set import LabelSet
from segibn.labels.mapillary import MAPILLARY65, MAPILLARY_REIN, MAPILLARY_ROBUSTNET
from segibn.labels.nineteen import train_id_table
from segibn.labels.street11 import STREET11
from segibn.labels.synthia import SYNTHIA, SYNTHIA13, SYNTHIA16
from segibn.labels.urbansyn import URBANSYN
from segibn.labels.wilddash2 import WILDDASH19, WILDDASH80


def _on_schemes(table: LabelSet) -> dict[str, LabelSet]:
    """A table on the 19 classes, and what follows from it."""
    return {
        "cityscapes19": table,
        "street11": table.remap(f"{table.name}_on_street11", STREET11),
        "synthia16": table.remap(f"{table.name}_on_synthia16", SYNTHIA16),
        "synthia13": table.remap(f"{table.name}_on_synthia13", SYNTHIA13),
    }


# Data sets with several public maps to the 19 classes: map -> class scheme -> table. Where there is
# an official one it is the data set's own, and has no name.
_MAPPED = {
    "mapillary": {
        "robustnet": _on_schemes(MAPILLARY_ROBUSTNET),
        "rein": _on_schemes(MAPILLARY_REIN),
    },
    "gta5": {"robustnet": _on_schemes(GTA5_ROBUSTNET)},
}
_WITHOUT_OFFICIAL_MAP = ("mapillary",)

# data set -> class scheme -> table; the first scheme is the data set's own.
_TABLES: dict[str, dict[str, LabelSet]] = {
    "cityscapes": _on_schemes(CITYSCAPES),
    "gta5": _on_schemes(GTA5),
    "bdd100k_semseg": _on_schemes(SEMSEG),
    "camvid": {
        "camvid11": CAMVID11,
        "cityscapes19": CAMVID19,
        "street11": CAMVID11.remap("camvid_on_street11", STREET11),
    },
    "bdd100k_drivable": {"drivable3": DRIVABLE_2018},
    "mapillary": _MAPPED["mapillary"]["robustnet"],
    "synthia": _on_schemes(SYNTHIA),
    "acdc": _on_schemes(train_id_table("acdc")),
    "dark_zurich": _on_schemes(train_id_table("dark_zurich")),
    "nighttime_driving": _on_schemes(train_id_table("nighttime_driving")),
    "idd": _on_schemes(train_id_table("idd")),
    "foggy_cityscapes": _on_schemes(CITYSCAPES),
    "wilddash2": _on_schemes(WILDDASH19),
    "kitti": _on_schemes(CITYSCAPES),
    "urbansyn": _on_schemes(URBANSYN),
}

# Every value of the files as a class of its own, where many of them make one of the 19.
_RAW_TABLES = {"mapillary": MAPILLARY65, "wilddash2": WILDDASH80}

DATASETS = tuple(_TABLES)
"""Names of the data sets that have a label table."""

# The same numbers with other meanings: the encoding has to be named.
_DRIVABLE_ENCODINGS = {"2018": DRIVABLE_2018, "2021": DRIVABLE_2021}

CLASS_SCHEMES = ("cityscapes19", "street11", "synthia16", "synthia13", "camvid11", "drivable3")
"""Names of the class lists that a network can be trained for."""


def label_set_for(
    dataset: str,
    classes: str | None = None,
    encoding: str | None = None,
    label_map: str | None = None,
) -> LabelSet:
    """Return the table that reads ``dataset`` in the classes of a scheme.

    Args:
        dataset: one of ``DATASETS``.
        classes: one of ``CLASS_SCHEMES``; None for the data set's own.
        encoding: 2018 or 2021, for ``bdd100k_drivable`` only, where it is required.
        label_map: which map to the 19 classes, for a data set that has several; None for the
            official one, which Mapillary Vistas lacks.

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
    if label_map is not None or dataset in _WITHOUT_OFFICIAL_MAP:
        return _mapped_table(dataset, scheme, label_map)
    if dataset == "bdd100k_drivable":
        return _drivable_table(encoding)
    if encoding is not None:
        raise ConfigError(f"'{dataset}' has one encoding only; leave out '{encoding}'")
    return tables[scheme]


def raw_label_set(dataset: str, encoding: str | None = None) -> LabelSet:
    """Return a table that knows every value of a data set's files, whatever map is chosen."""
    return _RAW_TABLES.get(dataset) or label_set_for(dataset, None, encoding)


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


def _mapped_table(dataset: str, scheme: str, label_map: str | None) -> LabelSet:
    maps = _MAPPED.get(dataset, {})
    if not maps:
        raise ConfigError(f"'{dataset}' has one label map only; leave out '{label_map}'")
    if label_map not in maps:
        raise ConfigError(
            f"{dataset}: label map {label_map!r}; say which of the public maps to the 19 classes, "
            f"{' or '.join(maps)}, as their scores cannot be compared: `label_map:` in a config, "
            f"'{dataset}/{next(iter(maps))}:SPLIT' on the command line"
        )
    return maps[label_map][scheme]


def scheme_of(dataset: str, classes: str | None = None) -> str:
    """Return the class scheme that ``dataset`` is read in: the one asked for, or its own.

    A user's own data set (``folder``) has the scheme ``folder``: only its table says its classes.
    """
    return classes or next(iter(_TABLES.get(dataset, {"folder": None})))
