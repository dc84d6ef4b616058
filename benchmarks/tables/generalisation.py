"""Tables of methods of domain generalisation, from `benchmarks/generalisation.py`'s results.

In: ``<shift>.json`` (rows with scores over seeds and intervals over frames) and ``step_time.json``
beside it. Out: the ablation table of a shift. What helps is the subject of `methods`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segibn.errors import SegibnError
from segibn.evaluation.rows import Seeds
from segibn.files.writing import read_json
from segibn.text import markdown_table

KIND = "generalisation"
TIMES_FILE = "step_time.json"
TARGET = "target"
"""Label under which a row has its mean over the targets."""

Content = Mapping[str, Any]
_SELECTION = "What settings were chosen on"


def render_generalisation(path: Path) -> str:
    """Render the tables of a shift as Markdown, what was read once first.

    Args:
        path: ``<shift>.json``.

    Raises:
        SegibnError: the file or a part of it is not of the expected form.
    """
    content, times = read_shift(path), read_times(path)
    lines: list[str] = []
    for part in ("report", "selection"):
        if part in content["parts"]:
            is_report = part == "report"
            intro = f"Read once, {news_of_report(content)}" if is_report else _SELECTION
            lines += ["", f"**{_sentence_case(content['title'])}.** {intro}.", ""]
            lines += _part_lines(content, part, times)
    return "\n".join(lines[1:]) + "\n"


def read_shift(path: Path) -> dict[str, Any]:
    """Read the results of a shift.

    Raises:
        SegibnError: it is no such file, or holds no rows.
    """
    content = read_json(path)
    is_ours = isinstance(content, dict) and content.get("kind") == KIND
    if not is_ours or not content.get("parts"):
        raise SegibnError(f"{path} holds no rows of benchmarks/generalisation.py --results")
    return dict(content)


def read_times(path: Path) -> dict[str, Content]:
    """Return row -> its times, of the shift of a results file; empty where none were measured."""
    file = path.with_name(TIMES_FILE)
    if not file.is_file():
        return {}
    return {time["row"]: time for time in read_json(file) if time["shift"] == path.stem}


def news_of_report(content: Content) -> str:
    """Say what of a report settings were not chosen on: seeds in any case, frames in most."""
    report = content["parts"]["report"]
    chosen = content["parts"].get("selection", {}).get("frames", {})
    if any(set(chosen.get(label, ())) & set(report["frames"][label]) for label in report["targets"]):
        return "with seeds that no setting was chosen with, on the same frames"
    return "with seeds and on frames of the target that no setting was chosen on"


def column_labels(part: Content, source: str) -> list[str]:
    """Source first, then the targets, then their mean where there are several."""
    several = [TARGET] if len(part["targets"]) > 1 else []
    return [source, *part["targets"], *several]


def target_label(part: Content) -> str | None:
    """Label of the row's score on the target, or its mean over the targets; None without."""
    if not part["targets"]:
        return None
    return TARGET if len(part["targets"]) > 1 else str(part["targets"][0])


def percent_with_interval(score: Content) -> str:
    """Format "45.2±1.0 [43.1, 47.0]"."""
    low, high = (100 * bound for bound in score["interval"])
    return f"{Seeds(score['miou']).text()} [{low:.1f}, {high:.1f}]"


def points_with_interval(difference: Content | None) -> str:
    """Format "+8.1 [+5.0, +11.2]", a dash for None."""
    if difference is None:
        return "-"
    low, high = (100 * bound for bound in difference["interval"])
    return f"{100 * difference['mean']:+.1f} [{low:+.1f}, {high:+.1f}]"


def training_time(time: Content | None) -> str:
    """Format the ratio of a row's training steps to plain ones."""
    return "-" if time is None else f"{time['total_ratio']:.2f}x"


def _part_lines(content: Content, name: str, times: Mapping[str, Content]) -> list[str]:
    """The table of one part and what it holds for."""
    part, source = content["parts"][name], content["source"]
    rows, target = part["rows"], target_label(part)
    labels = column_labels(part, source)
    titles = {row["row"]: row["title"] for row in rows}
    differences = [(source, "over_plain", f"{source}, over plain")]
    if target is not None:
        shown = "targets" if target == TARGET else target
        differences.append((target, "over_plain", f"{shown}, over plain"))
        differences.append((target, "over_base", f"{shown}, over its base"))
    shown_labels = ["mean of the targets" if label == TARGET else label for label in labels]
    header = ["method", "base", *shown_labels, *(title for *_, title in differences)]
    if times:
        header += ["training step", "at test time"]
    body = []
    for row in rows:
        scores = row["scores"]
        line = [_name(row), titles.get(row["on"], row["on"] or "-")]
        line += [percent_with_interval(scores[label]) for label in labels]
        line += [points_with_interval(scores[label].get(key)) for label, key, _ in differences]
        if times:
            line += [training_time(times.get(row["row"])), _at_test_time(times.get(row["row"]))]
        body.append(line)
    return [*markdown_table(header, body), "", *_legend(content, name, times)]


def _name(row: Content) -> str:
    return f"{row['title']} ({row['paper']})" if row["paper"] else str(row["title"])


def _at_test_time(time: Content | None) -> str:
    """Say what a network has more than the plain one; nothing where its method only trains."""
    if time is None:
        return "-"
    ours, plain = time["at_inference"], time["plain_at_inference"]
    if ours == plain:
        return "as plain"
    more = [f"{ours['parameters'] - plain['parameters']:+,} parameters"]
    adds = ours["multiply_adds"] / plain["multiply_adds"] - 1
    if adds:
        more.append(f"{100 * adds:+.1f} % multiply-adds")
    return ", ".join(more)


def _legend(content: Content, name: str, times: Mapping[str, Content]) -> list[str]:
    part = content["parts"][name]
    level, resamples = (part["resampling"][key] for key in ("level", "resamples"))
    counts = [f"{len(part['frames'][label])} of {label}" for label in (content["source"], *part["targets"])]
    lines = [
        f"mIoU in %, {seeds_of(part['rows'])}; in brackets {100 * level:g} % intervals from "
        f"{resamples:,} resamples of the frames ({', '.join(counts)}); differences in "
        "points, on the same seeds and frames. The base is the row that a method was added "
        "to; differences to it stand where it is not the plain network."
    ]
    if name == "report":
        lines.append(_choosers(part["rows"]))
    if times:
        pairs = sorted({time["pairs"] for time in times.values()})
        lines.append(
            f"Training step: CPU time of {' or '.join(map(str, pairs))} steps, loading included, "
            "beside as many plain ones in the same process."
        )
    return [" ".join(lines)]


def seeds_of(rows: Sequence[Content]) -> str:
    """Say which seeds a table's means are taken over."""
    listed = listed_seeds(rows)
    if listed.startswith("one seed"):
        return f"{listed}, so no spread over seeds is known"
    return f"mean ± sample standard deviation over {listed}"


def listed_seeds(rows: Sequence[Content]) -> str:
    """Format "seeds 0, 1", with the names of the rows where they differ in their seeds."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for row in rows:
        groups.setdefault(tuple(row["seeds"]), []).append(row["title"])
    if len(groups) == 1:
        (seeds,) = groups
        return f"one seed ({seeds[0]})" if len(seeds) == 1 else f"seeds {_listed(seeds)}"
    parts = [f"{_listed(seeds)} ({', '.join(names)})" for seeds, names in groups.items()]
    return f"seeds {'; '.join(parts)}"


def _choosers(rows: Sequence[Content]) -> str:
    """Say with which seeds settings were chosen."""
    seeds = sorted({seed for row in rows for seed in row["selection_seeds"]})
    if not seeds:
        return "No row of this shift was read for choosing."
    return f"Settings were chosen with seed{'s' if len(seeds) > 1 else ''} {_listed(seeds)}."


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
