"""``score``: two folders of label maps -> scores. Needs numpy and an image reader, no torch."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.measurements import add_measurement_arguments, show
from segibn.cli.parser import VerbParser, verb_parser
from segibn.errors import SegibnError
from segibn.evaluation.bdd100k_toolkit import TASKS, score_toolkit
from segibn.evaluation.encodings import ENCODINGS
from segibn.evaluation.measures import METRICS, with_intervals
from segibn.evaluation.metrics import POLICIES
from segibn.evaluation.score_cityscapes import score_cityscapes
from segibn.evaluation.score_folders import score_drivable, score_semseg, semseg_tables
from segibn.evaluation.scores import Scores
from segibn.labels.drivable_encoding import DRIVABLE_ENCODINGS

EXAMPLE = """\
examples:
  segibn score semseg --target gtFine/val --pred predictions/labels
  segibn score semseg --target labels --pred preds --labels bdd100k --policy bdd100k --json
  segibn score semseg --target labels/val --pred predictions/labels --labels own.yaml
  segibn score cityscapes --target gtFine/val --pred results --output official.json
  segibn score bdd100k --target labels/sem_seg/masks/val --pred preds
  segibn score drivable --target drivable_maps/labels/val --pred preds

Predictions are PNGs of class indices, label ids or colours, or .npz files with `scores`, floats
(classes, h, w) in the order of the classes, which are resized to the target. Files are matched by
name with the official suffixes ignored; where a name occurs twice, by the path below the two
folders. Scores in the JSON are fractions.
"""


@verb_parser("score", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True)
    semseg = tasks.add_parser("semseg", help="mIoU of semantic segmentation")
    about = "the official Cityscapes evaluation: IoU and iIoU, classes, categories"
    cityscapes = tasks.add_parser("cityscapes", help=about)
    toolkit = tasks.add_parser("bdd100k", help="the BDD100K toolkit's evaluation of masks (*.png)")
    drivable = tasks.add_parser("drivable", help="drivable-area mIoU by every definition in use")
    for task in (semseg, cityscapes, toolkit, drivable):
        add = task.add_argument
        add("--target", type=Path, required=True, metavar="DIR", help="ground truth")
        add("--pred", type=Path, required=True, metavar="DIR", help="predictions")
        add("--set-name", default="", metavar="NAME", help="for the signature (target folder)")
        add("--json", action="store_true", help="print JSON at full precision")
    add = semseg.add_argument
    about = f"{', '.join(semseg_tables())}, or a config: the table of its data (cityscapes)"
    add("--labels", default="cityscapes", metavar="TABLE", help=about)
    kinds = "train_ids, what segibn predict writes, or the data set's label_ids"
    _add_encodings(semseg, ENCODINGS, f"of its values: {kinds} (auto: by file names and values)")
    add("--encoding", choices=ENCODINGS, help="of both sides")
    about = "whose choices to follow for absent classes and void predictions (cityscapes); only "
    about += "bdd100k counts missing predictions and unknown values as void, elsewhere they are errors"
    add("--policy", choices=POLICIES, default="cityscapes", help=about)
    add_measurement_arguments(semseg)
    add = cityscapes.add_argument
    kinds = "label_ids, as the script takes them, or train_ids"
    _add_encodings(cityscapes, ENCODINGS, f"of its values: {kinds} (auto: by names and values)")
    add("--encoding", choices=ENCODINGS, help="of both sides")
    add("--output", type=Path, metavar="FILE", help="write the official script's JSON")
    add("--no-instances", action="store_true", help="without iIoU, which needs *_instanceIds.png")
    add("--per-image", action="store_true", help="add the script's perImageScores to the JSON")
    about = "its -t; drivable masks in the 2021 encoding"
    toolkit.add_argument("--toolkit-task", choices=TASKS, default="sem_seg", help=about)
    meaning = "2018: 0 background, 1 direct, 2 alternative; 2021: 0 direct, 1 alternative, "
    meaning += "2 background (auto: by file names and the upper third of the frames)"
    _add_encodings(drivable, DRIVABLE_ENCODINGS, meaning)


def _add_encodings(parser: argparse.ArgumentParser, known: Sequence[str], meaning: str) -> None:
    for role in ("target", "pred"):
        parser.add_argument(f"--{role}-encoding", choices=("auto", *known), help=meaning)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    target, pred, task = arguments.target, arguments.pred, arguments.task
    given: dict[str, str] = {}
    if task != "bdd100k":  # what is said of one side comes first
        both = getattr(arguments, "encoding", None)
        sides = (arguments.target_encoding, arguments.pred_encoding)
        if both and all(sides):
            raise SegibnError("--encoding is of both sides; leave it out beside those of each")
        target_encoding, pred_encoding = (side or both or "auto" for side in sides)
        given = {"target_encoding": target_encoding, "pred_encoding": pred_encoding}

    from segibn.text.progress import FrameProgress

    with FrameProgress("score") as progress:
        common = {"evaluation_set": arguments.set_name, "progress": progress, **given}
        if task == "semseg":
            labels, endings = arguments.labels, ()
            if labels.endswith((".yaml", ".yml")):
                from segibn.runs.sets import own_labels

                labels, endings = own_labels(labels)
            asked = [one.name for one in METRICS if getattr(arguments, one.name, False)]
            more = {"policy": arguments.policy, "measures": asked}
            scores = score_semseg(target, pred, labels, endings=endings, **more, **common)
            scores = with_intervals(scores) if arguments.intervals else scores
        elif task == "cityscapes":
            more = {"instances": not arguments.no_instances, "per_image": arguments.per_image}
            scores = score_cityscapes(target, pred, **more, **common)
            if arguments.output:
                scores.write_official(arguments.output)
        elif task == "bdd100k":
            scores = score_toolkit(target, pred, arguments.toolkit_task, **common)
        else:
            scores = score_drivable(target, pred, **common)
    doubt = scores.scores.doubt if hasattr(scores, "scores") else scores.doubt
    if arguments.json:
        print(json.dumps(scores.to_dict(), indent=1))
    elif isinstance(scores, Scores):
        print(show(scores, arguments.rates))
    else:
        print(scores.format_table())
    if doubt:
        print(f"warning: {doubt}", file=sys.stderr)
    return 0
