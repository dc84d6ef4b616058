"""``score``: two folders of label maps -> scores. Needs numpy and an image reader, no torch."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.measurements import add_measurement_arguments, complete, show
from segibn.cli.parser import verb_parser
from segibn.errors import SegibnError

if TYPE_CHECKING:
    from segibn.evaluation.bdd100k_toolkit import ToolkitScores
    from segibn.evaluation.drivable import DrivableScores
    from segibn.evaluation.score_cityscapes import CityscapesScores
    from segibn.evaluation.scores import Scores
    from segibn.labels.label_set import LabelSet

EXAMPLE = """\
examples:
  segibn score semseg --target gtFine/val --pred predictions/labels
  segibn score semseg --target labels --pred preds --labels bdd100k --policy bdd100k --json
  segibn score semseg --target labels/val --pred predictions/labels --labels own.yaml
  segibn score cityscapes --target gtFine/val --pred results --output official.json
  segibn score bdd100k --target labels/sem_seg/masks/val --pred preds
  segibn score drivable --target drivable_maps/labels/val --pred preds

Files are matched by name with the official suffixes ignored; where a name occurs twice, by the path
below the two folders. Scores in the JSON are fractions.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("score", "Score predicted label maps (PNG) against ground truth.", EXAMPLE)
    tasks = parser.add_subparsers(dest="task", required=True)
    _add_semseg(tasks)
    _add_cityscapes(tasks)
    _add_toolkit(tasks)
    _add_drivable(tasks)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb: print the table, or the JSON with ``--json``; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn.evaluation.drivable import DrivableScores
    from segibn.evaluation.scores import Scores
    from segibn.text.progress import FrameProgress

    with FrameProgress("score") as progress:
        arguments.progress = progress
        scores = _SCORERS[arguments.task](arguments)
    doubt = scores.doubt if isinstance(scores, Scores | DrivableScores) else scores.scores.doubt
    if arguments.json:
        print(json.dumps(scores.to_dict(), indent=1))
    else:
        print(show(scores, arguments) if isinstance(scores, Scores) else scores.format_table())
    if doubt:
        print(f"warning: {doubt}", file=sys.stderr)
    return 0


def _semseg(arguments: argparse.Namespace) -> "Scores":
    from segibn.evaluation.measures import METRICS
    from segibn.evaluation.score_folders import score_semseg

    labels, endings = arguments.labels, ()
    if labels.endswith((".yaml", ".yml")):
        labels, endings = _own_set(labels)
    scores = score_semseg(
        arguments.target,
        arguments.pred,
        labels,
        endings=endings,
        **_encodings(arguments),
        policy=arguments.policy,
        evaluation_set=arguments.set_name,
        measures=[one.name for one in METRICS if getattr(arguments, one.name, False)],
        progress=arguments.progress,
    )
    return complete(scores, arguments)


def _own_set(config: str) -> "tuple[LabelSet, tuple[str, ...]]":
    """Return the table of the set that a config validates on, and how its files' names end.

    The classes are in the order of training.
    """
    from segibn.builders.sets import build_label_set
    from segibn.config.load import load_config

    data = load_config(config).data
    trained = build_label_set(data.train, data.classes)
    own = trained if data.val is None else build_label_set(data.val, data.classes)
    files = (data.val or data.train).folder
    suffixes = (files.target_suffix, files.image_suffix) if files else ()
    endings = (suffix.rpartition(".")[0] for suffix in suffixes)
    return own.in_order(trained.class_names), tuple(filter(None, endings))


def _cityscapes(arguments: argparse.Namespace) -> "CityscapesScores":
    from segibn.evaluation.score_cityscapes import score_cityscapes

    scores = score_cityscapes(
        arguments.target,
        arguments.pred,
        **_encodings(arguments),
        instances=not arguments.no_instances,
        per_image=arguments.per_image,
        evaluation_set=arguments.set_name,
        progress=arguments.progress,
    )
    if arguments.output:
        scores.write_official(arguments.output)
    return scores


def _toolkit(arguments: argparse.Namespace) -> "ToolkitScores":
    from segibn.evaluation.bdd100k_toolkit import score_toolkit

    return score_toolkit(
        arguments.target,
        arguments.pred,
        arguments.toolkit_task,
        evaluation_set=arguments.set_name,
        progress=arguments.progress,
    )


def _drivable(arguments: argparse.Namespace) -> "DrivableScores":
    from segibn.evaluation.score_folders import score_drivable

    return score_drivable(
        arguments.target,
        arguments.pred,
        target_encoding=arguments.target_encoding,
        pred_encoding=arguments.pred_encoding,
        evaluation_set=arguments.set_name,
        progress=arguments.progress,
    )


_SCORERS = {
    "semseg": _semseg,
    "cityscapes": _cityscapes,
    "bdd100k": _toolkit,
    "drivable": _drivable,
}


def _add_semseg(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from segibn.evaluation.metrics import POLICIES
    from segibn.evaluation.score_folders import semseg_tables

    semseg = tasks.add_parser("semseg", help="mIoU of semantic segmentation")
    _add_folders(semseg)
    semseg.add_argument(
        "--labels",
        default="cityscapes",
        metavar="TABLE",
        help=f"{', '.join(semseg_tables())}, or a config: the table of its data (cityscapes)",
    )
    _add_encodings(semseg, "train_ids, what segibn predict writes, or the data set's label_ids")
    semseg.add_argument(
        "--policy",
        choices=POLICIES,
        default="cityscapes",
        help="whose choices to follow for absent classes and void predictions (cityscapes); only "
        "bdd100k counts missing predictions and unknown values as void, elsewhere they are errors",
    )
    add_measurement_arguments(semseg)


def _add_cityscapes(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cityscapes = tasks.add_parser(
        "cityscapes", help="the official Cityscapes evaluation: IoU and iIoU, classes, categories"
    )
    _add_folders(cityscapes)
    _add_encodings(cityscapes, "label_ids, as the script takes them, or train_ids")
    cityscapes.add_argument(
        "--output", type=Path, metavar="FILE", help="write the official script's JSON"
    )
    cityscapes.add_argument(
        "--no-instances", action="store_true", help="without iIoU, which needs *_instanceIds.png"
    )
    cityscapes.add_argument(
        "--per-image", action="store_true", help="add the script's perImageScores to the JSON"
    )


def _add_toolkit(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from segibn.evaluation.bdd100k_toolkit import TASKS

    toolkit = tasks.add_parser(
        "bdd100k", help="the BDD100K toolkit's evaluation: masks (*.png) or RLE (*.json)"
    )
    _add_folders(toolkit)
    toolkit.add_argument(
        "--toolkit-task",
        choices=TASKS,
        default="sem_seg",
        help="its -t; drivable masks in the 2021 encoding",
    )


def _add_drivable(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from segibn.labels.drivable_encoding import DRIVABLE_ENCODINGS

    drivable = tasks.add_parser("drivable", help="the four drivable-area mIoUs A, B, C, D")
    _add_folders(drivable)
    for role in ("target", "pred"):
        drivable.add_argument(
            f"--{role}-encoding",
            choices=("auto", *DRIVABLE_ENCODINGS),
            default="auto",
            help="2018: 0 background, 1 direct, 2 alternative; 2021: 0 direct, 1 alternative, "
            "2 background (auto: by file names and the upper third of the frames)",
        )


def _add_encodings(parser: argparse.ArgumentParser, kinds: str) -> None:
    from segibn.evaluation.encodings import ENCODINGS

    for role in ("target", "pred"):
        parser.add_argument(
            f"--{role}-encoding",
            choices=("auto", *ENCODINGS),
            help=f"of its values: {kinds} (auto: by file names and values)",
        )
    parser.add_argument("--encoding", choices=ENCODINGS, help="of both sides")


def _encodings(arguments: argparse.Namespace) -> dict[str, str]:
    """The encoding of each side; what is said of one side comes first."""
    both = arguments.encoding or "auto"
    if arguments.encoding and arguments.target_encoding and arguments.pred_encoding:
        raise SegibnError("--encoding is of both sides; leave it out beside the options of each")
    return {
        f"{role}_encoding": getattr(arguments, f"{role}_encoding") or both
        for role in ("target", "pred")
    }


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", type=Path, required=True, metavar="DIR", help="ground truth")
    parser.add_argument("--pred", type=Path, required=True, metavar="DIR", help="predictions")
    parser.add_argument(
        "--set-name", default="", metavar="NAME", help="for the signature (target folder's name)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON at full precision")
