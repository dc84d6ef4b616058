"""What a fine-tuning trains: which network starts from which source, on which share of the target.

Every training is checked against its source before anything is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segibn.builders.models import build_segmenter
from segibn.builders.sets import index_dataset, training_sets
from segibn.builders.transfer import plan_transfer
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.config.shipped import names_config
from segibn.engine.run_dir import RunDir
from segibn.errors import CheckpointError, ConfigError
from segibn.models.weights.pretrained import WeightsReport
from segibn.runs.loading import load_checkpoint
from segibn.runs.study import Changes, load_configs, run_folder


@dataclass(frozen=True, eq=False)
class Source:
    """A training that others start from."""

    config: RunConfig
    checkpoint: Path  # its last one; not there yet if it has to be trained first
    class_names: tuple[str, ...]
    state: Mapping[str, Tensor]  # of its weights, on the meta device
    iteration: int  # how many updates its weights have had
    trains: bool  # whether it has to be trained first

    @property
    def train(self) -> str:
        """What it was trained on, such as ``gta5:train``."""
        return self.config.data.title


@dataclass(frozen=True, eq=False)
class Training:
    """One training on a share of the target."""

    config: RunConfig  # share, name and ``init_from`` are filled in
    share: float  # of the target's training set, in (0, 1]
    train_images: int
    source: Source | None  # None = ``model.weights``, the baseline
    report: WeightsReport | None  # what it takes from its source

    @property
    def start(self) -> str:
        """Where its weights come from, in few words."""
        if self.source is not None:
            return self.source.train
        weights = self.config.model.weights
        return "scratch" if weights == "none" else f"{weights} weights"


def open_sources(given: Sequence[str], changes: Changes, datasets_root: Path, output: Path) -> list[Source]:
    """Load the sources that are there and plan those that are configs; nothing is trained.

    ``given``: run folders, checkpoint files and configs, whose runs are in ``output``.
    """
    sources = []
    for text in given:
        if not names_config(text):
            run = load_checkpoint(text)
            state = {key: value.to("meta") for key, value in run.module.state_dict().items()}
            names, iteration = run.class_names, run.iteration
            sources.append(Source(run.config, run.checkpoint, names, state, iteration, False))
            continue
        for config in load_configs([text], *changes):
            names, state = _outline(config, datasets_root)
            checkpoint = RunDir(run_folder(config, output)).last_checkpoint
            iterations = config.optim.iterations
            sources.append(Source(config, checkpoint, names, state, iterations, True))
    return sources


def plan_trainings(
    configs: Sequence[RunConfig],
    sources: Sequence[Source],
    *,
    shares: Sequence[float],
    baseline: bool,
    same_epochs: bool,
    datasets_root: Path,
) -> list[Training]:
    """Give each config its source, and each share its training, behind its baseline.

    ``configs``: one for each network and seed. ``same_epochs``: a share is trained for that share
    of ``optim.iterations`` and warm-up, so that each frame is seen equally often. ConfigError: the
    targets differ, or a config has no source. CheckpointError: a source's weights do not fit.
    """
    _check_targets(configs)
    trainings = []
    for config in configs:
        source = _choose_source(config, sources)
        names, state = _outline(config, datasets_root)
        given, path = source.class_names, str(source.checkpoint)
        try:
            report = plan_transfer(state, source.state, names, given, source=path)
        except CheckpointError as error:
            message = f"{config.name} cannot start from its source. {error}"
            raise CheckpointError(message) from None
        for share in shares:
            for start in (None, source) if baseline else (source,):
                part = _at_share(config, share, start, same_epochs)
                count = len(index_dataset(part.data.train, datasets_root))
                trainings.append(Training(part, share, count, start, report if start else None))
    return trainings


def _choose_source(config: RunConfig, sources: Sequence[Source]) -> Source:
    """The source with the same kind of network; of several, that with the same seed."""
    fitting = [source for source in sources if _network(source.config) == _network(config)]
    chosen = [source for source in fitting if source.config.seed == config.seed] or fitting
    if len(chosen) == 1:
        return chosen[0]
    wanted = f"{config.name} ({_network(config)}, seed {config.seed})"
    if not chosen:
        there = ", ".join(f"{one.checkpoint} ({_network(one.config)})" for one in sources)
        raise ConfigError(f"--from has no source for {wanted}; it has {there}")
    listed = ", ".join(str(source.checkpoint) for source in chosen)
    raise ConfigError(f"--from has several sources for {wanted}: {listed}; give one of them")


def _network(config: RunConfig) -> str:
    return f"{config.model.backbone.network}, ibn {config.model.backbone.ibn}"


def _outline(config: RunConfig, datasets_root: Path) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The classes of a training, and its network's state on the meta device."""
    names = training_sets(config.data, datasets_root)[0].label_set.class_names
    with torch.device("meta"):
        model = build_segmenter(config.model.model_copy(update={"weights": "none"}), len(names))
    return names, model.state_dict()


def _at_share(config: RunConfig, share: float, source: Source | None, same_epochs: bool) -> RunConfig:
    tree = config.model_dump(mode="json")
    if same_epochs:
        optim = tree["optim"]
        optim["iterations"] = max(1, round(share * optim["iterations"]))
        optim["warmup_iterations"] = int(share * optim["warmup_iterations"])
    tree["name"] += f"_{share:g}_{'fine_tuned' if source else 'baseline'}"
    tree["data"]["train"]["fraction"] *= share
    tree["init_from"] = str(source.checkpoint) if source else None
    return validate(tree, source=config.name)


def _check_targets(configs: Sequence[RunConfig]) -> None:
    """All must be of one target, and no two the same kind of run."""
    first = configs[0]
    seen: dict[str, str] = {}
    for config in configs:
        if config.init_from is not None:
            raise ConfigError(f"{config.name}: leave init_from to --from")
        targets = [(c.data.sources, c.data.val, c.data.classes) for c in (first, config)]
        if targets[0] != targets[1]:
            raise ConfigError(
                f"{first.name} and {config.name} have different targets (data.train, data.mix, "
                "data.val, data.classes); one table compares networks on one target"
            )
        kind = f"{_network(config)}, seed {config.seed}"
        if kind in seen:
            names = f"{seen[kind]} and {config.name}"
            raise ConfigError(f"{names} are the same kind of run ({kind}); give one")
        seen[kind] = config.name
