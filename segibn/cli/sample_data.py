"""``sample-data``: synthetic driving scenes, written in the layouts of official data sets."""

import time
from collections.abc import Sequence
from pathlib import Path

from painted_scenes.spec import SETS, SampleSpec
from segibn.cli.arguments import parse_positive
from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.errors import ConfigError
from segibn.text import counted

EXAMPLE = """\
example:
  segibn sample-data --output datasets/sample
  segibn sample-data --output /tmp/sample --frames 400 100 --size 256 512 --seed 1

The folder then serves as --datasets DIR (or SEGIBN_DATASETS): gta5/ in the game style, cityscapes/
and bdd100k/ in the camera style.
"""


@verb_parser("sample-data", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    spec = SampleSpec()
    add("--output", type=Path, required=True, metavar="DIR", help="new folder")
    add("--seed", type=int, default=spec.seed, help="another seed, other scenes")
    add("--frames", type=int, nargs=2, default=spec.frames, metavar=("TRAIN", "VAL"), help="per data set (%(default)s)")
    add("--size", type=int, nargs=2, default=spec.size, metavar=("H", "W"), help="pixels (%(default)s)")
    add("--sets", nargs="+", default=SETS, choices=SETS, help="which data sets (default: all)")
    about = "data sets that get no train frames (of --sets)"
    add("--val-only", nargs="+", default=(), choices=SETS, metavar="SET", help=about)
    add("--workers", type=parse_positive, help="processes (one a core)")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)

    for name in arguments.val_only:
        if name not in arguments.sets:
            raise ConfigError(f"--val-only {name} has no effect: --sets leaves {name} out")
    frames, size, val_only = (tuple(given) for given in (arguments.frames, arguments.size, arguments.val_only))
    sets = tuple(name for name in SETS if name in arguments.sets)
    spec = SampleSpec(arguments.seed, frames, size, sets, val_only)
    paint(arguments.output, spec, arguments.workers)
    if "gta5" in spec.sets and "gta5" not in spec.val_only:
        print_next("train", "sample_ibn", "--datasets", arguments.output)
    return 0


def paint(output: Path, spec: SampleSpec, workers: int | None = None) -> None:
    """Write sample data, with progress; what is there stays. SegibnError: the folder holds something else."""
    from painted_scenes.write import frame_jobs, write_sample_data
    from segibn.text.progress import FrameProgress

    total = len(frame_jobs(output, spec))
    start = time.perf_counter()
    with FrameProgress("sample data", total) as progress:
        made = write_sample_data(output, spec, workers=workers, progress=progress)
    took = f"{counted(total, 'frame')} in {time.perf_counter() - start:.0f} s"
    print(f"{took if made else 'already there, unchanged'}: {output}")
