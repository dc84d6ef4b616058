#!/usr/bin/env python
"""The IBN layer against batch norm and against the split form, at the sizes of ResNet-50 at 768.

"split form" is the published module: both halves copied, normalised apart and joined. "ours" is
what a network of this package runs. With ``--compile`` all three go through torch.compile.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.models.ibn import InstanceBatchNorm2d

# Channels and side of the tensor after a block's first convolution, for 768 x 768 input at output
# stride 32 (layer3 at stride 16).
SHAPES = ((64, 192), (128, 96), (256, 48))
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class SplitForm(nn.Module):
    """Instance-batch normalisation as IBN-Net's code computes it (section 3 of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        instance, batch = torch.split(x, [self.half, x.shape[1] - self.half], dim=1)
        return torch.cat([self.IN(instance.contiguous()), self.BN(batch.contiguous())], dim=1)


LAYERS = {"batch norm": nn.BatchNorm2d, "split form": SplitForm, "ours": InstanceBatchNorm2d}


def make_call(kind: str, shape: tuple[int, ...], options: dict) -> Call:
    """One piece of work: a forward pass without gradients, or forward and backward."""
    device, training = options["device"], options["training"]
    layout = torch.channels_last if options["channels_last"] else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).to(options["dtype"])
    x = x.to(device).contiguous(memory_format=layout)
    layer = LAYERS[kind](shape[1]).to(device).train(training)
    if options["compile"]:
        layer = torch.compile(layer)
    upstream = torch.randn_like(x)

    def forward() -> None:
        with torch.no_grad():
            layer(x)
        _wait(device)

    def both() -> None:
        x.grad = None
        layer(x).backward(upstream)
        _wait(device)

    if training:
        x.requires_grad_()
    call = both if training else forward
    call()
    return call


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time the IBN layer.", pairs=15)
    parser.add_argument("--batch", type=int, default=2, help="default 2")
    parser.add_argument("--dtype", nargs="+", choices=tuple(DTYPES), default=tuple(DTYPES))
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    parser.add_argument("--contiguous", action="store_true", help="NCHW instead of channels-last")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    options = parser.parse_args(argv)
    builders, comparisons = {}, []
    for dtype in options.dtype[:1] if options.quick else options.dtype:
        for training in (False, True):
            for channels, side in SHAPES[:1] if options.quick else SHAPES:
                side = 8 if options.quick else side
                names = {}
                for kind in LAYERS:
                    work = "training" if training else "inference"
                    name = f"{kind}, {work}, {dtype}, {channels}x{side}x{side}"
                    names[kind] = name
                    builders[name] = partial(
                        make_call,
                        kind,
                        (options.batch, channels, side, side),
                        {
                            "device": options.device,
                            "training": training,
                            "channels_last": not options.contiguous,
                            "dtype": DTYPES[dtype],
                            "compile": options.compile,
                        },
                    )
                comparisons += [(names["ours"], names[rival]) for rival in ("split form", "batch norm")]
    layout = "channels-first" if options.contiguous else "channels-last"
    run(
        Benchmark(
            title="The IBN layer, half instance and half batch norm",
            builders=builders,
            comparisons=comparisons[:1] if options.quick else comparisons,
            conditions=f"batch {options.batch}, {layout}, {'compiled' if options.compile else 'eager'}",
            device=options.device,
        ),
        options,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
