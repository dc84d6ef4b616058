"""Scores files of runs on the same frames -> what differs, and how surely. No torch."""

from collections.abc import Sequence
from pathlib import Path

from segibn import provenance
from segibn.errors import SegibnError
from segibn.evaluation.resampling import Resampling
from segibn.evaluation.run_comparison import Comparison, NamedScores, compare_runs
from segibn.evaluation.scores import Scores
from segibn.files import read_json, write_image, write_json
from segibn.text import counted, printable


def compare_files(
    paths: Sequence[Path], how: Resampling, *, common_frames: bool, any_conditions: bool
) -> list[Comparison]:
    """Compare the first scores file with each of the others, see ``compare_runs``."""
    reference, *others = load_scores(paths)
    return [
        compare_runs(
            reference, other, how, common_frames=common_frames, any_conditions=any_conditions
        )
        for other in others
    ]


def write_comparisons(path: Path, found: Sequence[Comparison]) -> None:
    """Write comparisons and where they come from as JSON."""
    content = {
        "comparisons": [comparison.to_dict() for comparison in found],
        "command": provenance.command_line(),
        "git_revision": provenance.git_revision(),
        "versions": provenance.versions(),
    }
    write_json(path, content)


def load_scores(paths: Sequence[Path]) -> list[NamedScores]:
    """Read scores files; called by their names, or by their paths where names repeat.

    Raises:
        SegibnError: one is no scores file of a run with its frames; says how to make one.
    """
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


def plot_comparisons(path: Path, found: Sequence[Comparison]) -> None:
    """Draw every class and the mean, one colour for each run against the reference."""
    from segibn.charts.differences import Difference, difference_chart  # matplotlib is slow to load
    from segibn.charts.style import pixels

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
    chart = difference_chart(bars, rows, f"{title} intervals", unit, list(warnings))
    write_image(path, pixels(chart))
