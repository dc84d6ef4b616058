"""Arguments of the verbs that score: what else to measure, and how to show it."""

import argparse

from segibn.evaluation.measures import METRICS, format_details, format_rates
from segibn.evaluation.scores import Scores


def add_measurement_arguments(parser: argparse.ArgumentParser, *, network: bool = False) -> None:
    """Add --rates, --intervals and the metrics, also those that only a network can answer."""
    add = parser.add_argument_group("more measurements").add_argument
    add("--rates", action="store_true", help="print precision and F1, which the JSON has always")
    add("--intervals", action="store_true", help="95 %% bootstrap intervals of each IoU over frames")
    for metric in METRICS:
        if network or metric.needs != "confidence":
            add(f"--{metric.name}", action="store_true", help=metric.about)


def show(scores: Scores, rates: bool) -> str:
    """Return what to print: tables of what was asked for, then the table of IoU."""
    blocks = [format_rates(scores)] if rates else []
    blocks += [text for text in (format_details(scores.details), scores.format_table()) if text]
    return "\n\n".join(blocks)
