"""Which prediction file belongs to which target file: two folders in, pairs of paths out.

Data sets and tools name the same frame differently (``aachen_000000_000019_gtFine_labelIds.png``,
``aachen_000000_000019_pred.png``), so files are matched by stem with the official suffixes ignored.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import DatasetError
from segibn.files import list_files

ENCODINGS = ("train_ids", "label_ids")
"""What the values in the files are: class indices, or the data set's own values."""

# What may follow the frame's name in a file that holds a label map; several may follow each other.
_LABEL_MAP_SUFFIX = re.compile(
    r"(_gtFine|_gtCoarse|_gt|_labelIds|_labelTrainIds|_leftImg8bit|_rgb_anon"
    r"|_drivable_id|_train_id|_trainIds|_pred)$"
)
# Files that lie beside label maps in official folders but hold something else.
_OTHER_SUFFIX = re.compile(
    r"(_color|_colors|_instanceIds|_instanceTrainIds|_instance_id|_invGray)$"
)
# The official Cityscapes script matches <city>_<sequence>_<frame>*, whatever follows.
_CITYSCAPES_NAME = re.compile(r"^(.+?_\d{6}_\d{6})(?:_|$)")
_SUFFIX_OF_ENCODING = {"label_ids": "_labelIds", "train_ids": "_labelTrainIds"}


@dataclass(frozen=True)
class FilePair:
    """One frame's label maps."""

    name: str
    target: Path
    pred: Path | None
    """None when the prediction is missing and the policy allows that."""


def frame_name(path: Path) -> str:
    """Return the name of the frame that a label-map file belongs to."""
    stem = path.stem
    while shorter := _LABEL_MAP_SUFFIX.sub("", stem):
        if shorter == stem:
            break
        stem = shorter
    cityscapes = _CITYSCAPES_NAME.match(stem)
    return cityscapes.group(1) if cityscapes else stem


def match_label_maps(
    target_dir: Path,
    pred_dir: Path,
    encoding: str = "train_ids",
    missing_allowed: bool = False,
) -> list[FilePair]:
    """Pair the label maps of two folders, searched with all their subfolders.

    Predictions without a target are left alone.

    Args:
        target_dir: folder of ground-truth PNGs.
        pred_dir: folder of predicted PNGs.
        encoding: one of ``ENCODINGS``; chooses between ``_labelIds`` and ``_labelTrainIds`` files.
        missing_allowed: give pairs without prediction instead of an error.

    Returns:
        Pairs sorted by name.

    Raises:
        DatasetError: a folder is missing or empty, a frame has two files, or a prediction is
            missing; the message lists the names.
    """
    targets = index_label_maps(Path(target_dir), encoding)
    preds = index_label_maps(Path(pred_dir), encoding)
    missing = [name for name in targets if name not in preds]
    if len(missing) == len(targets):
        raise DatasetError(
            f"no prediction in {pred_dir} belongs to a target in {target_dir}: targets are named "
            f"like '{_first(targets)}', predictions like '{_first(preds)}'"
        )
    if missing and not missing_allowed:
        raise DatasetError(
            f"{len(missing)} of {len(targets)} targets have no prediction in {pred_dir}: "
            f"{_listed(missing)}"
        )
    return [FilePair(name, targets[name], preds.get(name)) for name in sorted(targets)]


def index_label_maps(folder: Path, encoding: str) -> dict[str, Path]:
    """Find the label maps of a folder and its subfolders: frame name -> path.

    Args:
        folder: searched with all its subfolders.
        encoding: one of ``ENCODINGS``.

    Raises:
        DatasetError: the folder is missing or empty, or a frame has two files.
    """
    candidates = [
        path
        for path in list_files(folder, (".png",), recursive=True)
        if not _OTHER_SUFFIX.search(path.stem)
    ]
    if not candidates:
        raise DatasetError(f"no label maps (*.png) in {folder} or its subfolders")
    by_frame: dict[str, list[Path]] = defaultdict(list)
    for path in candidates:
        by_frame[frame_name(path)].append(path)
    return {name: _the_one(paths, encoding, folder) for name, paths in by_frame.items()}


def _the_one(paths: list[Path], encoding: str, folder: Path) -> Path:
    """Choose the file whose name does not contradict the encoding; exactly one may remain."""
    other = next(name for name in ENCODINGS if name != encoding)
    fitting = [path for path in paths if not path.stem.endswith(_SUFFIX_OF_ENCODING[other])]
    if not fitting:
        raise DatasetError(
            f"{paths[0]} holds {other} by its name, but {encoding} are expected; "
            f"use --encoding {other}"
        )
    if len(fitting) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in fitting[:4])
        raise DatasetError(
            f"{len(fitting)} files in {folder} belong to the same frame: {names}; "
            "leave one label map per frame"
        )
    return fitting[0]


def _first(files: dict[str, Path]) -> str:
    return min(files.values()).name


def _listed(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
