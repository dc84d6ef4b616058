#!/usr/bin/env python
"""Augmentation of a batch on its device, against the same formula written out at full length.

Whole spectra in amplitude and phase, torchvision's deformable convolution, a loop over samples. All
samples are changed, and random convolutions make six rounds, near the mean of the default.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from benchmarks.timing import Benchmark, Call, make_parser, run
from segibn.augment.copy_paste import CopyPaste
from segibn.augment.fourier import AmplitudeMix, Pasta
from segibn.augment.random_convolution import EPSILON, TAPS, draw_block

ROUNDS = 6
CLASSES = 19
RARE = (5, 6, 7, 11, 12, 14, 15, 16, 17, 18)
SIZES = ((8, 96, 128), (4, 512, 512))
QUICK = ((2, 8, 12),)

Work = Callable[[Tensor, Tensor], object]


def random_convolution(image: Tensor, _: Tensor, offset: float) -> Tensor:
    """Six rounds of a block, as `RandomConvolution` does them."""
    block = draw_block(image.shape[-2:], offset, 0.5, image.device)
    image = image / 127.5 - 1.0
    for _ in range(ROUNDS):
        image = block(image)
    return (image + 1.0) * 127.5


def deformed_by_torchvision(image: Tensor, _: Tensor) -> Tensor:
    """Six rounds of a block with torchvision's operator."""
    block = draw_block(image.shape[-2:], 0.0, 0.5, image.device)
    count, _, height, width = image.shape
    offset = 0.25 * torch.randn(1, 2 * TAPS, height, width, device=image.device)
    offset = offset.repeat(count, 1, 1, 1)
    image = image / 127.5 - 1.0
    for _ in range(ROUNDS):
        image = deform_conv2d(image, offset, block.weight, padding=1)
        variance, mean = torch.var_mean(image, dim=(-2, -1), keepdim=True, correction=0)
        image = (image - mean) / (variance + EPSILON).sqrt() * block.gamma + block.beta
        image = image.tanh()
    return (image + 1.0) * 127.5


def pasta_on_whole_spectra(image: Tensor, _: Tensor) -> Tensor:
    """The paper's formula, every frequency with its own factor; the real part is kept."""
    height, width = image.shape[-2:]
    m = torch.fft.fftfreq(height, 1 / height, device=image.device)[:, None]
    n = torch.fft.fftfreq(width, 1 / width, device=image.device)
    sigma = (6 * ((m**2 + n**2) / (height**2 + width**2)).sqrt()) ** 2 + 0.25
    spectrum = torch.fft.fft2(image)
    amplitude = spectrum.abs() * (1 + sigma * torch.randn_like(image))
    whole = amplitude * torch.exp(1j * spectrum.angle())
    return torch.fft.ifft2(whole).real.clamp(0, 255)


def mix_on_whole_spectra(image: Tensor, _: Tensor) -> Tensor:
    """The amplitude of every frequency mixed with the next sample's, the phase kept."""
    spectrum = torch.fft.fft2(image)
    share = torch.rand(len(image), 1, 1, 1, device=image.device)
    amplitude = (1 - share) * spectrum.abs() + share * spectrum.abs().roll(1, 0)
    whole = amplitude * torch.exp(1j * spectrum.angle())
    return torch.fft.ifft2(whole).real.clamp(0, 255)


def paste_in_a_loop(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """One rare class of the next sample into each one."""
    image, target = image.clone(), target.clone()
    images, targets = image.clone(), target.clone()
    for here in range(len(image)):
        there = (here + 1) % len(image)
        shown = [int(value) for value in targets[there].unique() if int(value) in RARE]
        if shown:
            mask = targets[there] == shown[int(torch.randint(len(shown), ()))]
            image[here][:, mask] = images[there][:, mask]
            target[here][mask] = targets[there][mask]
    return image, target


PAIRS: dict[tuple[str, str], tuple[Work, Work]] = {
    ("PASTA", "on whole spectra"): (lambda image, _: Pasta(3.0, 0.25, 2.0, 1.0)(image), pasta_on_whole_spectra),
    ("amplitude mix", "on whole spectra"): (lambda image, _: AmplitudeMix(1.0, None, 1.0)(image), mix_on_whole_spectra),
    ("random convolutions", "by torchvision's operator"): (
        partial(random_convolution, offset=0.5),
        deformed_by_torchvision,
    ),
    ("random convolutions, plain", "deformed"): (
        partial(random_convolution, offset=0.0),
        partial(random_convolution, offset=0.5),
    ),
    ("copy-paste", "in a loop over samples"): (CopyPaste(RARE, 1, 1.0), paste_in_a_loop),
}
"""(what of ours, the other way) -> both."""


def make_call(work: Work, size: tuple[int, int, int], device: str) -> Call:
    """One piece of work: a batch of blocks of classes, as many as a street scene shows."""
    count, height, width = size
    generator = torch.Generator().manual_seed(0)
    image = 255 * torch.rand(count, 3, height, width, generator=generator)
    blocks = torch.randint(CLASSES, (count, 4, 6), generator=generator, dtype=torch.uint8)
    rows, columns = torch.arange(height) * 4 // height, torch.arange(width) * 6 // width
    target = blocks[:, rows][:, :, columns].contiguous()
    image, target = image.to(device), target.to(device)

    def call() -> None:
        work(image, target)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser("Time the augmentation of batches.", pairs=9)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, choices=("cpu", "cuda"))
    options = parser.parse_args(argv)
    builders, comparisons = {}, []
    for size in QUICK if options.quick else SIZES:
        shape = " x ".join(map(str, size))
        for (name, other), works in PAIRS.items():
            pair = f"{name}, {shape}", f"{name.partition(',')[0]} {other}, {shape}"
            for label, work in zip(pair, works, strict=True):
                builders[label] = partial(make_call, work, size, options.device)
            comparisons.append(pair)
    benchmark = Benchmark(
        title="Augmentation of batches",
        builders=builders,
        comparisons=comparisons,
        conditions=f"N x H x W, float32 RGB; {ROUNDS} rounds of random convolutions",
        device=options.device,
    )
    run(benchmark, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
