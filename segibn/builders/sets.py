"""Data sets of a config: a data set's part of it and the folder above -> samples and label sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

from segibn.config.data import DataConfig, DatasetConfig
from segibn.data.datasets import folder
from segibn.data.datasets.catalog import dataset_source, scheme_of
from segibn.data.hold_out import held_out
from segibn.data.narrow import narrow_pairing, take_fraction
from segibn.data.samples import Pairing, SamplePaths, SplitAbsentError
from segibn.data.wrong_folder import where_instead
from segibn.errors import ConfigError, DatasetError
from segibn.files.folders import warn_once
from segibn.labels.drivable_encoding import decide_drivable_encoding
from segibn.labels.label_set import LabelSet
from segibn.labels.own_table import label_set_from_table


@dataclass(frozen=True)
class TrainingSet:
    """One source of training samples."""

    dataset: DatasetConfig
    samples: Sequence[SamplePaths]
    """Labelled samples, the same on every rank."""
    label_set: LabelSet
    resize: tuple[int, int] | None = None
    """(H, W) of its frames before they are cropped; None = their own."""

    @property
    def title(self) -> str:
        """In messages and file names, ``gta5:train``."""
        return f"{self.dataset.name}:{self.dataset.split}"


def find_dataset(dataset: DatasetConfig, datasets_root: Path) -> Pairing:
    """Pair the files of a data set and narrow them; whether there are any is not asked yet."""
    pairing = _find(dataset, Path(datasets_root))
    if dataset.names_file is not None:
        pairing = narrow_pairing(pairing, Path(dataset.names_file))
    if (side := dataset.hold_out) is not None:
        chosen = held_out([one.name for one in (*pairing.samples, *pairing.orphans)], side.fraction, side.by, side.seed)
        pairing = replace(pairing.keep(lambda name: (name in chosen) == (side.part == "val")), official_count=None)
    return pairing


def _find(dataset: DatasetConfig, root: Path) -> Pairing:
    """Pair the files of a split; the error says where the set is, if it is not where it belongs."""
    files = dataset.folder
    if files is not None:
        places = files.model_dump(include={"images", "targets", "image_suffix", "target_suffix"})
        return folder.find(root, dataset.split, **places)
    source = dataset_source(dataset.name)

    def find(own: Path) -> Pairing:
        return source.find(own, dataset.split, dataset.encoding)

    try:
        return find(root / source.folder)
    except SplitAbsentError as error:
        here = where_instead(root, source.folder, find)
        if not here:
            raise
        what, _, _ = str(error).partition("\n")
        raise SplitAbsentError(f"{what}\n{here}") from None


def index_dataset(dataset: DatasetConfig, datasets_root: Path) -> list[SamplePaths]:
    """List the samples that a config means, in an order that is the same on every machine.

    DatasetError: a folder, the split or a partner is missing, or drivable maps say no encoding.
    """
    source = dataset_source(dataset.name)
    samples = source.complete(find_dataset(dataset, datasets_root), dataset.split, Path(datasets_root) / source.folder)
    samples = take_fraction(samples, dataset.fraction)
    if source.encodings and (targets := target_paths(samples)):
        _encoding(targets, dataset.encoding)
    return samples


def build_label_set(
    dataset: DatasetConfig, classes: str | None = None, samples: Sequence[SamplePaths] | None = None
) -> LabelSet:
    """Build the table that reads a data set's label files in a class scheme; None = its own.

    ``encoding: auto`` needs samples, which say what their values mean. ConfigError: the set cannot
    be read in these classes, or has several maps and none is named.
    """
    if dataset.folder is not None:
        rows = [row.model_dump() for row in dataset.folder.labels]
        try:
            return label_set_from_table(dataset.folder.name or "folder", rows)
        except ConfigError as error:
            raise ConfigError(f"data.*.folder.labels: {error}") from None
    if not dataset_source(dataset.name).encodings:
        return dataset_source(dataset.name).label_set(classes, label_map=dataset.label_map)
    encoding: str = dataset.encoding
    if encoding == "auto":
        if samples is None:
            raise DatasetError(
                f"{dataset.name} with `encoding: auto`: the label table depends on the files; "
                "pass the samples too, or set the encoding"
            )
        encoding = _encoding(target_paths(samples), "auto")
    return dataset_source(dataset.name).label_set(classes, encoding)


def _encoding(targets: Sequence[Path], given: str) -> str:
    decided = decide_drivable_encoding(targets, given)
    if decided.doubt:
        warn_once(f"warning: {decided.doubt}")
    return decided.encoding


def training_sets(data: DataConfig, datasets_root: Path) -> tuple[TrainingSet, ...]:
    """Find ``data.train`` and the sets of ``data.mix``, which are read in its classes."""
    scheme = scheme_of(data.train.name, data.classes)
    sets: list[TrainingSet] = []
    sizes = [data.resize, *(source.resize or data.resize for source in data.mix)]
    in_groups = [False, *(source.groups for source in data.mix)]
    for dataset, size, is_grouped in zip(data.sources, sizes, in_groups, strict=True):
        samples = index_dataset(dataset, datasets_root)
        require_targets(samples)
        table = build_label_set(dataset, None if scheme == "folder" else scheme, samples)
        if is_grouped:
            table = dataset_source(dataset.name).in_groups(table)
        names = sets[0].label_set.class_names if sets else table.class_names
        try:
            table = table.in_order(names)
        except ConfigError:
            raise ConfigError(
                f"data.mix: {dataset.name} is read in the classes {', '.join(table.class_names)}, "
                f"but data.train ({data.train.name}) in {', '.join(names)}; set data.classes to a "
                "scheme that both have, name the `class` of own rows alike, or leave the set out"
            ) from None
        others = {one.label_set.groups for one in sets if one.label_set.groups}
        if table.groups and others - {table.groups}:
            raise ConfigError("data.mix: two sets tell different groups of classes; take `groups` from one")
        sets.append(TrainingSet(dataset, samples, table, size))
    return tuple(sets)


def splits_of(dataset: DatasetConfig, datasets_root: Path) -> tuple[str, ...]:
    """Return the official splits of a data set, or a user's folders; () without ``{split}``."""
    if dataset.folder is None:
        return tuple(dataset_source(dataset.name).splits)
    for below in (Path(dataset.folder.images), Path(dataset.folder.targets)):
        for place in (below, *below.parents):
            before, found, after = place.name.partition("{split}")
            if found:
                there = Path(datasets_root, place.parent).glob(f"{escape(before)}*{escape(after)}")
                names = (path.name for path in there if path.is_dir())
                return tuple(sorted(n.removeprefix(before).removesuffix(after) for n in names))
    return ()


def target_paths(samples: Sequence[SamplePaths]) -> list[Path]:
    """Return the label maps of those that have one."""
    return [sample.target for sample in samples if sample.target is not None]


def require_targets(samples: Sequence[SamplePaths]) -> None:
    """DatasetError: a sample has no labels."""
    bare = next((sample for sample in samples if sample.target is None), None)
    if bare is not None:
        raise DatasetError(
            f"{bare.image}: its split has no public label maps; it serves for predictions and submissions only"
        )
