"""Which prediction file belongs to which target file, and how both are read: two folders in."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import DatasetError
from segibn.evaluation import encodings, frame_pairs
from segibn.evaluation.encodings import ENCODINGS, Reading, read_as
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


def find_label_maps(
    folder: Path, encoding: str = "auto", option: str = "", first: str = "train_ids"
) -> Side:
    """Find the label maps of a folder and its subfolders.

    Args:
        encoding: one of ``ENCODINGS`` or "auto"; chooses where a frame has files of several.
        option: that says the encoding, for messages; empty where there is none.
        first: the encoding to take where every frame has files of both.
    """
    folder = Path(folder)
    by_frame: dict[str, list[Path]] = defaultdict(list)
    pictures = []
    for path in list_files(folder, (".png",), recursive=True):
        if not _OTHER_SUFFIX.search(path.stem):
            by_frame[frame_pairs.trimmed(path.relative_to(folder))].append(path)
        else:
            pictures.append(path)
    if not by_frame:
        raise DatasetError(
            f"no label maps (*.png) in {printable(folder)} or its subfolders"
            + "".join(f"; {printable(path)} is none by its name" for path in pictures[:1])
        )
    told = {path: encodings.told_by_name(path) for group in by_frame.values() for path in group}
    if encoding != "auto":  # which is then believed of kinds that have no table here
        told = {path: said if said in ENCODINGS else None for path, said in told.items()}
    elif not any(told.values()):
        return Side(folder, [path.relative_to(folder) for path in told])
    groups = [{path: told[path] for path in group} for group in by_frame.values()]
    if encoding == "auto":
        encoding = _encoding_of_all(groups, option, first)
    for group in groups:
        if not {None, encoding} & set(group.values()):
            path, said = next(iter(group.items()))
            fix = f"expected; use {option} {said}" if option else "all that is read here"
            raise DatasetError(
                f"{printable(path)} holds {said} by its name, but {encoding} are {fix}"
            )
    fitting = [path for path, said in told.items() if said in (None, encoding)]
    paths = [path.relative_to(folder) for path in fitting]
    return Side(folder, paths, encoding if any(map(told.get, fitting)) else None)


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
    """Pair two folders and decide how they are read: as given, or by names, or by values.

    Args:
        given: one of ``ENCODINGS`` or "auto", of targets and predictions.
        as_label_ids: where files of both encodings are there, or values that both know, they are
            label ids. Else predictions are train ids, which ``segibn predict`` writes, and targets
            what is published or commonly converted.
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
            told = side.encoding or encodings.told_by_values(
                files[place], table, is_prediction=place == 1
            )
            read[place] = told or defaults[place]
    tables = read_as(table, read[0]), read_as(table, read[1])
    return pairs, Reading(tables, (read[0], read[1]), encodings.readings_of(table))


def index_label_maps(folder: Path, encoding: str = "auto") -> dict[str, Path]:
    """Find label maps whose names alone tell frames apart: frame name -> path."""
    found: dict[str, Path] = {}
    side = find_label_maps(folder, encoding)
    for path in (side.source / path for path in side.paths):
        other = found.setdefault(frame_name(path), path)
        if other is not path:
            raise DatasetError(frame_pairs.same_frame(folder, [other, path]))
    return found


def _encoding_of_all(groups: Sequence[dict[Path, str | None]], option: str, first: str) -> str:
    """The first encoding that every frame has a file of by its name."""
    for encoding in sorted(ENCODINGS, key=lambda one: one != first):
        if all({None, encoding} & set(group.values()) for group in groups):
            return encoding
    examples = {said: path for group in groups for path, said in group.items() if said}
    if other := sorted(set(examples) - set(ENCODINGS)):
        raise DatasetError(
            f"{printable(examples[other[0]])} holds {other[0]} by its name, which no table here "
            "reads; IDD's labelcsTrainIds are train ids"
            + (f". What else they are, say with {option}" if option else "")
        )
    raise DatasetError(
        "some files hold train ids and others label ids by their names: "
        + " and ".join(printable(path) for path in examples.values())
        + "; keep one kind"
        + (f", or say which with {option}" if option else "")
    )
