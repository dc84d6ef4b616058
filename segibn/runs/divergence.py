"""How far apart two domains lie in the features of trained networks (IBN-Net, figures 2 and 5)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import distributed
from segibn.analysis.divergence import Moments, collect_moments, compute_divergence
from segibn.builders.sets import index_dataset
from segibn.charts.lines import Line, line_chart
from segibn.charts.style import pixels
from segibn.config.data import DatasetConfig
from segibn.data.samples import SamplePaths
from segibn.engine.scoring import require_upright
from segibn.errors import ConfigError
from segibn.evaluation.feature_divergence import format_divergence, group_divergence
from segibn.evaluation.rows import network_titles
from segibn.files.encode import write_image
from segibn.files.pictures import read_image
from segibn.files.pool import map_in_threads
from segibn.files.writing import write_json, write_text
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.inference.options import WHOLE, InferenceOptions
from segibn.runs.evaluate import circumstances
from segibn.runs.loading import device_of, load_checkpoint
from segibn.runs.pictures import spread
from segibn.runs.trained import TrainedRun
from segibn.text import counted
from segibn.text.progress import FrameProgress

PLOT_FILE = "feature_divergence.png"
Domains = Sequence[tuple[str, Sequence[SamplePaths]]]


def measure_divergence(
    sources: Sequence[str | Path],
    domains: Sequence[tuple[str, DatasetConfig]],
    datasets_root: Path,
    output: Path | None = None,
    *,
    most_frames: int = 500,
    inference: InferenceConfig = AS_SCORED,
    device: str | None = None,
) -> str:
    """Measure every run; on every rank, the first writes -> the table.

    ``domains``: two of label and data set; labels of pixels are not needed. ``output``: folder for
    rows, table and chart; None writes none. ``most_frames``: of each domain, evenly spread.
    """
    samples = [(label, spread(index_dataset(dataset, datasets_root), most_frames)) for label, dataset in domains]
    wanted = max(2, distributed.rank_and_world()[1])
    for label, part in samples:
        if len(part) < wanted:
            raise ConfigError(
                f"--domains: {label} has {counted(len(part), 'frame')}; a variance needs two, and "
                f"every process one: {wanted}"
            )
    place = device_of(device)
    with distributed.process_group(place):
        rows = [_row(load_checkpoint(s), samples, inference, place) for s in sources]
    table = format_divergence(rows)
    if output is not None and distributed.is_main():
        names = {label: [sample.name for sample in part] for label, part in samples}
        conditions = circumstances(place, WHOLE) | {"frames": names}
        write_json(output / "feature_divergence.json", {"rows": rows, "conditions": conditions})
        write_text(output / "feature_divergence.md", table)
        write_image(output / PLOT_FILE, _plot(rows))
    return table


def _row(run: TrainedRun, domains: Domains, inference: InferenceConfig, place: torch.device) -> dict[str, Any]:
    options = inference.options_for(run.options, bfloat16=False)
    run.module.to(place)
    a, b = (_moments(run, label, part, options) for label, part in domains)
    return run.record() | {
        "domains": [label for label, _ in domains],
        "num_images": [len(part) for _, part in domains],
        "input_size": options.input_size and list(options.input_size),
        "input_height": options.input_height,
        "divergence": compute_divergence(a, b),
    }


def _moments(
    run: TrainedRun, label: str, samples: Sequence[SamplePaths], options: InferenceOptions
) -> dict[str, Moments]:
    """Moments of one domain's frames over all ranks, with progress."""
    rank, world = distributed.rank_and_world()
    mine = [sample.image for sample in samples[rank::world]]
    require_upright(options, samples, label)
    with FrameProgress(f"{run.title} on {label}", len(mine), enabled=distributed.is_main()) as progress:

        def images() -> Iterator[np.ndarray]:
            for done, (_, image) in enumerate(map_in_threads(read_image, mine, 4, 4), start=1):
                yield image
                progress(done)

        return collect_moments(run.module, images(), options)


def _plot(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    curves = group_divergence(rows)
    titles = network_titles(curves)
    lines = []
    for network, features in curves.items():
        means, spreads = zip(*((s.mean, s.deviation) for s in features.values()), strict=True)
        lines.append(Line(titles[network], means, spread=spreads))
    names = [name.removeprefix("layer") for name in max(curves.values(), key=len)]
    title = "feature divergence, {} against {}".format(*rows[0]["domains"])
    return pixels(line_chart(lines, title, dict(enumerate(names))))
