"""``demo``: the whole job on synthetic frames.

Trains a network without IBN, one with IBN-a and one with IBN-b in the game style, scores all three
in both styles, and leaves a table and a picture, which shows the shipped network too.
"""

from collections.abc import Sequence
from pathlib import Path

from painted_scenes.spec import SampleSpec
from segibn.cli.arguments import print_predict, refuse_set
from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.cli.sample_data import paint
from segibn.config.shipped import DEFAULT_MODEL
from segibn.text.streams import outliving_readers

CONFIGS = ("sample_none", "sample_ibn", "sample_ibn_b")
SETS = ("gta5:val", "cityscapes:val")

EXAMPLE = """\
examples:
  segibn demo                                  (three to ten minutes on two cores)
  segibn demo --output runs/demo --seed 1

writes cross_domain.md, cross_domain.json and comparison.jpg; the runs lie in runs/, the frames in
data_seed<seed>/. Repeated, it resumes where it was interrupted.
"""


@verb_parser("demo", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("--output", type=Path, default=Path("runs/demo"), metavar="DIR")
    add("--seed", type=int, default=0, help="of scenes, weights, sample order and augmentation")
    about = "frames of each domain; the target needs no train frames (default: 300 100)"
    add("--frames", type=int, nargs=2, default=(300, 100), metavar=("TRAIN", "VAL"), help=about)
    add("--set", nargs="+", default=[], metavar="key=value", help="config values to replace")


@outliving_readers()
def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    refuse_set(arguments.set, "seed", "--seed")

    from segibn.evaluation.protocols import PROTOCOLS
    from segibn.runs import cross_domain as comparison
    from segibn.runs.loading import load_checkpoint
    from segibn.runs.sets import frames_folder, parse_evaluation_set
    from segibn.runs.study import load_configs, train_once

    output, seed = arguments.output, arguments.seed
    datasets = output / f"data_seed{seed}"
    configs = list(load_configs(CONFIGS, arguments.set, [seed]))
    print("1/3  writing sample data")
    spec = SampleSpec(seed, tuple(arguments.frames), sets=("gta5", "cityscapes"), val_only=("cityscapes",))
    paint(datasets, spec)
    print("2/3  training three networks in the game style")
    scoring = comparison.Scoring({text: parse_evaluation_set(text) for text in SETS}, datasets)
    runs = [train_once(config, datasets, output / "runs") for config in configs]
    trained = [load_checkpoint(run) for run in runs]
    comparison.cross_domain(trained, scoring, output, published_note=PROTOCOLS["sample"].note)
    print("3/3  drawing frames, truth and predictions side by side")
    picture, table = output / comparison.PICTURE_FILE, output / comparison.MARKDOWN_FILE
    comparison.draw_comparison(trained, scoring, picture, {DEFAULT_MODEL: load_checkpoint(DEFAULT_MODEL)})
    print(table.read_text(encoding="utf-8"))
    for path in (output / "cross_domain.json", table, picture):
        print(f"  {path}")
    print_predict(runs[-1], frames_folder(configs[-1], datasets))
    print_next("report", output, "--datasets", datasets)
    return 0
