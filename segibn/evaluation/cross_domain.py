"""Cross-domain table: rows of single scores in, the IBN-Net paper's kind of table out (Markdown).

A row says on which domain a network was trained, on which it was tested, and what it scored. Domain
names are free; ``gta5:val`` belongs to the domain ``gta5``, a name with a list file
(``bdd100k:val@night.txt``) is a domain of its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from segibn.errors import SegibnError
from segibn.evaluation.deviations import ON_TARGET, protocol_lines
from segibn.evaluation.published import (
    NAMED_PROTOCOLS,
    PROTOCOLS,
    PublishedRow,
    published_rows,
)
from segibn.evaluation.signatures import signature_lines
from segibn.text import markdown

ROW_KEYS = ("train", "test", "ibn", "seed", "miou", "pixel_accuracy")
"""Keys every row has; ``miou`` and ``pixel_accuracy`` are fractions. More keys may be there, of
which ``network`` (for example "resnet18") tells networks apart."""

IBN_NAMES = {"none": "no IBN"}
_TEXTS = ("train", "test", "network", "ibn", "signature")
_IBN_ORDER = ("none", "a", "b", "c", "d", "ad", "a2")


@dataclass(frozen=True)
class Network:
    """What stands at the start of a line: a training domain and a kind of network."""

    train: str
    backbone: str
    ibn: str
    on_target: bool = False
    """Whether its checkpoint was chosen on a test set."""

    @property
    def title(self) -> str:
        """Name as printed, for example "resnet18, IBN-a"."""
        ibn = IBN_NAMES.get(self.ibn, f"IBN-{self.ibn}")
        title = f"{self.backbone}, {ibn}" if self.backbone else ibn
        return f"{title} (checkpoint chosen on the target)" if self.on_target else title


Cells = dict[Network, dict[str, list[tuple[float, float]]]]
"""Network -> test set -> (miou, pixel accuracy) of each seed, fractions."""

PUBLISHED_INTRO = (
    "Published by others on the real data sets: other networks, recipes and data; not ours."
)


def check_rows(
    rows: Iterable[Mapping[str, Any]],
    source: str = "cross-domain rows",
    more_keys: Sequence[str] = (),
) -> None:
    """Raise a SegibnError naming the first row that is incomplete, doubled or not in fractions.

    Args:
        rows: see ``ROW_KEYS``.
        source: what they are, for the message.
        more_keys: further keys that every row must have, and that tell rows apart.
    """
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows, start=1):
        missing = [key for key in (*ROW_KEYS, *more_keys) if key not in row]
        if missing:
            raise SegibnError(f"{source}: row {number} has no {', '.join(missing)}")
        for key in _TEXTS:
            if not isinstance(row.get(key), str if key in ROW_KEYS else str | None):
                raise SegibnError(f"{source}: row {number} has {key} {row[key]!r}; it must be text")
        if not isinstance(row["seed"], int | None):
            raise SegibnError(f"{source}: row {number} has seed {row['seed']!r}; give an integer")
        for key in ("miou", "pixel_accuracy"):
            if not isinstance(row[key], int | float) or not 0 <= row[key] <= 1:
                raise SegibnError(
                    f"{source}: row {number} has {key} {row[key]!r}; it must be a fraction in 0..1"
                )
        keys = ("train", "test", "network", "ibn", "seed", *more_keys)
        identity = tuple(repr(row.get(key)) for key in keys)
        if identity in seen:
            raise SegibnError(
                f"{source}: row {number} repeats {', '.join(keys[:-1])} and {keys[-1]}"
            )
        seen.add(identity)


def is_own_domain(train: str, test: str) -> bool:
    """Say whether a test set is of a domain that the network was trained on.

    Args:
        train: ``gta5:train``, ``gta5:train+val``, or several sets, ``gta5:train+camvid:train``.
        test: ``gta5:val``.
    """
    if train == test:
        return True
    sources = [part.partition(":")[0] for part in train.split("+") if ":" in part] or [train]
    return "@" not in train + test and test.partition(":")[0] in sources


def format_cross_domain(
    rows: Sequence[Mapping[str, Any]],
    dataset_of: Mapping[str, str] | None = None,
    published_note: str = "",
) -> str:
    """Format the table as Markdown.

    Args:
        rows: see ``ROW_KEYS``; several seeds of one network are averaged.
        dataset_of: domain name -> data set name, to find published numbers for domains whose names
            are not those of data sets. Names not in it stand for themselves.
        published_note: a sentence in place of published numbers, such as that ours come from
            painted frames, beside which they say nothing.

    Returns:
        Markdown: our table with its legend; then, where there are any, published numbers in a table
        of their own with source and protocol.

    Raises:
        SegibnError: a row is incomplete, doubled or not in fractions.
    """
    check_rows(rows)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    cells = collect_cells(rows)
    lines = markdown_table(["train", "network", *tests], _our_lines(cells, tests))
    lines += ["", _legend(rows, cells), *protocol_lines(rows)]
    lines += _published_lines(cells, tests, dataset_of or {}, published_note, protocol_of(rows))
    return "\n".join(lines) + "\n"


def collect_cells(rows: Iterable[Mapping[str, Any]]) -> Cells:
    """Gather the seeds of each network on each test set, networks in the order of a table."""
    cells: Cells = defaultdict(lambda: defaultdict(list))
    for row in rows:
        on_target = row.get("selection") == ON_TARGET
        network = Network(row["train"], str(row.get("network") or ""), row["ibn"], on_target)
        cells[network][row["test"]].append((row["miou"], row["pixel_accuracy"]))
    trains = list(dict.fromkeys(network.train for network in cells))
    return dict(
        sorted(
            cells.items(),
            key=lambda item: (trains.index(item[0].train), item[0].backbone, rank_of(item[0])),
        )
    )


def own_miou(network: Network, tests: Mapping[str, list[tuple[float, float]]]) -> float:
    """Mean mIoU on the one test set of the network's own domain; NaN if there is not just one."""
    own = [test for test in tests if is_own_domain(network.train, test)]
    return mean_miou(tests[own[0]]) if len(own) == 1 else math.nan


def _our_lines(cells: Cells, tests: list[str]) -> list[list[str]]:
    lines = []
    for network, scores in cells.items():
        reference = own_miou(network, scores)
        line = [network.train, network.title]
        for test in tests:
            foreign = not is_own_domain(network.train, test)
            line.append(_cell(scores.get(test, []), reference if foreign else math.nan))
        lines.append(line)
    return lines


def _cell(scores: list[tuple[float, float]], reference: float) -> str:
    """Format "mIoU / pixel acc (drop)"; an empty list gives a dash."""
    if not scores:
        return "-"
    text = " / ".join(mean_and_spread([score[index] for score in scores]) for index in (0, 1))
    if math.isnan(reference) or reference == 0:
        return text
    change = 100 * (mean_miou(scores) - reference) / reference
    return f"{text} ({change:+.1f} %)"


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation, 0 of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else 0.0


def mean_and_spread(values: Sequence[float]) -> str:
    """Format fractions in per cent: "47.5±2.0", or their one value without a spread."""
    mean, deviation = (100 * number for number in mean_and_deviation(values))
    return f"{mean:.1f}±{deviation:.1f}" if len(values) > 1 else f"{mean:.1f}"


def mean_miou(scores: Sequence[tuple[float, float]]) -> float:
    """Mean over the seeds of a cell."""
    return fmean(score[0] for score in scores)


def rank_of(network: Network) -> tuple[int, str]:
    """Sort key: plain networks first, then the variants in the paper's order."""
    known = network.ibn in _IBN_ORDER
    return (_IBN_ORDER.index(network.ibn) if known else len(_IBN_ORDER), network.ibn)


def _legend(rows: Sequence[Mapping[str, Any]], cells: Cells) -> str:
    counts = {len(scores) for tests in cells.values() for scores in tests.values()}
    single = " (one seed where no ± stands)" if 1 in counts and len(counts) > 1 else ""
    legend = (
        f"mIoU / pixel accuracy in %; {describe_seeds(rows)}{single}. In brackets: change of mIoU "
        "relative to the same network's score on the domain it was trained on."
    )
    return "\n".join([legend, *signature_lines(rows)])


def describe_seeds(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say what a cell's spread is taken over."""
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    listed = ", ".join(str(seed) for seed in seeds)
    if len(seeds) > 1:
        return f"mean ± sample standard deviation over seeds {listed}"
    return f"one seed ({listed}), so no spread is known"


def protocol_of(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Name of the protocol that all rows follow without deviation, None if there is none."""
    names = {None if row.get("deviations") else row.get("protocol") for row in rows}
    return names.pop() if len(names) == 1 else None


def published_beside(
    cells: Cells, tests: Sequence[str], dataset_of: Mapping[str, str]
) -> tuple[list[str], list[tuple[PublishedRow, dict[str, float]]]]:
    """Find the published numbers that stand beside a table of ours.

    Args:
        cells: of ours.
        tests: its columns.
        dataset_of: see ``format_cross_domain``.

    Returns:
        Data sets that have a number, and (row, mIoU per cent on those of the sets that it has).
    """
    names = {
        name: dataset_of.get(name, name.partition(":")[0] if name.count(":") < 2 else name)
        for name in (*tests, *(network.train for network in cells))
        if name in dataset_of or "@" not in name
    }
    test_sets = list(dict.fromkeys(names[test] for test in tests if test in names))
    train_sets = {names[network.train] for network in cells if network.train in names}
    found = published_rows(train_sets, test_sets)
    return [test for test in test_sets if any(test in values for _, values in found)], found


def _published_lines(
    cells: Cells, tests: list[str], dataset_of: Mapping[str, str], note: str, ours: str | None
) -> list[str]:
    if note:
        return ["", note]
    shown, found = published_beside(cells, tests, dataset_of)
    if not found:
        return []
    body = []
    for row, values in found:
        scores = [f"{values[test]:.2f}" if test in values else "-" for test in shown]
        body.append([row.train, row.title, *scores, f"{row.source} [{row.protocol}]"])
    lines = ["", "### Published numbers (mIoU in %)", "", PUBLISHED_INTRO, ""]
    lines += markdown_table(["train", "network", *shown, "source [protocol]"], body)
    return [*lines, "", *published_protocols(found, ours)]


def published_protocols(
    found: Sequence[tuple[PublishedRow, dict[str, float]]], ours: str | None
) -> list[str]:
    """Describe how published numbers were made, and whether ours were made so: Markdown items."""
    used = dict.fromkeys(row.protocol for row, _ in found)
    return [_published_protocol(protocol, ours) for protocol in used]


def _published_protocol(name: str, ours: str | None) -> str:
    known = NAMED_PROTOCOLS.get(name)
    if known is None:
        return f"- [{name}] {PROTOCOLS[name]}."
    same = "which our rows follow" if known == ours else "which our rows do not follow"
    return f"- [{name}] {PROTOCOLS[name]}: protocol `{known}`, {same}."


def markdown_table(header: list[str], body: list[list[str]]) -> list[str]:
    """Format the lines of a Markdown table; what would end a cell is escaped in it."""
    lines = [header, ["---"] * len(header), *body]
    return ["| " + " | ".join(map(markdown, line)) + " |" for line in lines]
