"""Which prediction file belongs to which target file, and how both are read: two folders in."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import DatasetError
from segibn.evaluation import encodings, frame_pairs
from segibn.evaluation.encodings import ENCODINGS, Reading
from segibn.evaluation.frame_pairs import NameOf, Side, frame_name
from segibn.files.folders import list_files
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet
from segibn.text import listed, printable

# Files that lie beside label maps in official folders but hold something else.
_OTHER_SUFFIX = re.compile(r"_(colors?|drivable_color|train_color|instance\w*|invGray)$")


@dataclass(frozen=True)
class FilePair:
    """One frame's label maps."""

    name: str
    target: Path
    pred: Path | None


def find_label_maps(folder: Path, encoding: str = "auto", option: str = "", first: str = "train_ids") -> Side:
    """Find the label maps of a folder and its subfolders.

    Args:
        encoding: one of ``ENCODINGS`` or "auto"; chooses where a frame has files of several.
        option: that says the encoding, for messages; empty where there is none.
        first: the encoding to take where every frame has files of both.
    """
    folder = Path(folder)
    by_frame: dict[str, dict[Path, str | None]] = defaultdict(dict)
    files = list_files(folder, (".png", ".npz"), recursive=True)
    for path in files:
        if not _OTHER_SUFFIX.search(path.stem):
            said = encodings.told_by_name(path)
            if encoding != "auto" and said not in ENCODINGS:
                said = None  # what is given is believed of kinds that have no table here
            by_frame[frame_pairs.trimmed(path.relative_to(folder))][path] = said
    if not by_frame:
        picture = f"; {printable(files[0])} is none by its name" if files else ""
        raise DatasetError(f"no label maps (*.png, or scores *.npz) in {printable(folder)} or its subfolders{picture}")
    if encoding == "auto":
        encoding = _encoding_of_all(by_frame.values(), option, first)
    for group in by_frame.values():
        if not {None, encoding} & set(group.values()):
            path, said = next(iter(group.items()))
            fix = f"expected; use {option} {said}" if option else "all that is read here"
            raise DatasetError(f"{printable(path)} holds {said} by its name, but {encoding} are {fix}")
    told = [item for group in by_frame.values() for item in group.items()]
    fitting = {path: said for path, said in told if said in (None, encoding)}
    paths = [path.relative_to(folder) for path in fitting]
    return Side(folder, paths, encoding if any(fitting.values()) else None)


def match_label_maps(
    targets: Side, preds: Side, *, missing_allowed: bool = False, name_of: NameOf = frame_name
) -> list[FilePair]:
    """Pair two folders, sorted by name; a DatasetError lists what is missing where it may not."""
    found = frame_pairs.pair_names(targets, preds, name_of)
    names = frame_pairs.shortest_names(targets.paths, name_of)
    missing = [names[path] for path in targets.paths if path not in found]
    if missing and not missing_allowed:
        raise DatasetError(
            f"{len(missing)} of {len(names)} targets have no prediction in "
            f"{printable(preds.source)}: {listed(sorted(missing), 10)}"
        )
    pairs = [
        FilePair(name, targets.source / path, preds.source / found[path] if path in found else None)
        for path, name in names.items()
    ]
    return sorted(pairs, key=lambda pair: pair.name)


def read_folders(
    target_dir: Path,
    pred_dir: Path,
    table: LabelSet,
    given: tuple[str, str],
    *,
    as_label_ids: bool = False,
    missing_allowed: bool = False,
    name_of: NameOf = frame_name,
) -> tuple[list[FilePair], Reading]:
    """Pair two folders and decide how they are read: as ``given``, or by names, or by values.

    Where files of both encodings are there, or values that both know, ``as_label_ids`` takes label ids; else
    predictions are train ids, which ``segibn predict`` writes, and targets what is published or commonly converted.
    """
    first = "label_ids" if as_label_ids else "train_ids"
    sides = (
        find_label_maps(target_dir, given[0], "--target-encoding", first),
        find_label_maps(pred_dir, given[1], "--pred-encoding", first),
    )
    pairs = match_label_maps(*sides, missing_allowed=missing_allowed, name_of=name_of)
    files = [pair.target for pair in pairs], [pair.pred for pair in pairs if pair.pred]
    defaults = first if table is CITYSCAPES else "label_ids", first
    read = list(given)
    for place, side in enumerate(sides):
        if read[place] == "auto":
            told = side.encoding or encodings.told_by_values(files[place], table, is_prediction=place == 1)
            read[place] = told or defaults[place]
    return pairs, Reading.of(table, (read[0], read[1]))


def _encoding_of_all(groups: Collection[dict[Path, str | None]], option: str, first: str) -> str:
    """The first encoding that every frame has a file of by its name."""
    for encoding in sorted(ENCODINGS, key=lambda one: one != first):
        if all({None, encoding} & set(group.values()) for group in groups):
            return encoding
    examples = {said: path for group in groups for path, said in group.items() if said}
    if other := sorted(set(examples) - set(ENCODINGS)):
        fix = f". What else they are, say with {option}" if option else ""
        raise DatasetError(
            f"{printable(examples[other[0]])} holds {other[0]} by its name, which no table here "
            f"reads; IDD's labelcsTrainIds are train ids{fix}"
        )
    names = " and ".join(map(printable, examples.values()))
    fix = f"keep one kind, or say which with {option}" if option else "keep one kind"
    raise DatasetError(f"some files hold train ids and others label ids by their names: {names}; {fix}")
