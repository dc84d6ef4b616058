"""Trainings of several configs, IBN variants and seeds, each in a run folder of its own."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from segibn.config.load import load_config
from segibn.config.schema import RunConfig
from segibn.errors import SegibnError

Changes = tuple[Sequence[str], Sequence[int], Sequence[str]]
"""Overrides, seeds and variants of IBN, see ``load_configs``."""
_SUFFIXES = {"none": "none", "a": "ibn"}  # variant of IBN -> how the name of its config ends


def load_configs(
    paths: Sequence[str | Path], overrides: Sequence[str], seeds: Sequence[int], variants: Sequence[str] = ()
) -> Iterator[RunConfig]:
    """Yield each config with each variant of IBN and each seed; without variants its own.

    A variant also names the run: of ``camera_ibn`` come ``camera_none`` and ``camera_ibn_b``. What
    the config says of surgery goes where the variant has none.
    """
    for path in paths:
        own = load_config(path, overrides) if variants else None
        for variant in variants or (None,):
            changes = list(overrides)
            if own is not None and variant is not None:
                stem = re.sub(r"_(none|ibn(_\w+)?)$", "", own.name)
                suffix = _SUFFIXES.get(variant, f"ibn_{variant}")
                changes += [f"model.backbone.ibn={variant}", f"name={stem}_{suffix}"]
                changes += _without_surgery(own, variant)
            for seed in dict.fromkeys(seeds):
                yield load_config(path, [*changes, f"seed={seed}"])


def _without_surgery(config: RunConfig, variant: str) -> Iterator[str]:
    backbone = config.model.backbone
    is_own = backbone.name != "timm"
    has = {
        "ibn_share": variant == "share",
        "ibn_where": variant == "share" or (variant in ("a", "b") and not is_own),
        "ibn_ease": variant in ("a", "b", "share", "a2"),
    }
    if variant != "share" and backbone.ibn_where is not None and backbone.ibn_where.places:
        yield "model.backbone.ibn_where.places=null"
    for key, applies in has.items():
        if not applies and getattr(backbone, key, None):
            yield f"model.backbone.{key}={'0' if key == 'ibn_ease' else 'null'}"


def run_folder(config: RunConfig, output: Path) -> Path:
    """Return where ``train_once`` puts a run."""
    return output / f"{config.name}_seed{config.seed}"


def train_once(config: RunConfig, datasets_root: Path, output: Path) -> Path:
    """Train a config, or resume it where it is not finished -> its `run_folder`."""
    from segibn.engine.train import train  # torch only after all configs are known to be right

    run = run_folder(config, output)
    result = train(config, datasets_root=datasets_root, output=run, resume="auto")
    if result.stopped_by is not None:
        raise SegibnError(f"stopped at iteration {result.iteration} of {run}; repeat to resume")
    return run
