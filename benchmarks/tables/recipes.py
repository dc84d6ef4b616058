"""Which recipe to use: sentences from the results of `benchmarks/generalisation.py`.

In: the folder of ``<shift>.json``. Out: for each shift a short table and what helped, what made no
clear difference, what hurt. Every judgement follows from one rule, `judge`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables.generalisation import (
    TARGET,
    TIMES_FILE,
    news_of_report,
    percent_with_interval,
    points_with_interval,
    read_shift,
    read_times,
    seeds_of,
    target_label,
    training_time,
)
from segibn.errors import SegibnError
from segibn.text import markdown_table

NAME = "recipes"
"""Last part of the marker's name; there is no file of that name."""
SHOWN = ("plain", "ibn_a", "ibn_b", "recipe")
NETWORKS = ("plain", "ibn_a", "ibn_b")

Content = Mapping[str, Any]


def judge(difference: Content) -> str:
    """Return "helps", "hurts" or "unclear".

    It helps where the interval over frames lies above 0 and every seed gained; it hurts where the
    interval lies below 0 and every seed lost.

    Args:
        difference: "interval" and, for each seed, "miou".
    """
    low, high = difference["interval"]
    if low > 0 and min(difference["miou"]) > 0:
        return "helps"
    return "hurts" if high < 0 and max(difference["miou"]) < 0 else "unclear"


def render_recipes(folder: Path) -> str:
    """Render the section on all shifts that have results.

    Raises:
        SegibnError: there are none, or none with a target.
    """
    lines: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if path.name != TIMES_FILE:
            lines += _shift_lines(path)
    if not lines:
        raise SegibnError(f"{folder}: no results of a shift with a target to recommend from")
    return "\n".join([*lines, _RULE]) + "\n"


_RULE = (
    "*Helps*: the interval of the difference over frames lies above 0, and every seed gained; "
    "*costs*: it lies below 0, and every seed lost. IBN is compared with the plain network, every "
    "other method with the row that it was added to."
)


def _shift_lines(path: Path) -> list[str]:
    content = read_shift(path)
    part = content["parts"].get("report") or content["parts"]["selection"]
    target = target_label(part)
    if target is None:
        return []
    rows = {row["row"]: row for row in part["rows"]}
    source = content["source"]
    shown = "mean of " + " and ".join(part["targets"]) if target == TARGET else target
    times = read_times(path)
    header = ["", source, shown, "over plain", "training step"]
    body = [
        [
            row["title"],
            percent_with_interval(row["scores"][source]),
            percent_with_interval(row["scores"][target]),
            points_with_interval(row["scores"][target].get("over_plain")),
            training_time(times.get(row["row"])),
        ]
        for row in (rows[name] for name in SHOWN if name in rows)
    ]
    where = (
        news_of_report(content)
        if "report" in content["parts"]
        else "on the frames that settings are chosen on"
    )
    title = content["title"]
    heading = f"**{title[:1].upper()}{title[1:]}** (mIoU in %, {seeds_of(part['rows'])}, {where}):"
    sentences = [_best(rows, source, target), *_verdicts(rows, source, target)]
    tried = _only_tried(content, rows)
    if tried:
        sentences += ["Of what was only tried when choosing:", *_verdicts(tried, source, target)]
    if "recipe" in rows:
        sentences.append(_recipe(rows, source, target))
    return [heading, "", *markdown_table(header, body), "", " ".join(sentences), ""]


def _only_tried(content: Content, rows: Mapping[str, Content]) -> dict[str, Content]:
    """Rows that were read on a target when choosing, and not with the others afterwards."""
    selection = content["parts"].get("selection")
    if selection is None or target_label(selection) is None:
        return {}
    return {row["row"]: row for row in selection["rows"] if row["row"] not in rows}


def _best(rows: Mapping[str, Content], source: str, target: str) -> str:
    """Name the highest row on the target; if it hurts the source, also the best of the others."""
    shown = [rows[name] for name in SHOWN if name in rows]
    kept = [row for row in shown if _judged(row, source, "over_plain") != "hurts"]
    best, without = (
        max(some, key=lambda row: row["scores"][target]["mean"])["title"] for some in (shown, kept)
    )
    if best == without:
        return f"Take: {best}."
    return f"For the target take: {best}, which costs on the source; without that cost: {without}."


def _verdicts(rows: Mapping[str, Content], source: str, target: str) -> list[str]:
    """What helps on the target, what makes no clear difference, what costs there or at home."""
    groups: dict[str, list[str]] = {"helps": [], "unclear": [], "hurts": []}
    at_home = []
    for name, row in rows.items():
        if name in ("plain", "recipe"):
            continue
        key = "over_base" if "over_base" in row["scores"][target] else "over_plain"
        groups[_judged(row, target, key)].append(row["title"])
        if _judged(row, source, key) == "hurts":
            at_home.append(row["title"])
    texts = {
        "helps": "Helps on the target",
        "unclear": "Makes no clear difference",
        "hurts": "Costs on the target",
    }
    found = [f"{texts[kind]}: {', '.join(names)}." for kind, names in groups.items() if names]
    return [*found, *([f"Costs on the source: {', '.join(at_home)}."] if at_home else [])]


def _judged(row: Content, label: str, key: str) -> str:
    difference = row["scores"][label].get(key)
    return "unclear" if difference is None else judge(difference)


def _recipe(rows: Mapping[str, Content], source: str, target: str) -> str:
    """What the recipe reaches beside plain, and of the gap that the best network leaves."""
    networks: Sequence[Content] = [rows[name] for name in NETWORKS if name in rows]
    best = max(networks, key=lambda row: row["scores"][target]["mean"])
    recipe, plain = rows["recipe"]["scores"], rows["plain"]["scores"]
    times = recipe[target]["mean"] / plain[target]["mean"]
    gained = recipe[target]["mean"] - best["scores"][target]["mean"]
    gap = best["scores"][source]["mean"] - best["scores"][target]["mean"]
    at_home = recipe[source]["mean"] - plain[source]["mean"]
    text = (
        f"The recipe ({_parts_of(rows)}) has {times:.2f}x plain's mIoU on the target, "
        f"{100 * gained:+.1f} points beside {best['title']}"
    )
    if gap > 0:
        text += f" ({100 * gained / gap:.0f} % of the gap that it leaves to its own source)"
    return f"{text}, and {100 * at_home:+.1f} points beside plain on the source."


def _parts_of(rows: Mapping[str, Content]) -> str:
    """Name the row that the recipe is added to, and its config values."""
    recipe = rows["recipe"]
    base = [rows[recipe["on"]]["title"]] if recipe["on"] in rows else []
    return ", ".join([*base, *(f"`{override}`" for override in recipe["overrides"])])
