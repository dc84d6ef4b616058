"""``submit``: a trained network and a benchmark's test frames -> the file to upload."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import require_runs
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_next, verb_parser
from segibn.submission.expected import expect_list, expect_test_set, index_frames, require_frames
from segibn.submission.formats import FORMATS
from segibn.text import counted

EXAMPLE = """\
examples:
  segibn submit wad runs/bdd_drivable_ibn \\
      --images bdd100k/images/100k/test --output wad.zip --expect-test-set
  segibn submit bdd100k_drivable runs/bdd_drivable_ibn \\
      --images bdd100k/images/100k/test --output drivable.json
  segibn submit cityscapes runs/cityscapes_ibn \\
      --images cityscapes/leftImg8bit/test --output cityscapes.zip --expect-test-set

The file appears when it is whole and checked. After a kill the same command resumes with the
frames that were not finished.
"""


@verb_parser("submit", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    for name, form in FORMATS.items():
        values = form.targets.replace("_", " ")
        if form.is_drivable:
            named = zip(form.labels.inverse.tolist(), form.labels.class_names, strict=False)
            values = ", ".join(f"{value} {name}" for value, name in sorted(named))
        described = f"{form.title}: {form.member.format(key='<id>')}, {values}"
        one = benchmarks.add_parser(name, help=described, description=described)
        add = one.add_argument
        add("run", metavar="CHECKPOINT", help="run folder or .pt file")
        add("--images", type=Path, required=True, metavar="DIR", help="test frames")
        kinds = "FILE.zip, or FILE.json for run lengths" if form.has_rle else "FILE.zip"
        add("--output", type=Path, required=True, metavar="FILE", help=kinds)
        which = one.add_mutually_exclusive_group()
        which.add_argument("--ids", type=Path, metavar="LIST", help="only these, all of them")
        about = f"the {form.num_frames} official test frames, all of them"
        which.add_argument("--expect-test-set", action="store_true", help=about)
        add_inference_arguments(one, ensemble=True)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    inference, output = inference_config(arguments), arguments.output
    require_runs([arguments.run, *inference.ensemble])
    form, ids, is_whole = FORMATS[arguments.benchmark], arguments.ids, arguments.expect_test_set
    frames = index_frames(form, arguments.images)
    if ids is not None or is_whole:  # complete, before anything is computed
        expected = expect_list(form, ids) if ids is not None else expect_test_set(form)
        require_frames(frames, expected)
        if expected.sizes is not None:
            frames = {key: frames[key] for key in sorted(expected.sizes)}

    from segibn.runs.submit import submit  # torch only after the frames are known

    report = submit(arguments.run, form, frames, output, inference=inference, device=arguments.device)
    print(f"{counted(len(frames), 'label map')}, checked: {output}")
    if len(frames) != form.num_frames:
        print(f"note: the official test set has {form.num_frames} frames")
    for note in report.notes:
        print(f"note: {note}")
    which = ["--ids", ids] if ids else [] if is_whole else ["--images", arguments.images]
    print_next("validate-submission", output, "--format", arguments.benchmark, *which)
    return 0
