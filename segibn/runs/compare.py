"""Scores files of runs on the same frames -> what differs, and how surely. No torch."""

from collections.abc import Sequence
from pathlib import Path

from segibn import provenance
from segibn.errors import SegibnError
from segibn.evaluation.resampling import Resampling
from segibn.evaluation.run_comparison import Comparison, NamedScores, compare_runs
from segibn.evaluation.scores import Scores
from segibn.files.encode import write_image
from segibn.files.writing import read_json, write_json
from segibn.text import counted, printable


def compare_files(paths: Sequence[Path], how: Resampling, output: Path | None, **allowed: bool) -> list[Comparison]:
    """Compare the first scores file with each of the others, as ``compare_runs`` is ``allowed``."""
    reference, *others = _load_scores(paths)
    found = [compare_runs(reference, other, how, **allowed) for other in others]
    if output is not None:
        write_json(output, {"comparisons": [one.to_dict() for one in found], **provenance.origin()})
    return found


def _load_scores(paths: Sequence[Path]) -> list[NamedScores]:
    """Read scores files; called by their names, or by their paths where names repeat."""
    is_clear = len({path.stem for path in paths}) == len(paths)
    loaded = []
    for path in paths:
        if path.is_dir() or not path.suffix:  # a run, or its name
            name = printable(path)
            raise SegibnError(f"{name} is no scores file; make one: segibn evaluate {name} --output {path.name}.json")
        data = read_json(path)
        if not isinstance(data, dict) or "classScores" in data:
            raise SegibnError(
                f"{printable(path)} is no scores file of one run with its frames; segibn evaluate "
                "--output and segibn score semseg --json write one"
            )
        loaded.append(NamedScores(printable(path.stem if is_clear else path), Scores.from_dict(data, str(path))))
    return loaded


def plot_comparisons(path: Path, found: Sequence[Comparison]) -> None:
    """Draw every class and the mean, one colour for each run against the reference."""
    from segibn.charts.differences import Difference, difference_chart  # matplotlib is slow to load
    from segibn.charts.style import pixels

    first = found[0]
    rows = [row.name for row in (*first.classes, first.mean)]
    bars = {
        one.verdict: [
            Difference(100 * r.difference, 100 * r.low, 100 * r.high, r.is_shown(one.how.level))
            for r in (*one.classes, one.mean)
        ]
        for one in found
    }
    frames = counted(first.num_frames, "frame")
    title = f"IoU against {first.a.title}, {frames}, {100 * first.how.level:g} % intervals"
    unit = "difference in points of IoU (filled: interval and test agree that there is one)"
    warnings = dict.fromkeys(text for comparison in found for text in comparison.warnings)
    write_image(path, pixels(difference_chart(bars, rows, title, unit, list(warnings))))
