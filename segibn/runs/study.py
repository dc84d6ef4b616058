"""Trainings of several configs, IBN variants, values of a grid and seeds, each in a folder of its own."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.config.load import load_config, validate
from segibn.config.schema import RunConfig
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.text import printable
from segibn.text.plain_data import parse_yaml

if TYPE_CHECKING:
    from segibn.runs.trained import TrainedRun

_SUFFIXES = {"none": "none", "a": "ibn"}  # variant of IBN -> how the name of its config ends


def load_configs(
    paths: Sequence[str | Path],
    overrides: Sequence[str],
    seeds: Sequence[int],
    variants: Sequence[str] = (),
    grid: Sequence[str] = (),
) -> Iterator[RunConfig]:
    """Yield each config with each variant of IBN, each point of a grid and each seed.

    A variant also names the run: of ``camera_ibn`` come ``camera_none`` and ``camera_ibn_b``; so does a
    point: ``camera_ibn_lr0.1``. What the config says of surgery goes where the variant has none.
    ``grid``: see `read_axis`.
    """
    points = list(itertools.product(*map(read_axis, grid)))
    for path in paths:
        own = load_config(path, overrides) if variants else None
        for variant in variants or (None,):
            changes = list(overrides)
            if own is not None and variant is not None:
                stem = re.sub(r"_(none|ibn(_\w+)?)$", "", own.name)
                suffix = _SUFFIXES.get(variant, f"ibn_{variant}")
                changes += [f"model.backbone.ibn={variant}", f"name={stem}_{suffix}"]
                changes += _without_surgery(own, variant)
            for point, seed in itertools.product(points, dict.fromkeys(seeds)):
                config = load_config(path, [*changes, *itertools.chain(*point), f"seed={seed}"])
                yield config.model_copy(update={"name": "_".join([config.name, *map(_named, point)])})


def read_axis(text: str) -> list[tuple[str, ...]]:
    """Read ``key=v,w`` -> the overrides of each value; of ``key+other=v+x,w+y`` both change together."""
    keys, equals, values = text.partition("=")
    found = parse_yaml(f"[{values}]", f"--grid {printable(text)}") if equals and keys else None
    if not isinstance(found, list) or not found:
        raise ConfigError(f"--grid {printable(text)}: write key=value,value, such as optim.lr=0.01,0.001")
    names, axis = keys.split("+"), []
    for value in found:
        parts = str(value).split("+") if len(names) > 1 else ["null" if value is None else str(value)]
        if len(parts) != len(names):
            raise ConfigError(f"--grid {printable(text)}: {len(names)} keys, but {printable(value)}")
        axis.append(tuple(f"{name}={part}" for name, part in zip(names, parts, strict=True)))
    return axis


def _named(overrides: Sequence[str]) -> str:
    """A point of an axis in the name of a run: ``optim.lr=0.1`` -> lr0.1."""
    key, _, value = overrides[0].partition("=")
    return re.sub(r"[^\w.]+", "-", key.rsplit(".", 1)[-1] + value).strip("-")


def start_from(config: RunConfig, runs: Sequence["TrainedRun"], datasets_root: Path) -> RunConfig:
    """Return a config whose ``init_from`` is the run of its network and seed, named after that.

    ConfigError: none, or several, have its network. CheckpointError: weights do not fit.
    """
    import torch

    from segibn.builders.models import build_segmenter
    from segibn.builders.sets import training_sets
    from segibn.builders.transfer import plan_transfer

    if config.init_from is not None:
        raise ConfigError(f"{config.name}: leave init_from to --from")
    fitting = [run for run in runs if _network(run.training) == _network(config)]
    chosen = [run for run in fitting if run.training.seed == config.seed] or fitting
    if len(chosen) != 1:
        wanted = f"{config.name} ({_network(config)}, seed {config.seed})"
        listed = ", ".join(f"{run.checkpoint} ({_network(run.training)})" for run in chosen or runs)
        many = "several sources" if chosen else "no source"
        raise ConfigError(f"--from has {many} for {wanted}: {listed}; give one of its network and seed")
    (source,) = chosen
    names = training_sets(config.data, datasets_root)[0].label_set.class_names
    with torch.device("meta"):
        model = build_segmenter(config.model.model_copy(update={"weights": "none"}), len(names))
    given = {key: value.to("meta") for key, value in source.module.state_dict().items()}
    try:
        report = plan_transfer(model.state_dict(), given, names, source.class_names, source=source.source)
    except CheckpointError as error:
        raise CheckpointError(f"{config.name} cannot start from its source. {error}") from None
    print(f"{config.name}, seed {config.seed}: {report.summary()}")
    tree = config.model_dump(mode="json") | {"init_from": source.source}
    return validate(tree | {"name": f"{config.name}_from_{source.training.name}"}, source=config.name)


def _network(config: RunConfig) -> str:
    return f"{config.model.backbone.network}, ibn {config.model.backbone.ibn_title}"


def _without_surgery(config: RunConfig, variant: str) -> Iterator[str]:
    backbone = config.model.backbone
    has = {
        "ibn_share": variant == "share",
        "ibn_where": variant == "share" or (variant in ("a", "b") and backbone.name == "timm"),
        "ibn_ease": variant in ("a", "b", "share", "a2"),
    }
    if variant != "share" and backbone.ibn_where is not None and backbone.ibn_where.places:
        yield "model.backbone.ibn_where.places=null"
    for key, applies in has.items():
        if not applies and getattr(backbone, key, None):
            yield f"model.backbone.{key}={'0' if key == 'ibn_ease' else 'null'}"


def train_once(config: RunConfig, datasets_root: Path, output: Path) -> Path:
    """Train a config, or resume it where it is not finished -> its run folder below ``output``."""
    from segibn.engine.train import train  # torch only after all configs are known to be right

    run = output / f"{config.name}_seed{config.seed}"
    result = train(config, datasets_root=datasets_root, output=run, resume="auto")
    if result.stopped_by is not None:
        raise SegibnError(f"stopped at iteration {result.iteration} of {run}; repeat to resume")
    return run
