"""What the benchmarks share: paired timing, the printed table and the JSON rows.

In: named builders, each returning a callable without arguments that does one piece of work. Out:
one table on the screen and, with ``--json FILE``, the same rows in a file.

Two subjects are timed alternately in one process, and the ratio is the median over the pairs, so
that a machine which slows down half way slows both. Memory is measured in a fresh child process
for each subject.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.memory import Builder, Call, growth_in_child, growth_on_device, memory_growth
from segibn import provenance
from segibn.files.writing import write_json

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Row:
    """One line of the table: a subject of ours against one rival.

    Attributes:
        subject: what of ours was measured.
        against: the rival.
        ratio: median over the pairs of subject's time / rival's time; below 1 = ours is faster.
        seconds: median time of the subject for one piece of work.
        peak_mib: by how many MiB one piece of work makes a process grow at most, beyond what it
            holds before (libraries, weights, input); None where it cannot be told.
        device: what computed, and with how many threads.
        versions: of segibn, Python and every package that takes part.
        against_seconds: median time of the rival.
        against_peak_mib: the rival's growth.
        ratio_quartiles: a quarter of the pairs lies below the first, a quarter above the second.
        pairs: how many pairs there were.
        conditions: sizes, and which clock.
        command: what was run.
        revision: commit of the checkout, None outside git.
    """

    subject: str
    against: str
    ratio: float
    seconds: float
    peak_mib: float | None
    device: str
    versions: dict[str, str]
    against_seconds: float
    against_peak_mib: float | None
    ratio_quartiles: tuple[float, float]
    pairs: int
    conditions: str
    command: str
    revision: str | None


@dataclass(frozen=True)
class Benchmark:
    """What one script measures.

    Attributes:
        title: printed above the table.
        builders: how to make each subject ready: a piece of work that has been done once, on a
            small input where there is one, so that late imports are over.
        comparisons: (subject, rival) names in the order of the rows.
        conditions: sizes, for the reader.
        packages: distributions of the rivals, besides those that segibn itself is made of.
        device: "cpu" or "cuda".
        pieces: how many equal pieces of work one call does; seconds are for one of them.
    """

    title: str
    builders: dict[str, Builder]
    comparisons: Sequence[tuple[str, str]]
    conditions: str
    packages: tuple[str, ...] = ()
    device: str = "cpu"
    pieces: int = 1


def make_parser(description: str, pairs: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--pairs", type=int, default=pairs, help=f"how often each pair is timed (default {pairs})")
    parser.add_argument(
        "--clock",
        choices=tuple(CLOCKS),
        default="wall",
        help="cpu counts the time this process computed: for one thread on a busy machine",
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one pair: only shows that it runs")
    return parser


def run(benchmark: Benchmark, options: argparse.Namespace) -> list[Row]:
    """Measure every comparison, print the table and write the rows if asked to.

    Memory comes first, while this process has built nothing that a child could inherit.
    """
    if benchmark.device != "cpu" and options.clock == "cpu":
        raise SystemExit("--clock cpu does not see the work of a CUDA device; use --clock wall")
    names = dict.fromkeys(name for pair in benchmark.comparisons for name in pair)
    in_child = benchmark.device == "cpu" and not options.quick
    peaks = {name: growth_in_child(benchmark.builders[name]) if in_child else None for name in names}
    calls = {name: benchmark.builders[name]() for name in names}
    if benchmark.device != "cpu":
        peaks = {name: growth_on_device(calls[name]) for name in names}
    elif options.quick:
        peaks = {name: memory_growth(calls[name]) for name in names}
    rows = [
        _compare(benchmark, pair, (calls[pair[0]], calls[pair[1]]), peaks, options) for pair in benchmark.comparisons
    ]
    print_table(benchmark.title, rows)
    if options.json is not None:
        write_json(options.json, [asdict(row) for row in rows])
    return rows


def _compare(
    benchmark: Benchmark,
    names: tuple[str, str],
    calls: tuple[Call, Call],
    peaks: dict[str, float | None],
    options: argparse.Namespace,
) -> Row:
    pairs = 1 if options.quick else options.pairs
    times = summarize(time_pairs(*calls, pairs=pairs, clock=CLOCKS[options.clock]))
    return Row(
        subject=names[0],
        against=names[1],
        ratio=times.ratio,
        seconds=times.seconds / benchmark.pieces,
        peak_mib=peaks[names[0]],
        device=describe_device(benchmark.device),
        versions=_versions(benchmark.packages),
        against_seconds=times.against_seconds / benchmark.pieces,
        against_peak_mib=peaks[names[1]],
        ratio_quartiles=times.ratio_quartiles,
        pairs=pairs,
        conditions=f"{benchmark.conditions}; {options.clock} clock",
        command=provenance.command_line(),
        revision=provenance.git_revision(),
    )


@dataclass(frozen=True)
class Times:
    """Medians over the pairs, and between which ratios the middle half of the pairs lies."""

    ratio: float
    seconds: float
    against_seconds: float
    ratio_quartiles: tuple[float, float]


def summarize(pairs: Sequence[tuple[float, float]]) -> Times:
    """Summarize (seconds of subject, seconds of against) pairs; at least one."""
    ratios = [ours / theirs for ours, theirs in pairs]
    cut = statistics.quantiles(ratios, n=4, method="inclusive") if len(pairs) > 1 else ratios * 3
    return Times(
        ratio=statistics.median(ratios),
        seconds=statistics.median(ours for ours, _ in pairs),
        against_seconds=statistics.median(theirs for _, theirs in pairs),
        ratio_quartiles=(cut[0], cut[2]),
    )


def time_pairs(
    subject: Call, against: Call, *, pairs: int, clock: Callable[[], float] = time.perf_counter
) -> list[tuple[float, float]]:
    """Time two callables alternately, after one untimed call of each.

    Args:
        subject: the first of the two.
        against: the second.
        pairs: how often; every other pair begins with ``against``.
        clock: returns seconds.

    Returns:
        (seconds of subject, seconds of against) for each pair.
    """
    subject()
    against()
    seconds = []
    for index in range(pairs):
        if index % 2:
            theirs = _time(against, clock)
            ours = _time(subject, clock)
        else:
            ours = _time(subject, clock)
            theirs = _time(against, clock)
        seconds.append((ours, theirs))
    return seconds


def _time(call: Call, clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def describe_device(device: str) -> str:
    """Name the processor and the number of threads, or the CUDA device."""
    torch = sys.modules.get("torch")
    if device != "cpu" and torch is not None:
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads() if torch is not None else 1
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions(packages: Sequence[str]) -> dict[str, str]:
    return provenance.versions() | {package: version(package) for package in packages}


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print rows of one benchmark; times in ms, memory in MiB, ratio with its quartiles."""
    head = ("subject", "against", "ratio", "quartiles", "ms", "against", "MiB", "against")
    cells = [
        (
            row.subject,
            row.against,
            f"{row.ratio:.3f}",
            "{:.3f}..{:.3f}".format(*row.ratio_quartiles),
            f"{1000 * row.seconds:.2f}",
            f"{1000 * row.against_seconds:.2f}",
            _mib(row.peak_mib),
            _mib(row.against_peak_mib),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    print(f"{title}\n{rows[0].conditions}; {rows[0].pairs} pairs; {rows[0].device}")
    print("ratio below 1: the subject is faster\n")
    for line in [head, tuple("-" * width for width in widths), *cells]:
        left = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        right = [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]
        print("  ".join(left + right))
    print()


def _mib(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"
