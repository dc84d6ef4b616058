"""What a data set is: where its files lie, what their labels mean, what messages say of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segibn.data import samples
from segibn.data.samples import Pairing, SplitAbsentError, pair_by_name, refuse_twins
from segibn.data.wrong_folder import one_deeper
from segibn.errors import ConfigError, DatasetError
from segibn.files.folders import list_files, warn_once
from segibn.labels.label_set import FIRST_GROUP, IGNORE_INDEX, ClassSpec, LabelSet
from segibn.text import counted, did_you_mean, listed, nfc, printable

_TRY_OUT = "\nTo try things out: segibn sample-data --output DIR makes frames in this layout."

Tables = Mapping[str, LabelSet]
"""Class scheme -> the table that reads the files in it; the data set's own scheme first."""


@dataclass(frozen=True)
class Place:
    """A folder, and how the names of its files end."""

    folder: str  # below the data set's own; ``{split}`` is filled in
    suffix: str | tuple[str, ...]  # one, or several of which each will do; messages name the first
    recursive: bool = True  # whether the folders below it are searched too
    keep_folders: bool = False
    """Whether names begin with their subfolders, where the frames of each are numbered anew."""

    def files(self, folder: Path) -> dict[str, Path]:
        """Return its files by name without suffix, in any case; DatasetError: two of a name, or alike but for case."""
        endings = (self.suffix,) if isinstance(self.suffix, str) else self.suffix
        found: dict[str, Path] = {}
        for path in list_files(folder, endings, recursive=self.recursive):
            own = max((end for end in endings if path.name.lower().endswith(end.lower())), key=len)
            whole = path.relative_to(folder).as_posix() if self.keep_folders else path.name
            name = nfc(whole[: len(whole) - len(own)])
            if name in found:
                raise DatasetError(f"two files for '{name}': {found[name]} and {path}; remove one")
            found[name] = path
        refuse_twins(found)
        return found


@dataclass(frozen=True, kw_only=True)
class DatasetSource:
    """One data set in its official layout."""

    name: str
    title: str  # its name in messages
    layout: str  # the tree below the data sets' root, for messages
    where: str  # address and licence
    splits: Mapping[str, int | None] = field(default_factory=dict)
    """Split -> number of frames in the official release, where it is known."""
    unlabelled: Collection[str] = ()  # splits without public label maps
    overlapping: Collection[str] = ()  # splits whose frames are in other splits too
    subfolder: str | None = None  # its folder below the data sets' root; None = its name
    images: Place = Place("", "")
    targets: Place = Place("", "")
    """Both for data sets whose label maps lie as the images do; others bring ``find_one``."""
    find_one: Callable[..., Pairing] | None = None
    """Pairs the files of ``(root, split)``; takes ``encoding=``, too, where there are encodings."""
    tables: Tables = field(default_factory=dict)
    """Of the official map from values to classes; empty where there is none."""
    label_maps: Mapping[str, Tables] = field(default_factory=dict)
    """Name -> tables, of further public maps, whose scores cannot be compared."""
    encodings: Mapping[str, Tables] = field(default_factory=dict)
    """Year -> tables, where releases hold the same numbers with other meanings."""
    raw: LabelSet | None = None
    """A table with every value as a class of its own, where many of them make one of the 19."""
    partial: Collection[str] = ()
    """Schemes of which it tells some classes only: to train on, among others, not to score on."""
    gathers: Sequence[ClassSpec] = ()
    """What its classes hold of Cityscapes' 19, where networks of those are scored in its own."""
    scored_as: LabelSet | None = None
    """The table that scores folders of its files, where those are met in other values too."""
    is_sampled: bool = False  # whether ``segibn sample-data`` makes frames in its layout

    @property
    def folder(self) -> str:
        """Its folder below the data sets' root."""
        return self.name if self.subfolder is None else self.subfolder

    @property
    def schemes(self) -> tuple[str, ...]:
        """The class schemes that it can be read in, its own first."""
        return tuple(self.tables or next(iter({**self.label_maps, **self.encodings}.values()), ()))

    def find(self, root: Path, split: str, encoding: str = "auto") -> Pairing:
        """Pair the files of a split, or of several joined by '+', in the set's own folder."""
        options = {"encoding": encoding} if self.encodings else {}
        find_one = self.find_one or self.pair

        def one(part: str) -> Pairing:
            if part not in self.splits:
                raise self.unknown_split(part, self.splits)
            return find_one(Path(root), part, **options)

        return samples.join_splits(split, one)

    def pair(self, root: Path, split: str, *, images: Place | None = None, targets: Place | None = None) -> Pairing:
        """Pair by name, ``images/a/b_rgb.png`` with ``labels/a/b_gt.png``; places as the set's."""
        is_labelled = split not in self.unlabelled
        places = [images or self.images, *([targets or self.targets] if is_labelled else [])]
        folders = [root / place.folder.format(split=split) for place in places]
        self.require(*folders)
        found = [place.files(folder) for place, folder in zip(places, folders, strict=True)]

        def partner(name: str, here: int) -> str:
            """Where the partner of a file belongs: the same folder below the other place."""
            below, suffix = found[here][name].parent, places[1 - here].suffix
            file = Path(name).name + (suffix if isinstance(suffix, str) else suffix[0])
            return str(folders[1 - here] / below.relative_to(folders[here]) / file)

        return pair_by_name(
            found[0],
            found[1] if is_labelled else None,
            target_of=lambda name: partner(name, 0),
            image_of=lambda name: partner(name, 1),
            official_count=self.splits[split],
        )

    def label_set(
        self, classes: str | None = None, encoding: str | None = None, label_map: str | None = None
    ) -> LabelSet:
        """Return the table of a class scheme, by default its own; ConfigError: none, or several."""
        scheme = classes or self.schemes[0]
        if scheme not in self.schemes:
            refused = f"'{self.name}' cannot be read in the classes '{scheme}'"
            raise ConfigError(f"{refused}; it has {', '.join(self.schemes)}")
        if label_map is not None or not (self.tables or self.encodings):
            if not self.label_maps:
                raise ConfigError(f"'{self.name}' has one label map only; leave out '{label_map}'")
            if label_map not in self.label_maps:
                raise ConfigError(
                    f"{self.name}: label map {label_map!r}; say which of the public maps to the 19 "
                    f"classes, {' or '.join(self.label_maps)}, as their scores cannot be compared: "
                    f"`label_map:` in a config, '{self.name}/{next(iter(self.label_maps))}:SPLIT' "
                    "on the command line"
                )
            return self.label_maps[label_map][scheme]
        if self.encodings:
            if encoding not in self.encodings:
                raise ConfigError(
                    f"{self.name}: encoding {encoding!r}; say which, "
                    + " or ".join(f"'{one}' ({_values(of)})" for one, of in self.encodings.items())
                )
            return self.encodings[encoding][scheme]
        if encoding is not None:
            raise ConfigError(f"'{self.name}' has one encoding only; leave out '{encoding}'")
        return self.tables[scheme]

    def in_groups(self, table: LabelSet) -> LabelSet:
        """Give the ignored rows of its table that gather several classes those as groups; ConfigError: none does."""
        groups = {spec.name: spec.members for spec in self.gathers if set(spec.members) <= set(table.class_names)}
        rows = [row for row in table.labels if row.train_id == IGNORE_INDEX and row.name in groups]
        if not rows:
            raise ConfigError(f"data.mix.*.groups: {self.name} tells no groups of the classes trained; leave it out")
        told = {row.name: FIRST_GROUP + number for number, row in enumerate(rows)}
        labels = tuple(replace(row, train_id=told.get(row.name, row.train_id)) for row in table.labels)
        return replace(table, labels=labels, groups=tuple(groups[row.name] for row in rows))

    def require(self, *folders: Path) -> None:
        """Check the folders of a split: SplitAbsentError if none is there, else DatasetError."""
        gone = next((folder for folder in folders if not folder.is_dir()), None)
        if gone is not None:
            raise self._missing(gone, [folder for folder in folders if folder.is_dir()])

    def _missing(self, looked_for: Path, there: Collection[Path]) -> DatasetError:
        kind = DatasetError if there else SplitAbsentError
        if deeper := one_deeper(looked_for):
            return kind(f"{self.title}: no folder {looked_for}\n{deeper}")
        half = f" ({listed(there)} is there: one archive of two, it seems)" if there else ""
        beside = looked_for.parent
        if not there and beside.is_dir():  # another split, most likely
            names = sorted(one.name for one in beside.iterdir() if one.is_dir())
            half = f" ({beside} has {listed(names)})" if names else ""
        return kind(
            f"{self.title}: no folder {looked_for}{half}\n{self.advice}\n"
            "The folder above the data sets is --datasets DIR or the environment variable "
            "SEGIBN_DATASETS; datasets/README.md shows the whole tree." + (_TRY_OUT if self.is_sampled else "")
        )

    def unknown_split(self, split: str, known: Collection[str]) -> DatasetError:
        """Make the error for a split name that the data set does not have."""
        names, hint = ", ".join(known) or "none", did_you_mean(split, known)
        there = f"{hint} It has {names}" if hint else f"; it has {names}"
        return DatasetError(f"{self.title} has no split '{printable(split)}'{there}, and 'a+b' joins two")

    @property
    def advice(self) -> str:
        """The layout and the origin, as messages show them."""
        lines = "\n".join("  " + line for line in self.layout.strip("\n").splitlines())
        return f"The layout expected there:\n{lines}\nWhere to get it: {self.where}"

    def complete(self, pairing: Pairing, split: str, folder: Path) -> list[samples.SamplePaths]:
        """Return the samples, warning of a partial split; DatasetError: none, or an orphan."""
        if pairing.orphans:
            raise DatasetError(self._orphan_message(pairing, split))
        if not pairing.samples:
            raise DatasetError(f"{self.title}: split '{split}' is empty under {folder}\n{self.advice}")
        if note := pairing.partial_note:
            warn_once(f"{self.title}, split '{split}' under {folder}: {note}")
        return list(pairing.samples)

    def _orphan_message(self, pairing: Pairing, split: str) -> str:
        count = counted(len(pairing.orphans), "file")
        lines = [f"{self.title}: {count} of split '{split}' without a partner:"]
        for is_image, one, other in ((True, "image", "label map"), (False, "label map", "image")):
            alone = [orphan for orphan in pairing.orphans if orphan.is_image == is_image]
            for orphan in alone[: samples.SHOWN]:
                lines.append(f"  {one} {orphan.path} has no {other} {orphan.partner}")
        lines.append(
            "Unpack the missing archive again, or name the frames to use in a text file "
            "(`names_file` in a config, NAME:SPLIT@FILE on the command line)."
        )
        return "\n".join(lines)


def _values(tables: Tables) -> str:
    rows = next(iter(tables.values())).labels
    return ", ".join(f"{row.label_id} {row.name}" for row in sorted(rows, key=lambda r: r.label_id))
