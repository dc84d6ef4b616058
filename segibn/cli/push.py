"""``push``: a run to the Hugging Face hub, or to a folder that loads the same way."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import require_runs
from segibn.cli.card import CARD_FIELDS, add_card_fields
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.errors import ConfigError

EXAMPLE = """\
examples:
  segibn push runs/gta5_ibn me/gta5-ibn --licence "CC BY-NC 4.0"
  segibn push runs/own --to-folder own_network
  segibn predict --model hf:me/gta5-ibn my_frames

Sent are segibn.safetensors (16 bits), config.yaml and README.md, the model card with the YAML by
which the hub finds it. State the licence: data for research only makes a network for research only.
"""


@verb_parser("push", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="run folder, .pt file, or name of a run")
    add("repository", nargs="?", metavar="USER/NAME", help="on the hub; made if need be")
    add("--to-folder", type=Path, metavar="DIR", help="write the files there, and send nothing")
    add("--private", action="store_true", help="a new repository is seen by you alone")
    add("--full", action="store_true", help="weights in 32 bits")
    parser.excludes("--to-folder", "--private")
    add_card_fields(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    run, repository, folder = arguments.run, arguments.repository, arguments.to_folder
    if (repository is None) == (folder is None):
        raise ConfigError("say where to: USER/NAME on the hub, or --to-folder DIR")
    require_runs([run])
    given = {name: value for name in CARD_FIELDS if (value := getattr(arguments, name))}

    from segibn.runs.hub import push, save_pretrained

    if folder is not None:
        unstated = save_pretrained(run, folder, given, half=not arguments.full)
        print(f"{folder}; not stated in its card: {', '.join(unstated) or 'nothing'}")
        print_then(f"segibn predict --model hf:{folder} FRAMES")
        return 0
    address = push(run, repository, given, private=arguments.private, half=not arguments.full)
    print(f"sent: {address}")
    print_then(f"segibn predict --model hf:{repository} FRAMES")
    return 0
