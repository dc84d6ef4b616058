"""Arguments of every verb that runs a network on frames, and what they mean."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import parse_positive
from segibn.cli.parser import VerbParser
from segibn.errors import ConfigError

if TYPE_CHECKING:  # torch takes seconds to import, and --help needs none of it
    import torch

    from segibn.config.recipe import InferenceRecipe
    from segibn.inference.options import InferenceOptions

DEVICE_HELP = "cpu, cuda, cuda:1, mps or xpu (default: a CUDA GPU if there is one, else cpu)"
NATIVE = "native"
Size = tuple[int, int]
_VIEWS = ("window", "stride", "blending", "scales", "flip", "precision", "batch_size")


def add_inference_arguments(parser: VerbParser, views: bool = True, ensemble: bool = False) -> None:
    """Add device, precision and how frames reach the network; for ``inference_options``.

    Args:
        parser: to add to.
        views: False leaves out what only makes sense for label maps (precision, windows, scales).
        ensemble: True for verbs that average several networks, see ``ensemble_runs``.
    """
    group = parser.add_argument_group("inference (label maps always come at frame size)")
    group.add_argument("--device", help=DEVICE_HELP)
    group.add_argument(
        "--input-size",
        type=parse_size_or_native,
        metavar="HxW",
        help="resize frames to this first; native = do not (default: what the run was scored at)",
    )
    group.add_argument(
        "--input-height", type=int, metavar="H", help="as --input-size, proportions kept"
    )
    parser.excludes("--input-size", "--input-height")
    parser.set_defaults(recipe=None, ensemble=[], **dict.fromkeys(_VIEWS))
    if views:
        _add_views(group)
        for option in ("--stride", "--blending"):
            parser.needs(option, "--window", "--recipe")
    if ensemble:
        group.add_argument(
            "--ensemble",
            nargs="+",
            default=[],
            metavar="RUN",
            help="average the probabilities with those of these runs or checkpoints",
        )


def _add_views(group: "argparse._ArgumentGroup") -> None:
    """Add what a recipe may say too; None = not on the command line."""
    group.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="a file such as configs/inference/multi_scale_flip.yaml that says all of this; "
        "arguments beside it replace its values",
    )
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16", "auto"),
        help="number format of the convolutions; auto = bfloat16 where it is native (default: "
        "float32, so that a score does not depend on the machine)",
    )
    group.add_argument("--window", type=parse_size, metavar="HxW", help="slide a window instead")
    group.add_argument(
        "--stride", type=parse_size, metavar="HxW", help="of the window (default: 2/3 of it)"
    )
    group.add_argument(
        "--blending",
        choices=("flat", "gaussian"),
        help="of overlapping windows; gaussian = their middle counts most (default: flat)",
    )
    group.add_argument(
        "--scales",
        type=parse_scales,
        metavar="S,S,...",
        help="average the probabilities of the frame at these relative sizes",
    )
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored frame too",
    )
    group.add_argument(
        "--batch-size",
        type=parse_positive,
        metavar="N",
        help="frames of one size that the network sees at once (default: 1)",
    )


def inference_options(
    arguments: argparse.Namespace, scored: "InferenceOptions"
) -> "InferenceOptions":
    """Put the arguments of ``add_inference_arguments``, their recipe and a run's own together.

    Args:
        scored: how frames reached the network when its run was scored.

    Raises:
        ConfigError: the recipe is not valid, or the options do not fit each other or the device.
    """
    from segibn.engine.precision import choose_dtype
    from segibn.inference.options import InferenceOptions

    recipe = _recipe(arguments)
    size, height = scored.input_size, scored.input_height
    for given in (recipe, arguments):
        if given.input_size is not None or given.input_height is not None:
            size, height = given.input_size, given.input_height
    views: dict[str, Any] = {name: getattr(recipe, name) for name in _VIEWS}
    if arguments.window is not None:  # a recipe's stride belongs to its window
        views["stride"] = None
    stated = {name: getattr(arguments, name) for name in _VIEWS}
    views |= {name: value for name, value in stated.items() if value is not None}
    dtype = choose_dtype(views.pop("precision"), device_of(arguments), "--precision")
    return InferenceOptions(
        input_size=None if size == NATIVE else size,
        input_height=height,
        precision=str(dtype).removeprefix("torch."),
        **views,
    )


def ensemble_runs(arguments: argparse.Namespace) -> list[str]:
    """Return the runs to average with the first, from the recipe and the command line."""
    return [*_recipe(arguments).ensemble, *arguments.ensemble]


def refuse_ensemble(arguments: argparse.Namespace) -> None:
    """Raise ConfigError where networks are scored each by itself but a recipe averages several."""
    if runs := ensemble_runs(arguments):
        raise ConfigError(
            f"{arguments.recipe} averages {len(runs)} networks with each run, but here each is "
            "scored by itself; use a recipe without `ensemble`, or segibn evaluate"
        )


def states_size(arguments: argparse.Namespace) -> bool:
    """Whether command line or recipe say at which size frames are seen."""
    parts = (_recipe(arguments), arguments)
    return any(p.input_size is not None or p.input_height is not None for p in parts)


def _recipe(arguments: argparse.Namespace) -> "InferenceRecipe":
    from segibn.config.recipe import InferenceRecipe, load_recipe

    return InferenceRecipe() if arguments.recipe is None else load_recipe(arguments.recipe)


def device_of(arguments: argparse.Namespace) -> "torch.device":
    """Return the device that was asked for, or this rank's own.

    Raises:
        ConfigError: the device is unknown or not there.
    """
    from segibn.devices import default_device, device_named

    return default_device() if arguments.device is None else device_named(arguments.device)


def parse_size(text: str) -> Size:
    """Read ``512x1024`` as (H, W)."""
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"'{text}': write height x width, such as 512x1024")
    return int(height), int(width)


def parse_size_or_native(text: str) -> Size | str:
    """Read ``512x1024`` as (H, W), or the word ``native``."""
    return NATIVE if text == NATIVE else parse_size(text)


def parse_scales(text: str) -> tuple[float, ...]:
    """Read ``0.75,1,1.25``."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or min(scales) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}': write numbers above 0, such as 0.75,1,1.25")
    return scales
