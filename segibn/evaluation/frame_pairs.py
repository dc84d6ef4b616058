"""Which of two lists of relative paths belong to one frame: names in, pairs out.

Drives, cameras and sequences number their frames anew: names alone decide only where no two files
share one and the folders do not contradict.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath

from segibn.errors import DatasetError
from segibn.text import nfc, printable

NameOf = Callable[[PurePath], str]
Pairs = dict[PurePath, PurePath]
# What may follow the frame's name in a file that holds a label map; several may follow each other.
_SUFFIX = re.compile(
    r"(_gtFine|_gtCoarse|_gt|_label(Ids|ids|TrainIds|csIds|csTrainIds|level\dIds)|_label|_mask|_leftImg8bit|_image"
    r"|_foggy_beta_[\d.]+|_rain_alpha_.*|_rgb_anon|_rgb_ref_anon|_drivable_id|_train_id|_trainIds|_pred|_prediction)$"
)
# The official Cityscapes script matches <city>_<sequence>_<frame>*, whatever follows.
_CITYSCAPES_NAME = re.compile(r"^(.+?_\d{6}_\d{6})(?:_|$)")
# Words of one set in the folders of both sides: two cameras, or two splits, are two things.
_OPPOSITES = ({"left", "right"}, {"front", "rear", "back"}, {"train", "val", "test"})


def frame_name(path: PurePath, endings: Sequence[str] = ()) -> str:
    """A file's name without the suffixes of label maps and frames, and a user's own endings."""
    stem = nfc(path.stem)
    for ending in endings:
        stem = stem.removesuffix(ending) or stem
    while (shorter := _SUFFIX.sub("", stem)) and shorter != stem:
        stem = shorter
    return stem


def cityscapes_name(path: PurePath) -> str:
    """A frame's name as the official Cityscapes script takes it: whatever follows is cut."""
    name = frame_name(path)
    cityscapes = _CITYSCAPES_NAME.match(name)
    return cityscapes.group(1) if cityscapes else name


def trimmed(path: PurePath, name_of: NameOf = frame_name) -> str:
    """A path whose last part is the name of the frame alone."""
    return nfc(path.with_name(name_of(path)).as_posix())


def shortest_names(paths: Sequence[PurePath], name_of: NameOf = frame_name) -> dict[PurePath, str]:
    """Path -> name alone, or with its folders where names alone are not distinct, or as it is."""
    for way in (name_of, lambda path: trimmed(path, name_of), _without_ending):
        names = {path: way(path) for path in paths}
        if len(set(names.values())) == len(paths):
            break
    return names


def same_frame(source: object, paths: Sequence[PurePath]) -> str:
    """Say that several files of a folder belong to one frame."""
    names = ", ".join(printable(path) for path in paths[:4])
    return (
        f"{len(paths)} files in {printable(source)} belong to the same frame: {names}; leave one "
        "label map per frame, or give targets and predictions the same subfolders"
    )


@dataclass(frozen=True)
class Side:
    """Targets, or predictions."""

    source: Path
    paths: Sequence[PurePath]  # relative to it
    encoding: str | None = None  # what the names of the files say about their values; None = nothing

    def count_shared(self) -> int:
        """How many folders all paths begin with."""
        columns = zip(*(path.parts[:-1] for path in self.paths), strict=False)
        return len([*takewhile(lambda column: len(set(column)) == 1, columns)])


def pair_names(targets: Side, preds: Side, name_of: NameOf = frame_name) -> Pairs:
    """Pair paths by the rule that finds the most partners, of several the strictest.

    The rules: path without known suffixes; path as it is, where both sides have the same; path
    below the folders that all files of a side share; name alone. Target -> prediction, of those
    that have one; a DatasetError if two files of a side are one frame, or nothing fits.
    """
    sides = targets, preds
    stems = [{_without_ending(path) for path in side.paths} for side in sides]

    def below(side: Side) -> NameOf:
        depth = side.count_shared()
        return lambda path: trimmed(PurePath(*path.parts[depth:]), name_of)

    rules = [
        _pairs_by(sides, lambda path: trimmed(path, name_of)),
        _pairs_by(sides, _without_ending) if stems[0] == stems[1] else {},
        _pairs_by(sides, *map(below, sides)),
        _pairs_by(sides, name_of),
    ]
    if best := max((rule for rule in rules if not isinstance(rule, str)), key=len, default={}):
        return best
    if reason := next((rule for rule in rules if isinstance(rule, str)), ""):
        raise DatasetError(reason)
    examples = [printable(min(side.paths, default=PurePath())) for side in sides]
    raise DatasetError(
        f"no prediction in {printable(preds.source)} belongs to a target in "
        f"{printable(targets.source)}: targets are named like '{examples[0]}', predictions like "
        f"'{examples[1]}' (known suffixes, such as _pred and _labelTrainIds, do not count)"
    )


def _pairs_by(sides: tuple[Side, Side], *key_of: NameOf) -> Pairs | str:
    """Pair paths of equal keys; a text says why these keys do not tell the frames apart."""
    keys = _by_key(sides[0].paths, key_of[0]), _by_key(sides[1].paths, key_of[-1])
    common = sorted(keys[0].keys() & keys[1].keys())
    for side, found in zip(sides, keys, strict=True):
        for key in common:
            if len(found[key]) > 1:
                return same_frame(side.source, found[key])
    pairs = {keys[0][key][0]: keys[1][key][0] for key in common}
    depths = [side.count_shared() for side in sides]
    for target, pred in pairs.items():
        if _contradict(target, pred, depths):
            return (
                f"{printable(target)} in {printable(sides[0].source)} and {printable(pred)} in "
                f"{printable(sides[1].source)} have one name in folders that contradict each "
                "other: are they one frame? Give the two folders whose files belong together, or "
                "name the subfolders alike"
            )
    return pairs


def _by_key(paths: Sequence[PurePath], key_of: NameOf) -> dict[str, list[PurePath]]:
    found: dict[str, list[PurePath]] = defaultdict(list)
    for path in paths:
        found[key_of(path)].append(path)
    return found


def _contradict(target: PurePath, pred: PurePath, depths: Sequence[int]) -> bool:
    """Whether folders say that two files of one name are of two cameras, drives or splits."""
    folders = [path.parts[:-1] for path in (target, pred)]
    own = [parts[depth:] for parts, depth in zip(folders, depths, strict=True)]
    if (depth := min(map(len, own))) and own[0][-depth:] != own[1][-depth:]:
        return True
    others = {re.sub(r"\d+", "0", word): word for word in folders[1]}
    for word in set(folders[0]) - set(folders[1]):  # cam0 and cam1
        if others.get(re.sub(r"\d+", "0", word), word) != word:
            return True
    tokens = [set(re.split(r"[^a-z]+", "/".join(parts).lower())) for parts in folders]
    met = [[side & words for side in tokens] for words in _OPPOSITES]
    return any(one and other and one != other for one, other in met)


def _without_ending(path: PurePath) -> str:
    return re.sub(r"\.png$", "", path.as_posix(), flags=re.IGNORECASE)
