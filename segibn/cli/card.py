"""``card``: a run and its scores -> a model card in Markdown, with nothing in it made up."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import datasets_words, require_runs
from segibn.cli.parser import command_text, print_next, print_then, verb_parser
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


_OPTIONS = ("description", "intended_use", "limits", "licence", "citation")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = verb_parser("card", "Write a model card from a run and its scores.", EXAMPLE)
    parser.add_argument("run", metavar="RUN", help="run folder, .pt file, or name of a run")
    parser.add_argument(
        "--scores",
        type=Path,
        nargs="+",
        metavar="FILE.json",
        help="of `segibn evaluate --output`, or a cross_domain.json (default: RUN/scores/*.json)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.md")
    parser.add_argument("--description", default="", metavar="TEXT", help="a sentence or two")
    parser.add_argument("--intended-use", default="", metavar="TEXT")
    parser.add_argument("--limits", default="", metavar="TEXT", help="beside what scores show")
    parser.add_argument("--licence", default="", metavar="TEXT", help="of these weights")
    parser.add_argument("--citation", default="", metavar="TEXT", help="of this network")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)
    require_runs([arguments.run])

    from segibn.cli.card_fields import environment_fields, network_fields, titles, training_fields
    from segibn.extras import is_there
    from segibn.files import read_json, sha256_of, write_text
    from segibn.report.card import field_names, fill
    from segibn.report.card_header import header, slug
    from segibn.report.card_scores import read_scores, score_fields
    from segibn.runs.find import datasets_of, run_of
    from segibn.runs.loading import load_checkpoint

    run = load_checkpoint(arguments.run)
    folder, digest = run_of(run.checkpoint), sha256_of(run.checkpoint)
    files = _own_scores(run.checkpoint) if arguments.scores is None else arguments.scores
    scores = [score for path in files for score in read_scores(path, digest)]
    parameters = sum(parameter.numel() for parameter in run.module.parameters())
    environment = None if folder is None else folder / "environment.json"
    fields = network_fields(run.config, run.class_names, run.palette, parameters)
    fields |= training_fields(run.config)
    fields["checkpoint"] = f"{run.checkpoint.name}, iteration {run.iteration}, SHA-256 {digest}"
    if environment is not None and environment.is_file():
        fields |= environment_fields(read_json(environment))
    fields |= score_fields(scores)
    given = {name: value for name in _OPTIONS if (value := getattr(arguments, name))}
    model = run.config.model
    tags = [slug(model.backbone.network), slug(model.head.name)]
    head = header(run.config.name, arguments.licence, titles(run.config), tags, scores)
    write_text(arguments.output, head + fill(fields | given))
    unstated = [name for name in field_names() if not (fields | given).get(name)]
    count = counted(len(scores), "score")
    print(f"{arguments.output}: {count}; not stated: {', '.join(unstated) or 'nothing'}")
    if scores and is_there("safetensors"):
        print_next("export", arguments.run, "--output", "model.safetensors")
    elif not scores:
        _advise_scoring(arguments, datasets_of(folder) if run.config.data.val else None)
    return 0


def _advise_scoring(arguments: argparse.Namespace, recorded: Path | None) -> None:
    """Say how to score; ``recorded`` are the data sets that have its own frames."""
    words = ("evaluate", arguments.run, "--output", "scores.json")
    if recorded is not None:
        print_next(*words, *datasets_words(None, recorded))
    else:
        print_then(f"{command_text(*words)} --dataset NAME --datasets DIR, then --scores here")


def _own_scores(checkpoint: Path) -> list[Path]:
    """The scores that a training left of its last checkpoint; none for any other."""
    from segibn.runs.find import run_of

    folder = run_of(checkpoint)
    if folder is None or checkpoint.name != "last.pt":
        return []
    return sorted((folder / "scores").glob("*.json"))
