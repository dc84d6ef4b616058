"""``divergence``: how far apart two domains lie in the features of trained networks."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import (
    add_datasets_argument,
    datasets_root,
    parse_labelled_set,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments, device_of, inference_options
from segibn.cli.parser import print_then, verb_parser
from segibn.errors import ConfigError
from segibn.text import counted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from segibn.analysis.divergence import Moments
    from segibn.data.samples import SamplePaths
    from segibn.runs.trained import TrainedRun

EXAMPLE = """\
examples:
  segibn divergence runs/none runs/a runs/b --domains gta5:val cityscapes:val \\
      --output out
  torchrun --nproc_per_node=4 -m segibn divergence runs/a --domains \\
      day=bdd100k_drivable:val@day.txt night=bdd100k_drivable:val@night.txt --output out

writes feature_divergence.json (a row for each run; conditions; names of all frames),
feature_divergence.md and feature_divergence.png. Seeds of one network become mean and spread.
"""

JSON_FILE, MARKDOWN_FILE, PLOT_FILE = (
    "feature_divergence.json",
    "feature_divergence.md",
    "feature_divergence.png",
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "divergence",
        "Feature divergence between two domains after every block (IBN-Net, figures 2 and 5).",
        EXAMPLE,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--domains",
        nargs=2,
        required=True,
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="the two domains; labels of pixels are not needed",
    )
    add_datasets_argument(parser)
    parser.add_argument(
        "--frames", type=int, default=500, metavar="N", help="of each domain, at most (500)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser, views=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)

    from segibn.charts.style import pixels
    from segibn.files import write_image, write_json, write_text

    pair = [parse_labelled_set(text) for text in arguments.domains]
    if arguments.frames < 2:
        raise ConfigError("--frames: a domain needs at least two frames to have a variance")
    labels = [label for label, _ in pair]
    if labels[0] == labels[1] and pair[0][1] != pair[1][1]:
        raise ConfigError(f"--domains: both are called {labels[0]}; write another LABEL=")
    require_runs(arguments.runs)

    from segibn import distributed
    from segibn.builders.sets import index_dataset
    from segibn.cli.pictures import spread
    from segibn.cli.scoring import circumstances
    from segibn.evaluation.feature_divergence import format_divergence
    from segibn.inference.options import InferenceOptions

    root = datasets_root(arguments.datasets)
    samples = [spread(index_dataset(dataset, root), arguments.frames) for _, dataset in pair]
    _check_frames(dict(zip(labels, samples, strict=True)))
    device = device_of(arguments)
    with distributed.process_group(device):
        rows = [_row(path, labels, samples, arguments) for path in arguments.runs]
    if not distributed.is_main():
        return 0
    table = format_divergence(rows)
    print(table)
    if arguments.output:
        names = ([sample.name for sample in part] for part in samples)
        frames = {"frames": dict(zip(labels, names, strict=True))}
        conditions = circumstances(device, InferenceOptions()) | frames
        write_json(arguments.output / JSON_FILE, {"rows": rows, "conditions": conditions})
        write_text(arguments.output / MARKDOWN_FILE, table)
        write_image(arguments.output / PLOT_FILE, pixels(_plot(rows)))
        print(f"files: {arguments.output}")
        print_then(f"look at {arguments.output / PLOT_FILE}")
    return 0


def _check_frames(samples: "Mapping[str, Sequence[SamplePaths]]") -> None:
    """Refuse domains too small to have a variance, or to give every process a frame."""
    from segibn import distributed

    wanted = max(2, distributed.rank_and_world()[1])
    for label, part in samples.items():
        if len(part) < wanted:
            raise ConfigError(
                f"--domains: {label} has {counted(len(part), 'frame')}; a variance needs two, and "
                f"every process one: {wanted}"
            )


def _row(
    path: str,
    labels: Sequence[str],
    samples: "Sequence[Sequence[SamplePaths]]",
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Measure one run; on every rank."""
    from segibn.analysis.divergence import compute_divergence
    from segibn.runs.loading import load_checkpoint

    run = load_checkpoint(path)
    a, b = (
        _moments(run, label, part, arguments) for label, part in zip(labels, samples, strict=True)
    )
    found = compute_divergence(a, b)
    options = inference_options(arguments, run.options)
    size = options.input_size and list(options.input_size)
    return run.record() | {
        "domains": list(labels),
        "num_images": [len(part) for part in samples],
        "input_size": size,
        "input_height": options.input_height,
        "divergence": dict(zip(found.names, found.values, strict=True)),
    }


def _moments(
    run: "TrainedRun",
    label: str,
    samples: "Sequence[SamplePaths]",
    arguments: argparse.Namespace,
) -> "dict[str, Moments]":
    """Moments of one domain's frames over all ranks, with progress."""
    import torch

    from segibn import distributed
    from segibn.analysis.divergence import collect_moments
    from segibn.engine.scoring import require_upright
    from segibn.files import read_image
    from segibn.files.pool import map_in_threads
    from segibn.text.progress import FrameProgress

    rank, world = distributed.rank_and_world()
    mine = [sample.image for sample in samples[rank::world]]
    title = f"{run.config.name} (seed {run.config.seed}) on {label}"
    options = inference_options(arguments, run.options)
    require_upright(options, samples, label)
    segmenter = run.module.to(device_of(arguments), memory_format=torch.contiguous_format)
    with FrameProgress(title, len(mine), enabled=distributed.is_main()) as progress:
        images = _counted((image for _, image in map_in_threads(read_image, mine, 4, 4)), progress)
        return collect_moments(segmenter, images, options, gather=distributed.gather_floats)


def _counted(
    images: "Iterable[np.ndarray]", progress: Callable[[int], None]
) -> "Iterator[np.ndarray]":
    for done, image in enumerate(images, start=1):
        yield image
        progress(done)


def _plot(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    from segibn.charts.lines import Line, line_chart
    from segibn.evaluation.feature_divergence import group_divergence
    from segibn.evaluation.rows import mean_and_deviation, network_titles

    curves = group_divergence(rows)
    titles = network_titles(curves)
    lines = []
    for network, features in curves.items():
        points = [mean_and_deviation(values) for values in features.values()]
        means, deviations = zip(*points, strict=True)
        lines.append(Line(titles[network], means, spread=deviations))
    names = [name.removeprefix("layer") for name in max(curves.values(), key=len)]
    title = "feature divergence, {} against {}".format(*rows[0]["domains"])
    return line_chart(lines, title, dict(enumerate(names)))
