#!/usr/bin/env python
"""Size, work and time of every backbone: the source of the README's table of models.

Parameters and multiply-adds are counted for the classifier without its last layer, the time is the
median of one frame through it on this machine's CPU, float32, channels-last.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import describe_device
from segibn import provenance
from segibn.files.writing import write_json
from segibn.models import build_backbone
from segibn.models.catalog import BACKBONES, family_of
from segibn.models.weights.sources import PUBLISHED

SIZE = (512, 1024)


def variants(name: str) -> tuple[str, ...]:
    """The variants that the table shows: plain, and those that were published."""
    if name.startswith("resnet") and not name.startswith("resnext"):
        return ("none", "a", "b")
    return ("none", "a") if "a" in family_of(name).ibn else family_of(name).ibn


def multiply_adds(name: str, ibn: str, size: tuple[int, int]) -> int:
    """Multiply-adds of the convolutions for one frame; nothing is computed."""
    with torch.device("meta"):
        backbone = build_backbone(name, ibn).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            backbone(torch.zeros(1, 3, *size))
    return counter.get_total_flops() // 2


def milliseconds(backbone: nn.Module, size: tuple[int, int], repeats: int) -> float:
    """Median time of one frame."""
    image = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)
    backbone = backbone.eval().to(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            backbone(image)
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def errors(name: str, ibn: str) -> tuple[float | None, float | None]:
    """Published top-1 and top-5 error in per cent."""
    for release in ("ibn_net", "torchvision"):
        source = PUBLISHED.get((release, name, ibn))
        if source is not None:
            return source.top1_error, source.top5_error
    return None, None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure every backbone.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    parser.add_argument("--repeats", type=int, default=3, help="frames timed (default 3)")
    parser.add_argument("--quick", action="store_true", help="tiny frames and two networks")
    options = parser.parse_args(argv)
    size = (64, 64) if options.quick else SIZE
    rows = []
    for name in BACKBONES[:2] if options.quick else BACKBONES:
        for ibn in variants(name):
            torch.manual_seed(0)
            backbone = build_backbone(name, ibn)
            top1, top5 = errors(name, ibn)
            row = {
                "name": name,
                "ibn": ibn,
                "parameters": sum(p.numel() for p in backbone.parameters()),
                "multiply_adds": multiply_adds(name, ibn, size),
                "cpu_ms": milliseconds(backbone, size, options.repeats),
                "top1_error": top1,
                "top5_error": top5,
            }
            rows.append(row)
            print(
                f"{name:14} {ibn:5} {row['parameters'] / 1e6:7.2f} M "
                f"{row['multiply_adds'] / 1e9:7.1f} G {row['cpu_ms']:8.1f} ms",
                flush=True,
            )
    if options.json is not None:
        content = {
            "size": list(size),
            "device": describe_device("cpu"),
            "command": provenance.command_line(),
            "revision": provenance.git_revision(),
            "versions": provenance.versions(),
            "rows": rows,
        }
        write_json(options.json, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
