"""``appearance``: trained networks on one labelled set that looks otherwise each time."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import (
    add_datasets_argument,
    datasets_root,
    parse_labelled_set,
    require_runs,
)
from segibn.cli.inference import (
    add_inference_arguments,
    device_of,
    inference_options,
    refuse_ensemble,
)
from segibn.cli.parser import print_then, verb_parser
from segibn.errors import ConfigError
from segibn.text import did_you_mean, printable

if TYPE_CHECKING:
    from segibn.config.data import DatasetConfig
    from segibn.data.frames import Frames
    from segibn.engine.scoring import Preparation
    from segibn.runs.trained import TrainedRun

EXAMPLE = """\
examples:
  segibn appearance runs/none runs/a runs/b --on cityscapes:val --output out
  segibn appearance runs/a --transforms RGB+50 fog night --level 5 --output out

changes: RGB+50, R+50, contrast-x1.5 (the paper's, on the network's input, nothing clipped); fog,
night, rain, motion-blur, noise, jpeg (on the frame's pixels, the same for each frame's name).
writes appearance.json (a list of rows, scores as fractions), appearance.md, appearance.png (drops),
appearance.jpg (one frame under every change) and conditions.json
"""

JSON_FILE, MARKDOWN_FILE = "appearance.json", "appearance.md"
PLOT_FILE, PICTURE_FILE, CONDITIONS_FILE = "appearance.png", "appearance.jpg", "conditions.json"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "appearance", "Score networks on frames that look otherwise (IBN-Net, table 1).", EXAMPLE
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument(
        "--on",
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="labelled set (default: the data.val of the first run)",
    )
    add_datasets_argument(parser)
    parser.add_argument(
        "--transforms", nargs="+", metavar="NAME", help="changes of appearance (default: all)"
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=(1, 2, 3, 4, 5),
        help="strength of weather, blur, noise and compression: 1 light, 5 heavy (default: 3)",
    )
    parser.add_argument("--seed", type=int, help="of drops, noise and angles (default: 0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files")
    add_inference_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; runs on every rank of a torchrun launch, the first one prints and writes."""
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.charts.style import pixels
    from segibn.files import write_image, write_json, write_text

    on = None if arguments.on is None else parse_labelled_set(arguments.on)

    from segibn import distributed
    from segibn.cli.scoring import circumstances
    from segibn.evaluation.appearance import format_appearance
    from segibn.runs.loading import load_checkpoint

    changes = _changes(arguments)
    refuse_ensemble(arguments)
    label, dataset = on or _own_set(load_checkpoint(arguments.runs[0]))
    root, device = datasets_root(arguments.datasets), device_of(arguments)
    frames = _check_runs(arguments.runs, dataset, root)
    rows: list[dict[str, Any]] = []
    with distributed.process_group(device):
        for path in arguments.runs:
            run = load_checkpoint(path)
            options = inference_options(arguments, run.options)
            rows += [_row(run, change, label, dataset, arguments) for change in changes]
    if not distributed.is_main():
        return 0
    table = format_appearance(rows)
    print(table)
    if arguments.output:
        conditions = circumstances(device, options) | {"seed": arguments.seed}
        conditions["frames"] = {label: [sample.name for sample in frames.samples]}
        write_json(arguments.output / JSON_FILE, rows)
        write_json(arguments.output / CONDITIONS_FILE, conditions)
        write_text(arguments.output / MARKDOWN_FILE, table)
        write_image(arguments.output / PLOT_FILE, pixels(_plot(rows, label)))
        write_image(arguments.output / PICTURE_FILE, _sheet(run, dataset, changes, arguments))
        print(f"files: {arguments.output}")
        print_then(f"look at {arguments.output / PLOT_FILE}")
    return 0


def _changes(arguments: argparse.Namespace) -> list[str]:
    """The changes that were asked for, frames as they are first; fills in level and seed.

    Raises:
        ConfigError: one is unknown, or none has a level and a seed though they were given.
    """
    from segibn.analysis.appearance import DRIVING, ORIGINAL, TRANSFORMS

    given = arguments.transforms
    for name in given or ():
        if name not in TRANSFORMS:
            hint = did_you_mean(name, TRANSFORMS) or f": there are {', '.join(TRANSFORMS[1:])}"
            raise ConfigError(f"--transforms {printable(name)}{hint}")
    for option, default in (("level", 3), ("seed", 0)):
        if getattr(arguments, option) is None:
            setattr(arguments, option, default)
        elif given and not set(DRIVING).intersection(given):
            raise ConfigError(f"--{option} has no effect on {', '.join(given)}")
    return [name for name in TRANSFORMS if name == ORIGINAL or not given or name in given]


def _check_runs(paths: Sequence[str], dataset: "DatasetConfig", root: Path) -> "Frames":
    """Refuse before any work what cannot be compared; returns the frames of the set.

    Raises:
        ConfigError: a run is given twice or does not know the set's classes.
    """
    from segibn.cli.scoring import frames_of
    from segibn.runs.loading import load_checkpoint

    seen: dict[tuple[Any, ...], str] = {}
    for path in paths:
        run = load_checkpoint(path)
        frames, record = frames_of(run, dataset, root), run.record()
        identity = tuple(record[key] for key in ("train", "network", "ibn", "seed"))
        if identity in seen:
            raise ConfigError(f"{seen[identity]} and {path} are the same kind of run; give one")
        seen[identity] = path
    return frames


def _own_set(run: "TrainedRun") -> "tuple[str, DatasetConfig]":
    from segibn.engine.scoring import set_name

    own = run.config.data.val
    if own is None:
        raise ConfigError(f"{run.checkpoint} was trained without data.val; say --on NAME:SPLIT")
    return set_name(own), own


def _row(
    run: "TrainedRun",
    change: str,
    label: str,
    dataset: "DatasetConfig",
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Score one run under one change; on every rank."""
    from segibn.analysis.appearance import DRIVING, PAPER
    from segibn.cli.scoring import score_run

    shift = PAPER[change].on(run.module) if change in PAPER else nullcontext()
    with shift:
        scores = score_run(
            run,
            dataset,
            datasets_root(arguments.datasets),
            device=device_of(arguments),
            options=inference_options(arguments, run.options),
            prepare=_preparation(change, arguments),
        )
    found = scores.to_dict()
    row = {"transform": change, "level": arguments.level if change in DRIVING else None}
    row |= run.record() | {"test": label}
    kept = ("miou", "pixel_accuracy", "signature", "num_images", "version", "iou", "class_names")
    return row | {key: found[key] for key in (*kept, "confusion")}


def _preparation(change: str, arguments: argparse.Namespace) -> "Preparation | None":
    """What happens to frames before they are scored, and what the signature says of it."""
    from segibn.analysis.appearance import DRIVING, PAPER, corrupt
    from segibn.engine.scoring import Preparation

    if change in PAPER:  # the network's input is changed, not the frame
        return Preparation(change, lambda _, image, target: (image, target))
    if change not in DRIVING:
        return None
    level, seed = arguments.level, arguments.seed
    return Preparation(
        f"{change}{level}",
        lambda name, image, target: (corrupt(change, name, image, level=level, seed=seed), target),
    )


def _plot(rows: Sequence[Mapping[str, Any]], label: str) -> Any:
    from segibn.charts.bars import bar_chart
    from segibn.evaluation.appearance import ORIGINAL, group_appearance
    from segibn.evaluation.rows import network_titles

    cells = group_appearance(rows)
    titles = network_titles(cells)
    names = [name for name in dict.fromkeys(row["transform"] for row in rows) if name != ORIGINAL]
    bars = {
        titles[network]: [
            (100 * found[name].mean_drop, 100 * found[name].drop_spread) for name in names
        ]
        for network, found in cells.items()
    }
    return bar_chart(bars, names, f"points of mIoU lost on {label}")


def _sheet(
    run: "TrainedRun",
    dataset: "DatasetConfig",
    changes: Sequence[str],
    arguments: argparse.Namespace,
) -> Any:
    """One frame of the set under every change."""
    from segibn.cli.pictures import appearance_sheet
    from segibn.cli.scoring import frames_of
    from segibn.files import read_image

    samples = frames_of(run, dataset, datasets_root(arguments.datasets)).samples
    sample = samples[len(samples) // 2]
    mean = run.module.pixel_mean.flatten().cpu().numpy()
    image = read_image(sample.image)
    return appearance_sheet(sample.name, image, changes, mean, arguments.level, arguments.seed)
