"""``convert``: others' checkpoints into ours, RobustNet's back; weights as safetensors."""

from collections.abc import Sequence
from pathlib import Path

from segibn.cli.parser import VerbParser, command_text, print_then, verb_parser
from segibn.errors import ConfigError
from segibn.runs.find import find_checkpoint

EXAMPLE = """\
examples:
  segibn convert robustnet_r50_ibn.pth --output runs/robustnet_r50_ibn.pt
  segibn convert deeplabv3plus_r101-d8.pth --trained-on cityscapes --output runs/mmseg_r101.pt
  segibn convert runs/robustnet_r50_ibn.pt --output back.pth
  segibn convert runs/gta5_ibn/checkpoints/last.pt --output gta5.safetensors

A RobustNet file (baseline, IBN or ISW; ResNet-50 or -101) or one of mmsegmentation (DeepLabV3+ on
a ResNet, the 19 classes of Cityscapes) becomes a segibn checkpoint, .pt; a segibn checkpoint becomes
a RobustNet file, .pth, or .safetensors, by the name of --output.
"""
_BELONGS = {"output_stride": ".pt", "trained_on": ".pt", "variant": ".pth"}
"""Option -> the suffix of --output on which it has an effect."""


@verb_parser("convert", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("checkpoint", type=Path, help="a file, or a segibn run folder")
    add("--output", type=Path, required=True, metavar="FILE", help=".pt, .pth or .safetensors")
    add = parser.add_argument_group("from RobustNet or mmsegmentation (.pt)").add_argument
    about = "of the network (default: 8; as in RobustNet's scripts, 16 for its ResNet-50)"
    add("--output-stride", type=int, choices=(8, 16, 32), help=about)
    add("--trained-on", choices=("gta5", "cityscapes"), help="noted in the checkpoint (default: gta5)")
    add = parser.add_argument_group("to RobustNet (.pth)").add_argument
    about = "of the file to write (default: as it came, else ibn for variant b and base for none)"
    add("--variant", choices=("base", "ibn", "isw"), help=about)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    source, output = arguments.checkpoint, arguments.output
    if output.suffix not in (".pt", ".pth", ".safetensors"):
        raise ConfigError(f"--output {output}: its name ends in .pt, .pth or .safetensors")
    if output.exists() and source.exists() and output.samefile(source):
        raise ConfigError(f"--output {output} is the file to convert; choose another name")
    for name, suffix in _BELONGS.items():
        if getattr(arguments, name) is not None and output.suffix != suffix:
            what = f"--{name.replace('_', '-')} has no effect on --output {output}"
            raise ConfigError(f"{what}; it belongs to {suffix} files")
    checkpoint = find_checkpoint(source)

    from segibn.runs.convert import convert

    how = {"output_stride": arguments.output_stride, "variant": arguments.variant}
    report = convert(checkpoint, output, trained_on=arguments.trained_on or "gta5", **how)
    print(f"{output}: {report}")
    if output.suffix == ".pt":
        more = ("--dataset", "cityscapes", "--datasets", "DIR")
        print_then(f"{command_text('evaluate', output, *more)}, the folder above cityscapes/")
    elif output.suffix == ".safetensors":
        print_then(f"{command_text('predict', output, 'FRAMES')} (images, videos or folders of yours)")
    return 0
