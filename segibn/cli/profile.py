"""``profile``: where the time of a training's updates goes, as a table and a trace."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import add_config_arguments, datasets_root, parse_positive
from segibn.cli.parser import VerbParser, is_first_rank, print_then, verb_parser

EXAMPLE = """\
example:
  segibn profile gta5_ibn --datasets /data --steps 10

The folder gets profile.txt and profile.json (the tables), and trace.json.gz: open it in
https://ui.perfetto.dev or chrome://tracing.
"""


@verb_parser("profile", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add_config_arguments(parser)
    add("--steps", type=parse_positive, default=5, metavar="N", help="updates to look at (5)")
    add("--warmup", type=parse_positive, default=3, metavar="N", help="updates before (3)")
    add("--output", type=Path, metavar="DIR", help="folder for the tables (runs/<name>_profile)")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_intermixed_args(argv)

    from segibn.config.load import load_config

    config = load_config(arguments.config, arguments.overrides)
    root = datasets_root(arguments.datasets)
    folder = arguments.output or Path("runs") / f"{config.name}_profile"

    from segibn.runs.profile import TRACE_FILE, profile_run

    text = profile_run(config, root, folder, steps=arguments.steps, warmup=arguments.warmup)
    if is_first_rank():
        print(f"{text}\ntables and trace: {folder}")
        print_then(f"open {folder / TRACE_FILE} in https://ui.perfetto.dev")
    return 0
