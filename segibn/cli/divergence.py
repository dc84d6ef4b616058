"""``divergence``: how far apart two domains lie in the features of trained networks."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import add_datasets_argument, datasets_root, parse_evaluation_set
from segibn.cli.inference import add_inference_arguments, device_of, inference_options
from segibn.config.schema import DatasetConfig
from segibn.errors import ConfigError
from segibn.files import write_json

if TYPE_CHECKING:
    import numpy as np

    from segibn.analysis.divergence import Divergence, Moments
    from segibn.cli.scoring import TrainedRun

EXAMPLE = """\
example:
  python tools/divergence.py runs/none runs/a runs/b --between gta5:val cityscapes:val \\
      --output divergence.json --plot divergence.png
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="divergence.py",
        description="Feature divergence between two domains, layer by layer (IBN-Net, fig. 5).",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--between",
        nargs=2,
        required=True,
        metavar="NAME:SPLIT[@NAMES_FILE]",
        help="the two domains; labels are not needed",
    )
    add_datasets_argument(parser)
    parser.add_argument(
        "--frames", type=int, default=500, metavar="N", help="of each domain, at most (500)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write the numbers to it")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw them")
    add_inference_arguments(parser, views=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    sets = [parse_evaluation_set(text) for text in arguments.between]
    if arguments.frames < 2:
        raise ConfigError("--frames: a domain needs at least two frames to have a variance")

    from segibn import provenance
    from segibn.analysis.divergence import compute_divergence, format_table
    from segibn.cli.scoring import load_run

    found: dict[str, Divergence] = {}
    for path in arguments.runs:
        run = load_run(path)
        a, b = (_moments(run, dataset, arguments) for dataset in sets)
        backbone = run.config.model.backbone
        title = f"{backbone.name} {backbone.ibn}"
        if title in found:
            title += f" seed {run.config.seed}"
        found[title] = compute_divergence(a, b)
    print(format_table(found))
    if arguments.output:
        content = {
            "between": arguments.between,
            "divergence": {t: dict(zip(d.names, d.values, strict=True)) for t, d in found.items()},
            "command": provenance.command_line(),
            "git_revision": provenance.git_revision(),
            "versions": provenance.versions(),
        }
        write_json(arguments.output, content)
    if arguments.plot:
        _plot(found, arguments)
    return 0


def _moments(
    run: "TrainedRun", dataset: DatasetConfig, arguments: argparse.Namespace
) -> "dict[str, Moments]":
    """Moments of one domain's frames, evenly spread over the set, with progress."""
    from segibn.analysis.divergence import collect_moments
    from segibn.cli.pictures import spread
    from segibn.cli.progress import FrameProgress
    from segibn.data.build import index_dataset
    from segibn.engine.scoring import set_name
    from segibn.predict import read_ahead

    samples = index_dataset(dataset, datasets_root(arguments.datasets))
    paths = spread([sample.image for sample in samples], arguments.frames)
    title = f"{run.config.name} on {set_name(dataset)}"
    options = inference_options(arguments, run.config)
    segmenter = run.segmenter.to(device_of(arguments))
    with FrameProgress(title, len(paths)) as progress:
        images = _counted((image for _, image in read_ahead(paths)), progress)
        return collect_moments(segmenter, images, options)


def _counted(
    images: "Iterable[np.ndarray]", progress: Callable[[int], None]
) -> "Iterator[np.ndarray]":
    for done, image in enumerate(images, start=1):
        yield image
        progress(done)


def _plot(found: "Mapping[str, Divergence]", arguments: argparse.Namespace) -> None:
    from segibn.analysis.plot import draw_curves
    from segibn.files import write_image

    curves = {title: divergence.values for title, divergence in found.items()}
    names = next(iter(found.values())).names
    title = f"feature divergence, {arguments.between[0]} against {arguments.between[1]}"
    write_image(arguments.plot, draw_curves(curves, names, title))
    print(f"plot: {arguments.plot}")
