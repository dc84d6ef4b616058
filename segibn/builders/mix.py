"""Data room, the builder's part that finds the further sources of a training, ``data.mix``.

In: the data part of a config. Out: a `TrainingSet` for each. Like `build.py` this module sees
config objects.
"""

from pathlib import Path

from segibn.builders.sampling import TrainingSet
from segibn.builders.sets import build_label_set, index_dataset, require_targets
from segibn.config.schema import DataConfig
from segibn.data.datasets.catalog import scheme_of
from segibn.errors import ConfigError
from segibn.labels.label_set import LabelSet


def index_mix(
    data: DataConfig, label_set: LabelSet, datasets_root: Path
) -> tuple[TrainingSet, ...]:
    """List the samples of every set in ``data.mix``, to be read in the classes of ``data.train``.

    Args:
        data: of the run.
        label_set: of ``data.train``.
        datasets_root: the folder above the data sets.

    Raises:
        ConfigError: a set cannot be read in these classes.
        DatasetError: as `index_dataset`, or a split has no labels.
    """
    scheme = scheme_of(data.train.name, data.classes)
    sets = []
    for source in data.mix:
        dataset = source.dataset
        samples = index_dataset(dataset, datasets_root)
        require_targets(samples)
        classes = None if scheme == "folder" else scheme
        table = build_label_set(dataset, classes, samples)
        try:
            table = table.in_order(label_set.class_names)
        except ConfigError:
            raise ConfigError(
                f"data.mix: {dataset.name} is read in the classes {', '.join(table.class_names)}, "
                f"but data.train ({data.train.name}) in {', '.join(label_set.class_names)}; set "
                "data.classes to a scheme that both have, name the `class` of own rows alike, or "
                "leave the set out"
            ) from None
        sets.append(TrainingSet(f"{dataset.name}:{dataset.split}", samples, table))
    return tuple(sets)
