"""``train``: one config -> one run folder."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from segibn.cli.arguments import add_datasets_argument, datasets_root, datasets_words, print_predict
from segibn.cli.parser import VerbParser, is_first_rank, print_next, print_then, verb_parser
from segibn.runs.find import find_checkpoint
from segibn.text.streams import outliving_readers

EXAMPLE = """\
example:
  segibn train gta5_ibn --datasets /data optim.lr=0.02
  segibn train gta5_ibn --datasets /data --dry-run
  segibn train gta5_ibn --datasets /data --find-lr 1
  torchrun --standalone --nproc_per_node=8 -m segibn train gta5_ibn --datasets /data

exit codes: 0 trained; 2 a mistake in config, data or files; 3 another process of the run was lost;
129, 130 or 143 stopped by SIGHUP, Ctrl-C or SIGTERM after saving (resume with --resume auto)
"""


@verb_parser("train", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("config", type=Path, help="YAML file, or a shipped config's name: gta5_ibn")
    add("overrides", nargs="*", default=[], metavar="key=value", help="config values to replace")
    add_datasets_argument(parser)
    add("--output", type=Path, metavar="DIR", help="run folder (runs/<name>)")
    add("--resume", metavar="auto|FILE", help="from the run's last checkpoint, or from a file")
    about = "check config, data and weights, try one update, and say what the run would take"
    add("--dry-run", action="store_true", help=about)
    about = "learning-rate range test: 100 updates whose rate rises to HIGHEST, such as 1, then a suggestion"
    add("--find-lr", type=parse_rate, metavar="HIGHEST", help=about)
    parser.excludes("--find-lr", "--resume", "--dry-run")


def parse_rate(text: str) -> float:
    """Read a learning rate above 0."""
    with suppress(ValueError):
        if 0 < (rate := float(text)) < 1e6:
            return rate
    raise argparse.ArgumentTypeError(f"'{text}' is no learning rate; write one such as 1")


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn.config.load import load_config
    from segibn.runs.sets import frames_folder

    config = load_config(arguments.config, arguments.overrides)
    resume: str | None = arguments.resume
    if resume not in (None, "auto"):
        resume = str(find_checkpoint(resume))
    root = datasets_root(arguments.datasets)
    output = arguments.output or Path("runs") / config.name
    if arguments.dry_run:
        from segibn.runs.dry_run import try_out

        report = try_out(config, root, output, resume, shutil.get_terminal_size().columns)
        if is_first_rank():
            print(report)
        return 0

    if arguments.find_lr is not None:
        from segibn.runs.lr_range import range_test

        output = arguments.output or Path("runs") / f"{config.name}_lr_range"
        found = range_test(config, root, output, arguments.find_lr, updates=100)
        print(f"suggested: optim.lr={found.suggested:.1e} (the loss falls fastest there)")
        words = [arguments.config, *arguments.overrides, f"optim.lr={found.suggested:.1e}"]
        print_next("train", *words, *datasets_words(arguments.datasets))
        return 0

    from segibn.engine.train import train  # torch only after the config is known to be right

    result = train(config, datasets_root=root, output=output, resume=resume)
    if result.stopped_by is not None:
        name = signal.Signals(result.stopped_by).name
        print(f"stopped by {name} after {result.iteration} iterations: {result.checkpoint}")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            print_then("the same command with --resume auto")
        else:
            words = sys.argv[1:] if argv is None else argv
            print_next("train", *words, *(() if resume == "auto" else ("--resume", "auto")))
        return 128 + result.stopped_by
    if is_first_rank():
        print(f"trained: {result.checkpoint}")
        if config.data.val is not None:
            print_next("evaluate", output, *datasets_words(arguments.datasets))
        else:  # nothing to score it on
            print_predict(output, frames_folder(config, root))
    return 0
