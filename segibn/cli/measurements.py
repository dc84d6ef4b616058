"""Arguments of the verbs that score: what else to measure, and how to show it."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segibn.evaluation.scores import Scores


def add_measurement_arguments(
    parser: argparse.ArgumentParser, *, calibration: bool = False
) -> None:
    """Add the options of ``complete`` and ``show``.

    Args:
        parser: to add to.
        calibration: whether there is a network whose confidence can be measured.
    """
    group = parser.add_argument_group("more measurements")
    group.add_argument(
        "--rates", action="store_true", help="print precision and F1 too (the JSON has them always)"
    )
    group.add_argument(
        "--intervals",
        action="store_true",
        help="95 %% intervals of each IoU over the frames, by bootstrap",
    )
    group.add_argument(
        "--boundary", action="store_true", help="boundary IoU of each class (Cheng et al., 2021)"
    )
    parser.set_defaults(calibration=False)
    if calibration:
        group.add_argument(
            "--calibration",
            action="store_true",
            help="whether the network's confidence is right: expected calibration error, 15 bins",
        )


def complete(scores: "Scores", arguments: argparse.Namespace) -> "Scores":
    """Add what follows from the counts and was asked for."""
    from segibn.evaluation.measurements import with_intervals

    return with_intervals(scores) if arguments.intervals else scores


def show(scores: "Scores", arguments: argparse.Namespace) -> str:
    """Return what to print: tables of what was asked for, then the table of IoU."""
    from segibn.evaluation.measurements import format_details, format_rates

    blocks = [format_rates(scores)] if arguments.rates else []
    blocks += [text for text in (format_details(scores.details), scores.format_table()) if text]
    return "\n\n".join(blocks)
