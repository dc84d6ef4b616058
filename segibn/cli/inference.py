"""Arguments of every verb that runs a network on frames, and what they mean."""

import argparse
from typing import TYPE_CHECKING

from segibn.config.schema import RunConfig
from segibn.errors import ConfigError

if TYPE_CHECKING:  # torch takes seconds to import, and --help needs none of it
    import torch

    from segibn.predict import InferenceOptions

NATIVE = "native"
Size = tuple[int, int]


def add_inference_arguments(parser: argparse.ArgumentParser, views: bool = True) -> None:
    """Add device, precision and how frames reach the network; for ``inference_options``.

    Args:
        parser: to add to.
        views: False leaves out what only makes sense for label maps (precision, windows, scales).
    """
    group = parser.add_argument_group("inference (label maps always come at frame size)")
    group.add_argument("--device", help="cpu, cuda or cuda:1 (default: the GPU if there is one)")
    group.add_argument(
        "--input-size",
        type=parse_size_or_native,
        metavar="HxW",
        help="resize frames to this first; native = do not (default: what the run was scored at)",
    )
    group.add_argument(
        "--input-height", type=int, metavar="H", help="as --input-size, proportions kept"
    )
    parser.set_defaults(precision="float32", window=None, stride=None, scales=(1.0,), flip=False)
    if not views:
        return
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16", "auto"),
        default="float32",
        help="number format of the convolutions; auto = bfloat16 where it is native (default: "
        "float32, so that a score does not depend on the machine)",
    )
    group.add_argument("--window", type=parse_size, metavar="HxW", help="slide a window instead")
    group.add_argument(
        "--stride", type=parse_size, metavar="HxW", help="of the window (default: 2/3 of it)"
    )
    group.add_argument(
        "--scales",
        type=parse_scales,
        default=(1.0,),
        metavar="S,S,...",
        help="average the probabilities of the frame at these relative sizes",
    )
    group.add_argument("--flip", action="store_true", help="average with the mirrored frame too")


def inference_options(arguments: argparse.Namespace, config: RunConfig) -> "InferenceOptions":
    """Put the arguments of ``add_inference_arguments`` and a run's config together."""
    from segibn.engine.precision import choose_dtype
    from segibn.predict import InferenceOptions

    dtype = choose_dtype(arguments.precision, device_of(arguments))
    size, height = config.evaluation.input_size, config.evaluation.input_height
    if arguments.input_size is not None or arguments.input_height is not None:
        size, height = arguments.input_size, arguments.input_height
    return InferenceOptions(
        input_size=None if size == NATIVE else size,
        input_height=height,
        window=arguments.window,
        stride=arguments.stride,
        scales=arguments.scales,
        flip=arguments.flip,
        precision=str(dtype).removeprefix("torch."),
    )


def device_of(arguments: argparse.Namespace) -> "torch.device":
    """Return the device that was asked for, or this rank's own.

    Raises:
        ConfigError: the device is unknown or not there.
    """
    import torch

    from segibn import distributed

    if arguments.device is None:
        return distributed.default_device()
    try:
        device = torch.device(arguments.device)
    except RuntimeError:
        raise ConfigError(f"--device {arguments.device}: write cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"--device {arguments.device}: this machine has {torch.cuda.device_count()} CUDA "
            "devices; use --device cpu"
        )
    return device


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
