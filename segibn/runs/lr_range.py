"""Learning-rate range test (Smith, arXiv 1506.01186): a short training whose rate rises, and what it says."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segibn.charts.lines import Line, line_chart
from segibn.charts.style import pixels
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.engine.optim import RANGE
from segibn.engine.train import train
from segibn.errors import SegibnError
from segibn.files.encode import write_image
from segibn.files.writing import write_json
from segibn.text.plain_data import parse_json

_SMOOTHED = 0.9  # of the running mean of the loss
_DIVERGED = 2.0  # times the lowest loss so far, where the test is read no further
_SAFE = 3.0  # below the rate of the lowest loss, where no steepest fall is clear


@dataclass(frozen=True)
class RangeTest:
    """Rates and smoothed losses, up to where the training diverges."""

    rates: list[float]
    losses: list[float]
    suggested: float


def range_test(config: RunConfig, datasets_root: Path, output: Path, highest: float, updates: int) -> RangeTest:
    """Train ``updates`` from ``highest / 1e5`` to ``highest``; writes ``lr_range.json`` and ``.png``.

    Nothing of the run is kept. SegibnError: the loss diverges at once, or never falls.
    """
    tree = config.model_dump(mode="json")
    optim = {"lr": highest, "schedule": "range", "iterations": updates, "warmup_iterations": 0, "warmup_factor": 0.0}
    tree["optim"] |= {**optim, "min_lr_factor": 0.0, "poly_power": 0.9}
    tree["data"] |= {"val": None, "half_size_share": 0.0}
    tree["engine"] |= {
        "log_every": 1,
        "checkpoint_every": updates,
        "evaluate_every": 0,
        "trackers": [],
        "patience": None,
    }
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as folder:
        run = Path(folder) / "run"
        try:
            train(validate(tree, "the range test"), datasets_root=datasets_root, output=run)
        except SegibnError as error:
            if "NaN" not in str(error) and "infinite" not in str(error):
                raise
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        losses = [float(parse_json(line, "metrics.jsonl")["loss"]) for line in lines]
    found = read_range(losses, highest, updates)
    write_json(output / "lr_range.json", {"rates": found.rates, "losses": found.losses, "suggested": found.suggested})
    places = np.linspace(0, len(found.rates) - 1, 5).astype(int)
    named = {int(place): f"{found.rates[place]:.1e}" for place in places}
    line = Line("loss", found.losses, has_marks=False)
    figure = line_chart([line], "Loss over the learning rate", named, from_zero=False, has_legend=False)
    write_image(output / "lr_range.png", pixels(figure))
    return found


def read_range(losses: list[float], highest: float, updates: int) -> RangeTest:
    """Return what the losses of rising rates say: the rate of the steepest fall, before they diverge."""
    rates, smooth, mean, lowest = [], [], 0.0, math.inf
    for place, loss in enumerate(losses):
        mean = _SMOOTHED * mean + (1 - _SMOOTHED) * loss
        value = mean / (1 - _SMOOTHED ** (place + 1))
        lowest = min(lowest, value)
        if not math.isfinite(value) or value > _DIVERGED * lowest:
            break
        rates.append(highest * RANGE ** (place / updates - 1))
        smooth.append(value)
    if len(rates) < 3 or min(smooth) >= smooth[0]:
        raise SegibnError("the loss never fell: give --find-lr less, or look at the data with segibn check")
    slopes = np.gradient(np.array(smooth), np.log(rates))
    best = int(np.argmin(smooth))
    steepest = int(np.argmin(slopes[: best + 1]))
    return RangeTest(rates, smooth, min(rates[steepest], rates[best] / _SAFE))
