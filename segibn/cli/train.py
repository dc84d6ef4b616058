"""``train``: one config -> one run folder."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import (
    add_datasets_argument,
    add_overrides_argument,
    datasets_root,
    datasets_words,
    frames_words,
)
from segibn.cli.parser import print_next, print_predict, print_then, verb_parser
from segibn.text.streams import outliving_readers

EXAMPLE = """\
example:
  segibn train gta5_ibn --datasets /data optim.lr=0.02
  segibn train gta5_ibn --datasets /data --dry-run
  torchrun --standalone --nproc_per_node=8 -m segibn train gta5_ibn --datasets /data

exit codes: 0 trained; 2 a mistake in config, data or files; 3 another process of the run was lost;
129, 130 or 143 stopped by SIGHUP, Ctrl-C or SIGTERM after saving (go on with --resume auto)
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("train", "Train a segmentation network as a config says.", EXAMPLE)
    parser.add_argument("config", type=Path, help="YAML file, or a shipped config's name: gta5_ibn")
    add_overrides_argument(parser)
    add_datasets_argument(parser)
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder (runs/<name>)")
    parser.add_argument(
        "--resume", metavar="auto|FILE", help="go on from the run's last checkpoint, or from a file"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check config, data and weights, try one update, and say what the run would take",
    )
    return parser


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; see ``EXAMPLE`` for what it returns."""
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn.config.load import load_config
    from segibn.runs.find import find_checkpoint

    config = load_config(arguments.config, arguments.overrides)
    if arguments.resume not in (None, "auto"):
        arguments.resume = str(find_checkpoint(arguments.resume))
    given = {
        "datasets_root": datasets_root(arguments.datasets),
        "output": arguments.output or Path("runs") / config.name,
        "resume": arguments.resume,
    }
    if arguments.dry_run:
        from segibn.cli.dry_run import try_out

        return try_out(config, **given)

    from segibn import distributed
    from segibn.engine.train import train  # torch only after the config is known to be right

    result = train(config, **given)
    if result.stopped_by is not None:
        name = signal.Signals(result.stopped_by).name
        print(f"stopped by {name} after {result.iteration} iterations: {result.checkpoint}")
        if distributed.rank_and_world()[1] > 1:
            print_then("the same command with --resume auto")
        else:
            words = sys.argv[1:] if argv is None else argv
            print_next("train", *words, "--resume", "auto")
        return 128 + result.stopped_by
    if distributed.is_main():
        print(f"trained: {result.checkpoint}")
        if config.data.val is not None:
            print_next("evaluate", given["output"], *datasets_words(arguments))
        else:  # nothing to score it on: look at what it sees
            print_predict(given["output"], frames_words(config, given["datasets_root"]))
    return 0
