"""Arguments of the verbs that score: what else to measure, and how to show it."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segibn.evaluation.measure import Measure
    from segibn.evaluation.scores import Scores


def add_measurement_arguments(parser: argparse.ArgumentParser, *, network: bool = False) -> None:
    """Add the options of ``complete`` and ``show``, and those that only a network can answer."""
    from segibn.evaluation.measures import METRICS

    group = parser.add_argument_group("more measurements")
    group.add_argument(
        "--rates", action="store_true", help="print precision and F1 too (the JSON has them always)"
    )
    group.add_argument(
        "--intervals",
        action="store_true",
        help="95 %% intervals of each IoU over the frames, by bootstrap",
    )
    for metric in METRICS:
        if network or metric.needs != "confidence":
            group.add_argument(f"--{metric.name}", action="store_true", help=metric.about)


def measures_of(arguments: argparse.Namespace, class_names: "Sequence[str]") -> "list[Measure]":
    """The metrics that were asked for."""
    from segibn.evaluation.measures import METRICS

    return [metric(class_names) for metric in METRICS if getattr(arguments, metric.name, False)]


def complete(scores: "Scores", arguments: argparse.Namespace) -> "Scores":
    """Add what follows from the counts and was asked for."""
    from segibn.evaluation.measures import with_intervals

    return with_intervals(scores) if arguments.intervals else scores


def show(scores: "Scores", arguments: argparse.Namespace) -> str:
    """Return what to print: tables of what was asked for, then the table of IoU."""
    from segibn.evaluation.measures import format_details, format_rates

    blocks = [format_rates(scores)] if arguments.rates else []
    blocks += [text for text in (format_details(scores.details), scores.format_table()) if text]
    return "\n\n".join(blocks)
