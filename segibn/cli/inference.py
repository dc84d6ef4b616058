"""Arguments of every verb that runs a network on frames, and what they mean."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import add_datasets_argument, parse_positive
from segibn.cli.parser import VerbParser
from segibn.errors import ConfigError
from segibn.inference import BLENDINGS, NATIVE, PRECISIONS
from segibn.runs.find import find_checkpoint
from segibn.runs.outside import kind_of

if TYPE_CHECKING:
    from segibn.inference.config import InferenceConfig
    from segibn.inference.options import InstanceShare

DEVICE_HELP = "cpu, cuda, cuda:1, mps or xpu (default: a CUDA GPU if there is one, else cpu)"
Size = tuple[int, int]


def add_comparison_arguments(parser: VerbParser, views: bool = True) -> None:
    """Add several runs, ``--datasets``, ``--output`` and how frames reach each of the networks."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser, views)


def add_inference_arguments(parser: VerbParser, views: bool = True, ensemble: bool = False) -> None:
    """Add ``--device`` and how frames reach the network; precision, windows and scales only with ``views``."""
    add = parser.add_argument_group("inference (label maps always come at frame size)").add_argument
    add("--device", help=DEVICE_HELP)
    about = "resize frames to this first; native = do not (default: what the run was scored at)"
    add("--input-size", type=lambda text: text if text == NATIVE else parse_size(text), metavar="HxW", help=about)
    add("--input-height", type=int, metavar="H", help="as --input-size, proportions kept")
    parser.excludes("--input-size", "--input-height")
    parser.set_defaults(recipe=None, ensemble=[])
    if views:
        about = "a file such as configs/inference/multi_scale_flip.yaml that says all of this; "
        about += "arguments beside it replace its values"
        add("--recipe", type=Path, metavar="FILE", help=about)
        about = "number format of the convolutions; auto = bfloat16 where it is native (default: "
        about += "float32, so that a score does not depend on the machine)"
        add("--precision", choices=(*PRECISIONS, "auto"), help=about)
        add("--window", type=parse_size, metavar="HxW", help="slide a window instead")
        add("--stride", type=parse_size, metavar="HxW", help="of the window (default: 2/3 of it)")
        about = "of overlapping windows; gaussian = their middle counts most (default: flat)"
        add("--blending", choices=BLENDINGS, help=about)
        about = "average the probabilities of the frame at these relative sizes"
        add("--scales", type=parse_scales, metavar="S,S,...", help=about)
        add_share_argument(add)
        about = "divide logits by it before confidences or averages are made (segibn calibrate fits it)"
        add("--temperature", type=float, metavar="T", help=about)
        add("--flip", action=argparse.BooleanOptionalAction, help="average with the mirrored frame too")
        about = "frames of one size that the network sees at once (default: 1)"
        add("--batch-size", type=parse_positive, metavar="N", help=about)
        for option in ("--stride", "--blending"):
            parser.needs(option, "--window", "--recipe")
    if ensemble:
        about = "average the probabilities with those of these runs or checkpoints"
        add("--ensemble", nargs="+", default=[], metavar="RUN", help=about)


def add_share_argument(add: Callable[..., object]) -> None:
    """Add ``--instance-share``."""
    about = "batch norms take this share of each frame's own statistics, at strides up to FINEST "
    about += "(8) and at one place of each block (all), as in 0.3@8:last; "
    about += "calibrated = what calibrate --share chose for the run"
    add("--instance-share", type=parse_share, metavar="SHARE[@FINEST[:PLACE]]", help=about)


def inference_config(
    arguments: argparse.Namespace, *, recipe: Path | None = None, alone: bool = False
) -> "InferenceConfig":
    """Put the arguments of ``add_inference_arguments`` and their file together.

    ConfigError: the file is not valid, a network comes twice, or several would be averaged where
    each is scored ``alone``. CheckpointError: a run of ``--ensemble`` is not there.
    """
    from segibn.inference.config import InferenceConfig, load_inference_config

    path = recipe or arguments.recipe
    config = InferenceConfig() if path is None else load_inference_config(path)
    if alone and config.ensemble:
        raise ConfigError(
            f"{path} averages {len(config.ensemble)} networks with each run, but here each is "
            "scored by itself; use a file without `ensemble`, or segibn evaluate"
        )
    seen = set()
    if arguments.ensemble and kind_of(arguments.run) is None:
        seen.add(find_checkpoint(arguments.run).resolve())
    for run in arguments.ensemble:
        if (checkpoint := find_checkpoint(run).resolve()) in seen:
            raise ConfigError(f"--ensemble {run}: this network is there already; give it once")
        seen.add(checkpoint)
    given = {key: getattr(arguments, key, None) for key in InferenceConfig.model_fields}
    return config.replaced(**given | {"ensemble": (*config.ensemble, *arguments.ensemble)})


def parse_size(text: str) -> Size:
    """Read ``512x1024`` as (H, W)."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"'{text}': write height x width, such as 512x1024")
    return int(height), int(width)


def parse_share(text: str) -> "InstanceShare | str":
    """Read ``0.3@8:last``, ``0.1@8``, ``0.1``, or one of the words ``calibrated`` and ``none``."""
    if text in ("calibrated", "none"):
        return text
    from segibn.inference.options import InstanceShare

    try:
        return InstanceShare.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}': write a share above 0 and up to 1, a stride of 1, 2, 4, 8, 16 or 32, and a "
            "place, stem, first, inner, last or other, such as 0.1@8 or 0.3@8:last; or calibrated, "
            "or none"
        ) from None


def parse_scales(text: str) -> tuple[float, ...]:
    """Read ``0.75,1,1.25``."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or min(scales) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}': write numbers above 0, such as 0.75,1,1.25")
    return scales
