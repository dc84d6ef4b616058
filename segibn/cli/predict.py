"""``predict``: a trained network and frames, folders or videos -> label maps and pictures."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import require_runs
from segibn.cli.inference import add_inference_arguments, ensemble_runs
from segibn.cli.parser import verb_parser
from segibn.errors import ConfigError
from segibn.text import counted, printable

if TYPE_CHECKING:
    from segibn.media.sources import Source

EXAMPLE = """\
examples:
  segibn predict runs/gta5_ibn my_frames --output predictions
  segibn predict runs/gta5_ibn street.jpg drive.mp4 'more/**/*.png' --output predictions
  segibn predict last.pt drive.mp4 --save video,labels --video-shows side-by-side --output out
  segibn predict runs/gta5_ibn my_frames --classes road,car --alpha 0.7 --output predictions

writes labels/<name>.png (class indices, with a palette to look at), overlays/<name>.jpg, for a
video videos/<name>.mp4, and legend.png. Images are turned as their EXIF tag says, as viewers do.
What a file is, its content tells. Videos are H.264 where this OpenCV can, otherwise VP9: browsers
play both. VP8 (.webm) plays there too and is written several times as fast as VP9.
Files that cannot be read do not stop the rest: they are listed at the end and in failed.txt.

exit code: 0 all done, 1 some files failed, 2 nothing was begun or an output cannot be written,
130 interrupted.
"""
_NAMED = 3  # of the files that are passed over
SAVED = ("labels", "color", "overlay", "side-by-side", "video")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "predict", "Predict label maps for images, folders of images and videos.", EXAMPLE
    )
    parser.add_argument(
        "run",
        metavar="RUN_OR_FILE",
        help="run folder, run's name, .pt, .safetensors or .onnx file",
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="image (JPEG, PNG, BMP, WebP, TIFF), video, folder (with its subfolders) or quoted "
        "pattern",
    )
    parser.add_argument(
        "--images", action="append", default=[], metavar="DIR", help="the same as an INPUT"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("predictions"), metavar="DIR", help="(%(default)s)"
    )
    _add_outputs(parser.add_argument_group("what is written"))
    _add_conduct(parser.add_argument_group("when something is there already, or broken"))
    add_inference_arguments(parser, ensemble=True)
    return parser


def _add_outputs(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--save",
        type=_parse_saved,
        metavar="KIND,...",
        help=f"any of {', '.join(SAVED)} (default: labels,overlay for images, video for videos; "
        "the others write each frame of a video)",
    )
    group.add_argument("--no-overlays", action="store_true", help="the same as --save labels")
    group.add_argument(
        "--alpha", type=_parse_share, help="share of the class colour (default: 0.5)"
    )
    group.add_argument(
        "--classes",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="NAME,...",
        help="paint these classes only; label maps keep all",
    )
    group.add_argument(
        "--video-shows",
        choices=("overlay", "side-by-side", "color"),
        help="what an output video is made of (default: overlay)",
    )
    group.add_argument(
        "--video-codec",
        choices=("auto", "h264", "vp9", "vp8", "mpeg4"),
        help="of output videos (default: auto, the first of these that OpenCV can write here)",
    )


def _add_conduct(group: "argparse._ArgumentGroup") -> None:
    exclusive = group.add_mutually_exclusive_group()
    exclusive.add_argument(
        "--resume", action="store_true", help="keep what is done, predict what is missing"
    )
    exclusive.add_argument("--overwrite", action="store_true", help="replace what is there")
    group.add_argument("--strict", action="store_true", help="stop at the first bad file")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0, or 1 if a file could not be predicted, or 130 at Ctrl-C."""
    arguments = build_parser().parse_intermixed_args(argv)
    if arguments.no_overlays:
        if arguments.save is not None:
            raise ConfigError("give --save or --no-overlays, not both")
        arguments.save = ("labels",)
    inputs = [*arguments.inputs, *arguments.images]
    if not inputs:
        raise ConfigError(
            "say what to predict: segibn predict RUN IMAGE_OR_FOLDER_OR_VIDEO ... --output DIR"
        )

    require_runs([arguments.run])
    sources = _sources(inputs, arguments.output)
    _refuse_idle_options(arguments, sources)
    require_runs(ensemble_runs(arguments))

    from segibn.cli.prediction import predict_all  # torch only after all is known to be there

    return predict_all(sources, arguments)


def _sources(inputs: Sequence[str], output: Path) -> "list[Source]":
    """Find the pictures and videos, and say how many other files lie among them."""
    from segibn.media.outputs import places_of
    from segibn.media.sources import find_sources

    found = find_sources(inputs, places_of(output))
    if found.others:
        names = ", ".join(printable(path.name) for path in found.others[:_NAMED])
        names += ", ..." if len(found.others) > _NAMED else ""
        many = counted(len(found.others), "file")
        print(f"passed over {many}, neither picture nor video: {names}", file=sys.stderr)
    return found.sources


def _refuse_idle_options(arguments: argparse.Namespace, sources: "Sequence[Source]") -> None:
    """Refuse what changes none of the files that are written; fill in the defaults.

    Raises:
        ConfigError: an option would have no effect.
    """
    from segibn.media.outputs import kinds_of

    found = {source.is_video for source in sources}
    written = {kind for is_video in found for kind in kinds_of(arguments.save, is_video)}
    shown = {arguments.video_shows or "overlay"} if "video" in written else set()
    drawn = shown | (written & {"overlay", "side-by-side", "color"})
    idle = {
        "video_shows": ("overlay", not shown, "no video is written"),
        "video_codec": ("auto", not shown, "no video is written"),
        "alpha": (0.5, not drawn - {"color"}, "nothing is laid over a frame"),
        "classes": (None, not drawn, "label maps keep all classes, and nothing else is written"),
    }
    for name, (otherwise, is_idle, reason) in idle.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, otherwise)
        elif is_idle:
            raise ConfigError(f"--{name.replace('_', '-')} has no effect: {reason}")


def _parse_saved(text: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [kind for kind in kinds if kind not in SAVED]:
        raise argparse.ArgumentTypeError(f"no '{', '.join(unknown)}'; write {','.join(SAVED)}")
    return kinds


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"'{text}': write a number from 0 to 1, such as 0.5")
    return share
