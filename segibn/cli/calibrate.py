"""``calibrate``: a temperature for a network's confidences, fitted on its source domain."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import (
    SET,
    add_datasets_argument,
    add_outside_arguments,
    datasets_root,
    datasets_words,
    outside_said,
    require_runs,
)
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_next, verb_parser

EXAMPLE = """\
examples:
  segibn calibrate runs/gta5_ibn --output calibrated.yaml
  segibn calibrate hf:OWNER/NAME --on cityscapes:val

Logits are divided by one number, the temperature, before confidences are made of them (Guo et al.,
2017); label maps stay as they are. Fit it on the source domain, and see on another what it is worth
there: segibn evaluate RUN --recipe calibrated.yaml --calibration
"""


@verb_parser("calibrate", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("run", metavar="RUN", help="run folder or name, a file, or another's")
    add("--on", metavar=SET, help="labelled set of the source domain (default: the run's data.val)")
    add_datasets_argument(parser)
    add("--output", type=Path, metavar="FILE.yaml", help="inference config to write it to")
    add_inference_arguments(parser)
    add_outside_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs([arguments.run])
    said, inference = outside_said(arguments, [arguments.run]), inference_config(arguments)
    root = datasets_root(arguments.datasets)

    from segibn.runs.calibrate import calibrate
    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)[1]
    how = {"inference": inference, "said": said, "device": arguments.device}
    found = calibrate(arguments.run, on, root, arguments.output, **how)
    print(
        f"temperature {found.value:.3f}: negative log-likelihood {found.before:.4f} -> "
        f"{found.after:.4f} nats over {found.pixels} pixels"
    )
    recipe = arguments.output
    words = ["--recipe", str(recipe)] if recipe else ["--temperature", f"{found.value:.4g}"]
    own = ["--dataset", arguments.on.split(":")[0]] if arguments.on else []
    words += [*own, *datasets_words(arguments.datasets)]
    print_next("evaluate", arguments.run, *words, "--calibration")
    return 0
