"""``compare``: scores files of runs on the same frames -> what differs, and how surely."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.cli.parser import print_next, verb_parser
from segibn.errors import SegibnError
from segibn.text import counted, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from segibn.evaluation.run_comparison import Comparison, NamedScores

EXAMPLE = """\
example:
  segibn evaluate runs/none --dataset camvid --output none.json
  segibn evaluate runs/ibn --dataset camvid --output ibn.json
  segibn compare none.json ibn.json --output compared.json --plot compared.png

The first file is the reference of all others. Needs no torch.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    from segibn.evaluation.resampling import Resampling

    how = Resampling()
    parser = verb_parser(
        "compare", "Is run B better than run A? Differences per class with intervals.", EXAMPLE
    )
    parser.add_argument(
        "reference", type=Path, metavar="A.json", help="of segibn evaluate or score"
    )
    parser.add_argument("others", type=Path, nargs="+", metavar="B.json")
    parser.add_argument(
        "--level", type=float, default=how.level, help=f"of the intervals ({how.level})"
    )
    parser.add_argument(
        "--resamples", type=int, default=how.resamples, metavar="N", help=f"({how.resamples})"
    )
    parser.add_argument("--seed", type=int, default=how.seed, help=f"of the draws ({how.seed})")
    parser.add_argument(
        "--common-frames",
        action="store_true",
        help="where the sets of frames differ, compare those that both have",
    )
    parser.add_argument(
        "--any-conditions",
        action="store_true",
        help="compare although the signatures differ; every output says so",
    )
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write the numbers to it")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw them")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn import provenance
    from segibn.charts.style import pixels
    from segibn.evaluation.resampling import Resampling
    from segibn.evaluation.run_comparison import compare_runs, format_comparison
    from segibn.files import write_image, write_json

    how = Resampling(arguments.level, arguments.resamples, arguments.seed)
    reference, *others = _load([arguments.reference, *arguments.others])
    found = [
        compare_runs(
            reference,
            other,
            how,
            common_frames=arguments.common_frames,
            any_conditions=arguments.any_conditions,
        )
        for other in others
    ]
    print("\n\n".join(format_comparison(comparison) for comparison in found))
    if arguments.output:
        content = {
            "comparisons": [comparison.to_dict() for comparison in found],
            "command": provenance.command_line(),
            "git_revision": provenance.git_revision(),
            "versions": provenance.versions(),
        }
        write_json(arguments.output, content)
    if arguments.plot:
        write_image(arguments.plot, pixels(_draw(found)))
        print(f"plot: {arguments.plot}")
    print_next("report", arguments.output or arguments.reference)
    return 0


def _load(paths: Sequence[Path]) -> "list[NamedScores]":
    """Read scores files; called by their names, or by their paths where names repeat."""
    from segibn.evaluation.run_comparison import NamedScores
    from segibn.evaluation.scores import Scores
    from segibn.files import read_json

    stems = [path.stem for path in paths]
    titles = stems if len(set(stems)) == len(stems) else list(map(str, paths))
    titles = list(map(printable, titles))
    loaded = []
    for title, path in zip(titles, paths, strict=True):
        if path.is_dir() or not path.suffix:  # a run, or its name
            name = printable(path)
            raise SegibnError(
                f"{name} is no scores file; make one: segibn evaluate {name} --output "
                f"{path.name}.json"
            )
        data = read_json(path)
        if not isinstance(data, dict) or "classScores" in data:
            raise SegibnError(
                f"{printable(path)} is no scores file of one run with its frames; segibn evaluate "
                "--output and segibn score semseg --json write one"
            )
        loaded.append(NamedScores(title, Scores.from_dict(data, str(path))))
    return loaded


def _draw(found: "Sequence[Comparison]") -> "Figure":
    """Draw every class and the mean, one colour for each run against the reference."""
    from segibn.charts.differences import Difference, difference_chart

    first = found[0]
    rows = [row.name for row in (*first.classes, first.mean)]
    bars = {
        comparison.verdict: [
            Difference(
                100 * row.difference,
                100 * row.low,
                100 * row.high,
                row.is_shown(comparison.how.level),
            )
            for row in (*comparison.classes, comparison.mean)
        ]
        for comparison in found
    }
    frames = counted(first.num_frames, "frame")
    title = f"IoU against {first.a.title}, {frames}, {100 * first.how.level:g} %"
    unit = "difference in points of IoU (filled: interval and test agree that there is one)"
    warnings = dict.fromkeys(text for comparison in found for text in comparison.warnings)
    return difference_chart(bars, rows, f"{title} intervals", unit, list(warnings))
