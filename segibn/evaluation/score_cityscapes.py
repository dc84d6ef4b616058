"""The official Cityscapes evaluation of two folders: label maps in, the script's report out."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.errors import DatasetError
from segibn.evaluation import cityscapes_official as script
from segibn.evaluation.confusion import Counts
from segibn.evaluation.encodings import Reading
from segibn.evaluation.file_scores import FileTally, Maps, Progress, conditions_of, require_size
from segibn.evaluation.frame_pairs import cityscapes_name
from segibn.evaluation.matching import FilePair, read_folders
from segibn.evaluation.scores import LabelConfusion, Scores, format_percent
from segibn.files.pictures import Picture
from segibn.files.writing import plain, write_text
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet


@dataclass(frozen=True, eq=False)
class CityscapesScores:
    """What the official evaluation found."""

    scores: Scores  # the 19 classes; its ``label_confusion`` has all 34 label ids
    instances: script.InstanceSums | None
    per_image: dict[str, dict[str, int]]  # prediction file -> the script's numbers; empty unless asked for

    @property
    def signature(self) -> str:
        """One line of conditions."""
        instances = "no" if self.instances is None else "yes"
        return f"cityscapes-{self.scores.signature}|instances:{instances}"

    def official(self) -> dict[str, Any]:
        """Return the script's results under its own keys; see ``official_results``."""
        by_label = self.scores.label_confusion
        assert by_label is not None
        return script.official_results(by_label.counts, self.instances, self.per_image)

    def write_official(self, path: Path) -> None:
        """Write the very file that the script writes, which has NaN where JSON has no word."""
        write_text(path, json.dumps(self.official(), sort_keys=True, indent=4))

    def to_dict(self) -> dict[str, Any]:
        """Return signature, frames and the official results; undefined numbers become None."""
        doubt = {"doubt": self.scores.doubt} if self.scores.doubt else {}
        head = {"signature": self.signature, "version": self.scores.version, **doubt}
        return {**head, "frames": list(self.scores.frames), **plain(self.official())}

    def format_table(self) -> str:
        """Return IoU and iIoU of classes and categories, and the averages; per cent."""
        found = self.official()
        lines = []
        for title, kind, names in (
            ("classes", "class", self.scores.class_names),
            ("categories", "category", list(found["categoryScores"])[1:]),  # no void
        ):
            scores, weighted = found[f"{kind}Scores"], found[f"{kind}InstScores"]
            averages = (found[f"average{way}{title.title()}"] for way in ("Score", "ScoreInst"))
            lines.append(f"{title:<18}{'IoU %':>7}{'iIoU %':>7}")
            lines += [_line(name, scores[name], weighted[name]) for name in names]
            lines += ["-" * 32, _line(f"mean of {title}", *averages), ""]
        return "\n".join([*lines, self.signature])


def score_cityscapes(
    target_dir: Path,
    pred_dir: Path,
    *,
    target_encoding: str = "auto",
    pred_encoding: str = "auto",
    instances: bool = True,
    per_image: bool = False,
    evaluation_set: str = "",
    progress: Progress | None = None,
) -> CityscapesScores:
    """Score predictions as the official script does.

    Args:
        target_dir: ``*_labelIds.png``, each with its ``*_instanceIds.png`` beside it.
        pred_dir: one PNG for each target, ``<frame>*.png``.
        target_encoding: "label_ids", "train_ids" (which count as the label ids that they stand for,
            ignored ones as unlabeled) or "auto": what names or values tell, else label ids.
        instances: False leaves instance scores out and needs no instanceIds.
        per_image: add the script's numbers of each image.
    """
    encodings = target_encoding, pred_encoding
    pairs, reading = read_folders(
        target_dir, pred_dir, CITYSCAPES, encodings, as_label_ids=True, name_of=cityscapes_name
    )
    if instances:
        _require_instances([pair.target for pair in pairs])
    tally = FileTally(pairs, reading, conditions_of(target_dir, evaluation_set, "cityscapes"))
    sums, images = script.InstanceSums(), {}

    def examine(pair: FilePair, maps: Maps, counts: Counts) -> tuple[Any, dict[str, int]]:
        ignored = script.ignored_pixels(_by_label_id(counts, reading)) if per_image else {}
        if not instances:
            return None, ignored
        path = _instance_file(pair.target)
        instance_map = Picture(path).instance_map()
        require_size(instance_map, path, maps[0], pair.target)
        label_ids = _label_ids(reading.tables[1])[maps[1]]
        return script.count_instances(instance_map, label_ids, path), ignored

    for pair, (objects, ignored) in tally.count(examine, progress=progress):
        if objects is not None:
            sums.add(objects)
        if per_image:
            images[str(pair.pred)] = ignored
    by_label = LabelConfusion(tuple(range(script.NUM_LABEL_IDS)), _by_label_id(tally.raw, reading))
    scores = replace(tally.result(), label_confusion=by_label)
    return CityscapesScores(scores, sums if instances else None, images)


def _label_ids(table: LabelSet) -> NDArray[np.uint8]:
    """(256,) the label id that each value of a table stands for; 0 for what cannot occur."""
    values = np.arange(256) if table is CITYSCAPES else CITYSCAPES.inverse
    return np.where(table.lookup < 0, 0, values).astype(np.uint8)


def _by_label_id(raw: Counts, reading: Reading) -> Counts:
    """Turn raw counts, (256, 256), into counts over label ids, (34, 34)."""
    counts = np.zeros((256, 256), dtype=np.int64)
    rows, columns = (_label_ids(table) for table in reading.tables)
    np.add.at(counts, np.ix_(rows, columns), raw)
    return counts[: script.NUM_LABEL_IDS, : script.NUM_LABEL_IDS]


def _instance_file(target: Path) -> Path:
    return target.with_name(target.name.replace("labelIds", "instanceIds"))


def _require_instances(targets: list[Path]) -> None:
    missing = [path for path in targets if not path.stem.endswith("_labelIds")]
    what = "is not named *_labelIds.png"
    if not missing:
        missing = [path for path in targets if not _instance_file(path).is_file()]
        what = "has no *_instanceIds.png beside it"
    if missing:
        raise DatasetError(
            f"{missing[0]} {what} ({len(missing)} of {len(targets)} targets); iIoU needs the "
            "official instanceIds, --no-instances leaves it out"
        )


def _line(name: str, iou: float, weighted: float) -> str:
    return f"{name:<18}{format_percent(iou):>7}{format_percent(weighted):>7}"
