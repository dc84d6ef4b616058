"""``compare-inference``: trained networks x ways to show them a frame -> a table of scores."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import SET, datasets_root, require_runs
from segibn.cli.inference import add_comparison_arguments, inference_config
from segibn.cli.parser import VerbParser, command_text, print_results, print_then, verb_parser
from segibn.errors import ConfigError

EXAMPLE = """\
example, after `make demo`: whole frames against sliding windows
  segibn compare-inference runs/demo/runs/sample_none_seed0 \\
      runs/demo/runs/sample_ibn_seed0 --datasets runs/demo/data_seed0 \\
      --on gta5:val cityscapes:val --recipes inference/whole \\
      inference/sample_slide --output out

writes inference.json (a list of rows, scores as fractions), inference.md and conditions.json
"""


@verb_parser("compare-inference", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--on", nargs="+", required=True, metavar=SET, help="sets to score on; LABEL names them in the table")
    about = "the ways, the first one as what the others are compared with"
    add("--recipes", nargs="+", type=Path, required=True, metavar="FILE", help=about)
    add_comparison_arguments(parser, views=False)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.runs.sets import parse_labelled_sets

    sets = parse_labelled_sets(arguments.on)
    ways = {path.stem: inference_config(arguments, recipe=path, alone=True) for path in arguments.recipes}
    if len(ways) < len(arguments.recipes):
        raise ConfigError("--recipes: two have one name; the table needs two names")
    root = datasets_root(arguments.datasets)

    from segibn.runs.cross_domain import Scoring, compare_inference
    from segibn.runs.loading import load_checkpoint

    scoring = Scoring(sets, root, device=arguments.device)
    table, best = compare_inference(map(load_checkpoint, arguments.runs), scoring, ways, arguments.output)
    print_results(table, arguments.output)
    recipe = next(path for path in arguments.recipes if path.stem == best)
    command = command_text("predict", arguments.runs[0], "FRAMES", "--recipe", recipe)
    print_then(f"frames of your own in the best of these ways: {command}")
    return 0
