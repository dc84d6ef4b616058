"""Temperature scaling (Guo et al., ICML 2017): one number for the logits, fitted on the source.

It is that of the smallest negative log-likelihood over some labelled pixels of each frame. Label
maps do not change; confidences do.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from segibn import distributed
from segibn.config.data import DatasetConfig
from segibn.errors import ConfigError
from segibn.files.writing import write_text
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.inference.views import upsampled_rows
from segibn.labels.label_set import IGNORE_INDEX
from segibn.runs.evaluate import frames_of, own_set
from segibn.runs.loading import device_of, load_any
from segibn.runs.outside import NOTHING, Said
from segibn.runs.trained import TrainedRun
from segibn.text.progress import FrameProgress

ROWS, PIXELS = 32, 4000  # of each frame, at most


class Temperature(NamedTuple):
    """What was fitted."""

    value: float
    before: float  # negative log-likelihood of a pixel, nats, at temperature 1
    after: float
    pixels: int


def calibrate(
    source: str | Path,
    on: DatasetConfig | None,
    datasets_root: Path,
    output: Path | None = None,
    *,
    inference: InferenceConfig = AS_SCORED,
    said: Said = NOTHING,
    device: str | None = None,
) -> Temperature:
    """Fit the temperature of a network; one process.

    ``on``: labelled set; None = the run's held-out one. ``output``: an inference config to write
    it to. ConfigError: the network gives no logits, or several views would be averaged.
    """
    run, place = load_any(source, said), device_of(device)
    dataset = on or own_set(run, source)
    run = run.asked(inference, place)
    if not run.options.is_single_view or run.options.temperature != 1:
        raise ConfigError("a temperature is fitted to whole frames, seen once, without another")
    found = fit(*_sample(run, dataset, datasets_root))
    if output is not None:
        about = f"# fitted on {dataset.title}, {found.pixels} pixels, for {run.name}\n"
        write_text(output, f"{about}temperature: {found.value:.4g}\n")
    return found


def _sample(run: TrainedRun, dataset: DatasetConfig, root: Path) -> tuple[Tensor, Tensor]:
    """Logits (n, K) and targets (n,) of labelled pixels in random rows of every frame."""
    frames = frames_of(run, dataset, root)
    predictor, logits, targets = run.predictor, [], []
    if getattr(predictor.networks[0], "gives", "logits") != "logits" or frames.merged is not None:
        raise ConfigError("only logits of the set's own classes have a temperature")
    with FrameProgress("temperature", len(frames), distributed.is_main()) as progress:
        for done, (name, image, target) in enumerate(frames, start=1):
            digest = hashlib.sha256(name.encode(errors="backslashreplace")).digest()
            rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
            (view,) = predictor.logits([image])
            rows = rng.permutation(len(target))[:ROWS]
            how = {"size": target.shape, "align_corners": predictor.align_corners}
            found = [upsampled_rows(view, slice(row, row + 1), **how)[0, :, 0] for row in rows.tolist()]
            values = torch.cat(found, dim=1).T.cpu()
            truth = torch.from_numpy(target[rows].reshape(-1).astype(np.int64))
            valid = (truth != IGNORE_INDEX).nonzero()[:, 0]
            kept = valid[torch.from_numpy(rng.permutation(len(valid))[:PIXELS])]
            logits.append(values[kept])
            targets.append(truth[kept])
            progress(done)
    return torch.cat(logits).double(), torch.cat(targets)


def fit(logits: Tensor, targets: Tensor) -> Temperature:
    """Find the temperature of the smallest mean negative log-likelihood.

    ``logits``: (n, K) float64; ``targets``: (n,) int64. It is convex in 1 / temperature, so that
    its slope is 0 in one place, which halving finds.
    """
    if not len(targets):
        raise ConfigError("no pixel is labelled, so that there is nothing to fit a temperature to")
    own = logits.gather(1, targets[:, None])[:, 0]
    low, high = 1 / 16, 16.0  # of 1 / temperature
    for _ in range(60):
        middle = (low * high) ** 0.5
        expected = ((middle * logits).softmax(dim=1) * logits).sum(dim=1)
        low, high = (low, middle) if (expected - own).mean() > 0 else (middle, high)
    scale = (low * high) ** 0.5

    def loss(scale: float) -> float:
        return float(((scale * logits).logsumexp(dim=1) - scale * own).mean())

    return Temperature(1 / scale, loss(1.0), loss(scale), len(targets))
