"""``stress``: networks on one labelled set under changes of its appearance."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import SET, add_outside_arguments, datasets_root, outside_said, require_runs
from segibn.cli.inference import add_comparison_arguments, inference_config
from segibn.cli.parser import VerbParser, print_results, verb_parser
from segibn.evaluation.measures import METRICS

EXAMPLE = """\
examples:
  segibn stress runs/none runs/a runs/b --on cityscapes:val --output out
  segibn stress street-lite --on cityscapes:val --corruptions driving --levels 1 3 5 --output out
  segibn stress street-lite --on cityscapes:val --corruptions fog --ood dataset_AnomalyTrack
  segibn stress runs/a --corruptions paper fog c-glass-blur --levels 5 --calibration --output out

changes, by groups: paper (table 1 of IBN-Net, on the network's input, nothing clipped): RGB+50,
R+50, contrast-x1.5; driving (on the frame's pixels, sizes in shares of it): fog, night, rain, snow,
spray, exposure, defocus, motion-blur, noise, low-resolution, jpeg; imagenet-c: its 15, each
with c- before its name: c-gaussian-noise, c-frost, c-elastic-transform ...
A frame's name, a level and the seed decide every pixel, whatever the number of processes.
writes stress.json (a list of rows, scores as fractions), stress.md, stress.png (drops), stress.jpg
(one frame under every change) and conditions.json
"""


@verb_parser("stress", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--on", metavar=SET, help="labelled set (default: the data.val of the first run)")
    add("--corruptions", nargs="+", default=(), metavar="NAME", help="names or groups of changes (default: all)")
    about = "strengths of corruptions: 1 light, 5 heavy (default: 1 to 5)"
    add("--levels", nargs="+", type=int, choices=(1, 2, 3, 4, 5), metavar="N", help=about)
    add("--seed", type=int, help="of drops, noise and angles (default: 0)")
    for metric in METRICS:
        if metric.needs == "confidence":
            add(f"--{metric.name}", action="store_true", help=metric.about)
    about = "folders in the layout of SegmentMeIfYouCan or Fishyscapes: do max-softmax, max-logit, energy and "
    about += "entropy find what the networks never saw? (ood.json)"
    add("--ood", type=Path, nargs="+", default=(), metavar="DIR", help=about)
    add_comparison_arguments(parser)
    add_outside_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    require_runs(arguments.runs)

    from segibn.runs.sets import parse_labelled_set

    on = None if arguments.on is None else parse_labelled_set(arguments.on)
    said = outside_said(arguments, arguments.runs)
    inference = inference_config(arguments, alone=True)
    root = datasets_root(arguments.datasets)

    from segibn.runs.stress import PLOT_FILE, stress

    how = {key: getattr(arguments, key) for key in ("corruptions", "levels", "seed", "ood", "device")}
    how["metrics"] = [m.name for m in METRICS if getattr(arguments, m.name, False)]
    table = stress(arguments.runs, on, root, arguments.output, inference=inference, said=said, **how)
    print_results(table, arguments.output, PLOT_FILE)
    return 0
