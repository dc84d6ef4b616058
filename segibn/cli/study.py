"""``study``: several configs x several seeds, trained and scored on the same sets -> one table."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.arguments import (
    add_study_arguments,
    datasets_root,
    datasets_words,
    parse_labelled_sets,
    refuse_set,
)
from segibn.cli.parser import command_text, print_next, print_then, verb_parser
from segibn.errors import SegibnError
from segibn.text.streams import outliving_readers

if TYPE_CHECKING:
    from segibn.config.schema import DatasetConfig, RunConfig

EXAMPLE = """\
example (real frames, three networks, three seeds):
  segibn study real/camera_none real/camera_ibn real/camera_ibn_b \\
      --seeds 0 1 2 --datasets /data --output runs/camera \\
      --on camvid:val cityscapes:val --results results/camera_to_camera

the label of --on names a column, that of --train-label the training domain; where both are the
same, the table takes that column as the network's own domain and gives the others' drop

A finished run is not trained again and a broken-off one goes on, so that the command may be
repeated, and given with fewer configs or seeds to several processes at a time.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser(
        "study", "Train configs with several seeds and score all of them on the same sets.", EXAMPLE
    )
    parser.add_argument(
        "configs", nargs="+", type=Path, help="YAML files, or names of shipped configs"
    )
    parser.add_argument(
        "--on",
        nargs="+",
        default=[],
        metavar="[LABEL=]NAME:SPLIT[@NAMES_FILE]",
        help="sets to score on; without any, the study only trains",
    )
    parser.add_argument(
        "--train-label", metavar="LABEL", help="name of the training domain in the table"
    )
    add_study_arguments(parser)
    parser.needs("--train-label", "--on")
    parser.needs("--results", "--on")
    return parser


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb."""
    arguments = build_parser().parse_args(argv)
    refuse_set(arguments.set, "seed", "--seeds")

    from segibn.config.load import load_config

    root = datasets_root(arguments.datasets)
    sets = parse_labelled_sets(arguments.on)
    configs = [
        load_config(path, [*arguments.set, f"seed={seed}"])
        for path in arguments.configs
        for seed in dict.fromkeys(arguments.seeds)
    ]
    results = arguments.results or arguments.output
    runs = run_study(
        configs,
        sets,
        datasets_root=root,
        output=arguments.output,
        results=results,
        train_label=arguments.train_label,
    )
    if sets:
        print((results / "cross_domain.md").read_text(encoding="utf-8"))
        parts = dict.fromkeys((results, arguments.output))
        print_next("report", *parts, *datasets_words(arguments.datasets))
    else:
        command = command_text("cross-domain", *runs, *datasets_words(arguments.datasets))
        print_then(f"{command} --on SET [SET ...], with sets such as cityscapes:val")
    return 0


def run_study(
    configs: "Sequence[RunConfig]",
    sets: "Mapping[str, DatasetConfig]",
    *,
    datasets_root: Path,
    output: Path,
    results: Path,
    train_label: str | None = None,
    published_note: str = "",
) -> list[Path]:
    """Train each config into ``output/<name>_seed<seed>``, then score all on all sets.

    Args:
        configs: one for each training.
        sets: label -> evaluation set; empty trains only.
        datasets_root: the folder above the data sets.
        output: folder for the run folders.
        results: folder for ``cross_domain.json``, ``cross_domain.md`` and ``conditions.json``.
        train_label: the training domain's name in the table; None = the data set's.
        published_note: a sentence in place of published numbers in the table.

    Returns:
        The run folders.

    Raises:
        SegibnError: a training failed or was stopped.
    """
    runs = [train_once(config, datasets_root, output) for config in configs]
    if sets:
        from segibn.cli.comparison import cross_domain

        cross_domain(
            runs,
            sets,
            datasets_root,
            results,
            train_label=train_label,
            published_note=published_note,
        )
    return runs


def run_folder(config: "RunConfig", output: Path) -> Path:
    """Return where ``train_once`` puts a run."""
    return output / f"{config.name}_seed{config.seed}"


def train_once(config: "RunConfig", datasets_root: Path, output: Path) -> Path:
    """Train a config, go on with what is there of it, or leave it alone if it is finished.

    Returns:
        The run folder, ``<output>/<name>_seed<seed>``.

    Raises:
        SegibnError: the training failed or was stopped.
    """
    from segibn.engine.train import train  # torch only after all configs are known to be right

    run = run_folder(config, output)
    result = train(config, datasets_root=datasets_root, output=run, resume="auto")
    if result.stopped_by is not None:
        raise SegibnError(f"stopped at iteration {result.iteration} of {run}; repeat to go on")
    return run
