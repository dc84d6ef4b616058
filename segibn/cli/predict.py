"""``predict``: a trained network and frames, folders or videos -> label maps and pictures."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from segibn.cli.arguments import add_outside_arguments, outside_said, report_words, require_runs
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_next, print_then, verb_parser
from segibn.config.shipped import DEFAULT_MODEL
from segibn.errors import ConfigError
from segibn.media import FOLDERS, PALETTES, SHOWN_IN_VIDEOS
from segibn.runs.find import MODEL_FILES, list_models
from segibn.runs.outside import kind_of

EXAMPLE = """\
examples:
  segibn predict my_frames --output predictions
  segibn predict my_frames --model drivable-lite --output predictions
  segibn predict runs/gta5_ibn street.jpg drive.mp4 'more/**/*.png' --output predictions
  segibn predict my_frames --save labels,confidence --output predictions
  segibn predict my_frames --save labels --min-confidence 0.8 --output pseudo_labels
  segibn predict last.pt drive.mp4 --save video,labels --video-shows side-by-side --output out
  segibn predict my_frames --marks legend,names --palette distinct --output predictions
  segibn predict runs/gta5_ibn my_frames --classes road,car --alpha 0.7 --output predictions

writes labels/<name>.png (class indices, with a palette to look at), overlays/<name>.jpg, for a
video videos/<name>.mp4, and legend.png. Images are turned as their EXIF tag says, as viewers do.
What a file is, its content tells. Videos are H.264 where this OpenCV can, otherwise VP9: browsers
play both. VP8 (.webm) plays there too and is written several times as fast as VP9.
Files that cannot be read do not stop the rest: they are listed at the end and in failed.txt.

exit code: 0 all done, 1 some files failed, 2 nothing was begun or an output cannot be written,
130 interrupted.
"""


@verb_parser("predict", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    about = "network: a run folder or name, a .pt, .safetensors or .onnx file, or one that comes "
    about += f"along (default: the first INPUT if it is one of these, else {DEFAULT_MODEL})"
    add("--model", metavar="RUN_OR_FILE", help=about)
    about = "image (JPEG, PNG, BMP, WebP, TIFF), video, folder (with its subfolders) or quoted pattern"
    add("inputs", nargs="*", default=[], metavar="INPUT", help=about)
    add("--images", action="append", default=[], metavar="DIR", help="the same as an INPUT")
    add("--output", type=Path, default=Path("predictions"), metavar="DIR", help="(%(default)s)")
    add = parser.add_argument_group("what is written").add_argument
    about = f"any of {', '.join(FOLDERS)} (default: labels,overlay for images, video for videos; "
    about += "the others write each frame of a video)"
    add("--save", type=_parse_saved, metavar="KIND,...", help=about)
    about = "label pixels of this probability or more alone; the others are 255, as labels to train on (pseudo-labels)"
    add("--min-confidence", type=float, metavar="P", help=about)
    add("--no-overlays", action="store_true", help="the same as --save labels")
    add("--alpha", type=float, metavar="A", help="share of the class colour, 0 to 1 (default: 0.4)")
    about = "words in overlays: legend, the classes that are there; names, each on its large regions"
    add("--marks", type=parse_marks, metavar="legend,names", help=about)
    about = "colours: the network's own, or distinct ones, safe for the colour-blind (default: own)"
    add("--palette", choices=PALETTES, help=about)
    about = "draw these classes only; label maps keep all"
    add("--classes", type=lambda text: list(map(str.strip, text.split(","))), metavar="NAME,...", help=about)
    add("--video-shows", choices=SHOWN_IN_VIDEOS, help="of output videos (default: overlay)")
    about = "of output videos (default: auto, the first of these that OpenCV can write here)"
    add("--video-codec", choices=("auto", "h264", "vp9", "vp8", "mpeg4"), help=about)
    group = parser.add_argument_group("when something is there already, or broken")
    mode = {"dest": "mode", "action": "store_const", "default": "new"}
    add = group.add_mutually_exclusive_group().add_argument
    add("--resume", **mode, const="resume", help="predict what is missing")
    add("--overwrite", **mode, const="overwrite", help="replace what is there")
    group.add_argument("--strict", action="store_true", help="stop at the first bad file")
    add_inference_arguments(parser, ensemble=True)
    add_outside_arguments(parser, has_labels=False)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_intermixed_args(argv)
    if arguments.no_overlays:
        if arguments.save is not None:
            raise ConfigError("give --save or --no-overlays, not both")
        arguments.save = ("labels",)
    arguments.run = arguments.model or DEFAULT_MODEL
    if arguments.model is None and _begins_with_network(arguments.inputs, arguments.images):
        arguments.run, *arguments.inputs = arguments.inputs
    inputs = [*arguments.inputs, *arguments.images]
    if not inputs:
        raise ConfigError("say what to predict: segibn predict IMAGE_OR_FOLDER_OR_VIDEO ... --output DIR")
    require_runs([arguments.run])
    said = outside_said(arguments, [arguments.run])

    from segibn.media.journal import require_empty
    from segibn.runs.wanted import Wanted, find_inputs

    sources, passed_over = find_inputs(inputs, arguments.output)
    for line in passed_over:
        print(line, file=sys.stderr)
    wanted = Wanted(**{option.name: getattr(arguments, option.name) for option in fields(Wanted)}).checked(sources)
    inference = inference_config(arguments)
    require_runs(inference.ensemble)
    if wanted.mode == "new":
        require_empty(arguments.output)

    from segibn.runs.predict import predict_all  # torch only after all is known to be there

    report = predict_all(arguments.run, sources, wanted, inference, arguments.device, said)
    print(report.text(), end="")
    print(report.complaint(), end="", file=sys.stderr)
    if not report.is_interrupted:
        print_then(report.advice())
    if report.exit_code == 0 and (words := report_words(arguments.run)):
        print_next(*words)
    return report.exit_code


def _begins_with_network(words: list[str], images: list[str]) -> bool:
    """Whether the first word means a network, not something that one is to see."""
    if not words:
        return False
    if kind_of(words[0]) is not None:
        return True
    path, is_alone = Path(words[0]), len(words) + len(images) == 1
    if path.is_dir():
        return (path / "checkpoints").is_dir()
    if path.suffix in MODEL_FILES or words[0] in list_models():
        return True
    is_name = path.suffix == "" and not set("*?[") & set(words[0])
    return is_name and not path.exists() and not is_alone


def parse_marks(text: str) -> tuple[str, ...]:
    """``legend,names`` -> what is drawn, in the order of drawing."""
    if unknown := [word for word in text.split(",") if word not in ("legend", "names")]:
        raise argparse.ArgumentTypeError(f"no '{', '.join(unknown)}'; write legend, names or legend,names")
    return tuple(mark for mark in ("names", "legend") if mark in text.split(","))


def _parse_saved(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [kind for kind in kinds if kind not in FOLDERS]:
        raise argparse.ArgumentTypeError(f"no '{', '.join(unknown)}'; write {','.join(FOLDERS)}")
    return kinds
