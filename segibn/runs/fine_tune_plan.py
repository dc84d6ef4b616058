"""What a fine-tuning trains: which network starts from which source, on which share of the target.

In: target configs and sources (runs that are there, configs to train first). Out: trainings, each
checked against its source before anything is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segibn.builders.models import build_segmenter
from segibn.builders.sets import build_label_set, index_dataset
from segibn.builders.transfer import plan_transfer
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.config.set_names import train_name
from segibn.config.shipped import names_config
from segibn.engine.run_dir import RunDir
from segibn.errors import CheckpointError, ConfigError
from segibn.models.weights.pretrained import WeightsReport
from segibn.runs.loading import load_checkpoint
from segibn.runs.study import load_configs, run_folder


@dataclass(frozen=True, eq=False)
class Source:
    """A training that others start from."""

    config: RunConfig
    checkpoint: Path
    """Its last one; not there yet if ``trains``."""
    class_names: tuple[str, ...]
    state: Mapping[str, Tensor]
    """Shapes of its weights, tensors on the meta device."""
    iteration: int
    """How many updates its weights have had."""
    trains: bool
    """Whether it has to be trained first."""

    @property
    def train(self) -> str:
        """What it was trained on, such as ``gta5:train``."""
        return train_name(self.config.data)


@dataclass(frozen=True, eq=False)
class Training:
    """One training on a share of the target."""

    config: RunConfig
    """Its share, name and ``init_from`` are filled in."""
    share: float
    """Of the target's training set, in (0, 1]."""
    train_images: int
    source: Source | None
    """What it starts from; None = ``model.weights``, the baseline."""
    report: WeightsReport | None
    """What it takes from there."""

    @property
    def start(self) -> str:
        """Where its first weights come from, in few words."""
        if self.source is not None:
            return self.source.train
        weights = self.config.model.weights
        return "scratch" if weights == "none" else f"{weights} weights"


def open_sources(
    given: Sequence[str],
    overrides: Sequence[str],
    seeds: Sequence[int],
    variants: Sequence[str],
    *,
    datasets_root: Path,
    output: Path,
) -> list[Source]:
    """Load the sources that are there and plan those that are configs; nothing is trained.

    Args:
        given: run folders, checkpoint files and configs; a config is trained as `load_configs`
            says, with the overrides, seeds and variants.
        output: folder for the run folders of configs.
    """
    sources = []
    for text in given:
        if not names_config(text):
            sources.append(_trained_source(text))
            continue
        for config in load_configs([text], overrides, seeds, variants):
            sources.append(_planned_source(config, datasets_root, output))
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
    """Give each config its source and each share its training.

    Args:
        configs: of the target, one for each network and seed.
        sources: see `open_sources`.
        shares: of the training set, each in (0, 1].
        baseline: whether each is also trained without its source.
        same_epochs: whether a share is trained for that share of ``optim.iterations`` (and of the
            warm-up), each frame being seen equally often, instead of for all of them.

    Returns:
        For each config and share, the baseline and then the fine-tuning.

    Raises:
        ConfigError: the configs differ in their target, or one has no source.
        CheckpointError: a source's weights do not fit.
    """
    _check_targets(configs)
    trainings = []
    for config in configs:
        source = choose_source(config, sources)
        samples = index_dataset(config.data.train, datasets_root)
        labels = build_label_set(config.data.train, config.data.classes, samples)
        report = _plan_transfer(config, source, labels.class_names)
        for share in shares:
            for start in (None, source) if baseline else (source,):
                part = _at_share(config, share, start, same_epochs)
                count = len(index_dataset(part.data.train, datasets_root))
                taken = report if start else None
                trainings.append(Training(part, share, count, start, taken))
    return trainings


def choose_source(config: RunConfig, sources: Sequence[Source]) -> Source:
    """Find the source of a config: the same kind of network; of several, that with its seed."""
    fitting = [source for source in sources if _network(source.config) == _network(config)]
    of_seed = [source for source in fitting if source.config.seed == config.seed]
    chosen = of_seed or fitting
    if len(chosen) == 1:
        return chosen[0]
    name, ibn = _network(config)
    wanted = f"{config.name} ({name}, ibn {ibn}, seed {config.seed})"
    if not chosen:
        there = ", ".join(
            "{} ({}, ibn {})".format(source.checkpoint, *_network(source.config))
            for source in sources
        )
        raise ConfigError(f"--from has no source for {wanted}; it has {there}")
    listed = ", ".join(str(source.checkpoint) for source in chosen)
    raise ConfigError(f"--from has several sources for {wanted}: {listed}; give one of them")


def _network(config: RunConfig) -> tuple[str, str]:
    return config.model.backbone.network, config.model.backbone.ibn


def _trained_source(path: str) -> Source:
    run = load_checkpoint(path)
    state = {key: value.to("meta") for key, value in run.module.state_dict().items()}
    return Source(run.config, run.checkpoint, run.class_names, state, run.iteration, trains=False)


def _planned_source(config: RunConfig, datasets_root: Path, output: Path) -> Source:
    samples = index_dataset(config.data.train, datasets_root)
    names = build_label_set(config.data.train, config.data.classes, samples).class_names
    checkpoint = RunDir(run_folder(config, output)).last_checkpoint
    state, iterations = _shapes(config, len(names)), config.optim.iterations
    return Source(config, checkpoint, names, state, iterations, trains=True)


def _plan_transfer(
    config: RunConfig, source: Source, class_names: tuple[str, ...]
) -> WeightsReport:
    try:
        return plan_transfer(
            _shapes(config, len(class_names)),
            source.state,
            class_names,
            source.class_names,
            source=str(source.checkpoint),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{config.name} cannot start from its source. {error}") from None


def _shapes(config: RunConfig, num_classes: int) -> Mapping[str, Tensor]:
    with torch.device("meta"):
        model = build_segmenter(config.model.model_copy(update={"weights": "none"}), num_classes)
    return model.state_dict()


def _at_share(
    config: RunConfig, share: float, source: Source | None, same_epochs: bool
) -> RunConfig:
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
    seen: dict[tuple[str, str, int], str] = {}
    for config in configs:
        if config.init_from is not None:
            raise ConfigError(f"{config.name}: leave init_from to --from")
        targets = [(c.data.sources, c.data.val, c.data.classes) for c in (first, config)]
        if targets[0] != targets[1]:
            raise ConfigError(
                f"{first.name} and {config.name} have different targets (data.train, data.mix, "
                "data.val, data.classes); one table compares networks on one target"
            )
        identity = (*_network(config), config.seed)
        if identity in seen:
            raise ConfigError(
                "{} and {} are the same kind of run ({}, ibn {}, seed {}); give one".format(
                    seen[identity], config.name, *identity
                )
            )
        seen[identity] = config.name
