"""``card``: a run and its scores -> a model card in Markdown, with nothing in it made up."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import datasets_words, require_runs
from segibn.cli.parser import VerbParser, command_text, print_next, print_then, verb_parser
from segibn.runs.find import datasets_of, find_checkpoint, run_of
from segibn.text import counted

EXAMPLE = """\
examples:
  segibn card runs/gta5_ibn --output MODEL_CARD.md
  segibn card runs/gta5_ibn --scores cityscapes.json bdd100k.json --output MODEL_CARD.md \\
      --intended-use "Research on domain generalisation." --licence "CC BY-NC 4.0"

Without --scores the card shows the scores of the run folder (its held-out frames). What neither the
run nor an option states, the card calls "not stated". It begins with the YAML by which the Hugging
Face hub finds it.
"""
CARD_FIELDS = ("description", "intended_use", "limits", "licence", "citation")


def add_card_fields(parser: VerbParser) -> None:
    """Add what a person says of a network in its card."""
    add = parser.add_argument
    add("--description", default="", metavar="TEXT", help="a sentence or two")
    add("--intended-use", default="", metavar="TEXT")
    add("--limits", default="", metavar="TEXT", help="beside what scores show")
    add("--licence", default="", metavar="TEXT", help="of these weights")
    add("--citation", default="", metavar="TEXT", help="of this network")


@verb_parser("card", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="run folder, .pt file, or name of a run")
    about = "run that an exported file came from: its record says on which machine, by which command"
    add("--trained-by", metavar="RUN", help=about)
    about = "of `segibn evaluate --output`, or a cross_domain.json (default: RUN/scores/*.json)"
    add("--scores", type=Path, nargs="+", metavar="FILE.json", help=about)
    add("--output", type=Path, required=True, metavar="FILE.md")
    add_card_fields(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    trained_by = arguments.trained_by
    require_runs([arguments.run, *([trained_by] if trained_by else [])])

    from segibn.runs.card import write_card
    from segibn.runs.loading import load_checkpoint

    run = load_checkpoint(arguments.run)
    given = {name: value for name in CARD_FIELDS if (value := getattr(arguments, name))}
    record = run_of(find_checkpoint(trained_by)) if trained_by else None
    scores, unstated = write_card(run, arguments.output, arguments.scores, given, record)
    print(f"{arguments.output}: {counted(len(scores), 'score')}; not stated: {', '.join(unstated) or 'nothing'}")
    score = ("evaluate", arguments.run, "--output", "scores.json")
    own = datasets_of(run_of(run.checkpoint)) if run.config and run.config.data.val else None
    if scores:
        print_next("export", arguments.run, "--output", "model.safetensors")
    elif own is not None:  # these data sets have its own frames
        print_next(*score, *datasets_words(None, own))
    else:
        print_then(f"{command_text(*score)} --dataset NAME --datasets DIR, then --scores here")
    return 0
