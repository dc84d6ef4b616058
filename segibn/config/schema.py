"""What may stand in a config file: frozen pydantic models, every field documented.

Numbers may be written as YAML reads them ("1e-4" is a string to YAML 1.1; it becomes a float
here). Unknown keys are errors. Sizes are (H, W) in pixels. Defaults live here and nowhere else.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from segibn.config import values
from segibn.config.data import DataConfig
from segibn.config.generalise import GeneraliseConfig
from segibn.config.model import ModelConfig
from segibn.config.values import Frozen

CONFIG_VERSION: Literal[4] = 4
"""Version of what is below; `segibn.config.upgrade` reads files of earlier ones."""


class OhemConfig(Frozen):
    """Online hard example mining (arXiv 1604.03540): only hard pixels count."""

    threshold: values.PositiveFraction = 0.7
    """Pixels whose true class has a probability below this are hard."""
    min_kept: values.Fraction = 0.0625
    """Share of the valid pixels that counts in any case, the hardest ones first."""


class LossConfig(Frozen):
    """What is minimised: a pixel loss and, if asked for, region losses; target 255 is ignored.

    Cross-entropy's mean is exact over processes and accumulated steps; OHEM, Dice and Lovasz are
    computed by each process for each step, and averaged.
    """

    class_weights: Annotated[tuple[values.Positive, ...], Field(max_length=255)] | None = None
    """Weight of each class in the pixel loss, by train id; null = all 1. Only ratios matter."""
    label_smoothing: values.BelowOne = 0.0
    """Share of the pixel loss's target that is spread over all classes."""
    ohem: OhemConfig | None = None
    """Mean of the pixel loss over hard pixels alone; null = over all valid pixels."""
    dice_weight: values.NonNegative = 0.0
    """Weight of the soft Dice loss of the main head, mean over the classes present; 0 = none."""
    lovasz_weight: values.NonNegative = 0.0
    """Weight of Lovasz-softmax (arXiv 1705.08790) of the main head, likewise; 0 = none."""
    aux_weight: values.NonNegative = 0.4
    """Weight of the auxiliary head's pixel loss, where there is one."""

    @property
    def region_weights(self) -> dict[str, float]:
        """Weights of the region losses that are added, by name: of the keys ``<name>_weight``."""
        fields = [key for key in type(self).model_fields if key.endswith("_weight")]
        weights = {key.removesuffix("_weight"): getattr(self, key) for key in fields}
        return {name: weight for name, weight in weights.items() if weight and name != "aux"}


class OptimConfig(Frozen):
    """Optimiser, schedule and length of the training."""

    name: Literal["sgd", "adamw"] = "sgd"
    """Which optimiser."""
    lr: values.Positive = 0.01
    """Peak learning rate of the backbone."""
    head_lr_factor: values.Positive = 1.0
    """Learning rate of the heads relative to ``lr``."""
    layer_decay: values.PositiveFraction = 1.0
    """Factor on the learning rate for each stage below the heads: ``lr * layer_decay`` at layer4
    to ``lr * layer_decay ** 5`` at the stem; 1 = one rate."""
    momentum: values.Fraction = 0.9
    """SGD momentum; ignored by adamw."""
    weight_decay: values.NonNegative = 1e-4
    """L2 penalty (sgd) or decoupled decay (adamw)."""
    decay_norms_and_biases: bool = True
    """Whether weight decay also acts on norm parameters and biases, as in the paper's code."""
    clip_grad_norm: values.Positive | None = None
    """Gradients are scaled down to this norm, taken over all parameters; null = never."""
    schedule: Literal["poly", "cosine", "range"] = "poly"
    """How the learning rate falls: ``(1 - t) ** poly_power`` or ``(1 + cos(pi * t)) / 2``, t the
    share of ``iterations`` that is done; range rises, ``1e5 ** (t - 1)``, for `segibn train --find-lr`."""
    poly_power: values.PositiveStrength = 0.9
    """Power of the poly schedule."""
    min_lr_factor: values.BelowOne = 0.0
    """Where either schedule ends, relative to the peak learning rate."""
    warmup_iterations: values.Iterations = 0
    """The learning rate rises linearly over this many first iterations."""
    warmup_factor: values.BelowOne = 0.0
    """Share of the scheduled learning rate that it rises from, one iteration before the first."""
    iterations: values.PositiveIterations = 40_000
    """Optimiser updates in all."""
    global_batch_size: values.Samples | Literal["auto"] = 16
    """Samples for each update, over all processes; auto = as many as fit, a power of two for each, measured
    when the run begins and written into its config."""

    @model_validator(mode="after")
    def _check(self) -> "OptimConfig":
        if self.warmup_iterations >= self.iterations:
            below = f"must be below iterations {self.iterations}"
            raise ValueError(f"warmup_iterations {self.warmup_iterations} {below}")
        if self.warmup_factor > 0 and self.warmup_iterations == 0:
            raise ValueError("warmup_factor needs warmup_iterations; set them or leave it out")
        default_power = type(self).model_fields["poly_power"].default
        if self.schedule != "poly" and self.poly_power != default_power:
            raise ValueError(f"schedule {self.schedule} has no power; leave poly_power out")
        return self


class EmaConfig(Frozen):
    """Exponential moving average of the weights, kept beside those that are trained."""

    decay: values.Between = 0.999
    """Share of the old average that update n keeps; (1 + n) / (10 + n) where that is less."""


class EngineConfig(Frozen):
    """How the training loop runs; none of it should move a score."""

    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = "auto"
    """auto = bfloat16 where the device computes it natively, else float32; float16 (with a gradient
    scaler) and tf32 need CUDA."""
    channels_last: bool = True
    """Memory layout of images and weights."""
    compile: bool = False
    """Compile the network with ``torch.compile``: minutes at the start, faster steps on CUDA."""
    max_micro_batch: values.Samples | None = None
    """Most samples on a device at a time: a larger share of a batch is taken in equal steps of
    accumulated gradients; batch norm's statistics are those of a step. null = no limit."""
    log_every: values.PositiveIterations = 20
    """Iterations between two lines of metrics.jsonl."""
    checkpoint_every: values.PositiveIterations = 1000
    """Iterations between two checkpoints; an evaluation and the last iteration write one too."""
    keep_checkpoints: values.PositiveIterations = 1
    """How many of the latest checkpoints stay: ``last.pt``, then ``iteration_*.pt``; ``best.pt``,
    the best on ``data.val``, is kept besides."""
    evaluate_every: values.Iterations = 0
    """Iterations between two evaluations on ``data.val``; 0 = only after the last."""
    pictures: values.Pictures = 2
    """Validation frames whose prediction each evaluation draws."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Where curves, config and pictures go besides the run folder; what fails never stops a training."""
    patience: values.PositiveIterations | None = None
    """Early stopping: end when so many evaluations in a row are no better than one before; null = never."""

    @model_validator(mode="after")
    def _check(self) -> "EngineConfig":
        if self.patience is not None and self.evaluate_every == 0:
            raise ValueError("patience counts evaluations: set evaluate_every too")
        return self


class EvaluationConfig(Frozen):
    """How frames reach the network when it is scored; scores are always at label size."""

    input_size: values.Size | None = None
    """Frames are resized to this for the network, logits back to the label's; null = native."""
    input_height: values.Height | None = None
    """The same by height alone, the width in proportion: for sets with frames of several shapes."""

    @model_validator(mode="after")
    def _check(self) -> "EvaluationConfig":
        if self.input_size is not None and self.input_height is not None:
            raise ValueError("give input_size or input_height, not both")
        return self


class RunConfig(Frozen):
    """One training run."""

    config_version: Literal[4] = CONFIG_VERSION
    """Version of this file's keys; without it, a file is read as the first version meant it."""
    name: values.Name
    """Name of the run, of its folder and of its results; the config file's stem if not given."""
    seed: values.Seed = 0
    """Seed of the weights, the sample order and the augmentation."""
    data: DataConfig
    """Data sets and augmentation."""
    model: ModelConfig = ModelConfig()
    """The network."""
    init_from: values.Text | None = None
    """Checkpoint of an earlier training, or a shipped network, to start from, not ``model.weights``; with other
    classes the classifiers start fresh. null = none."""
    loss: LossConfig = LossConfig()
    """What is minimised."""
    generalise: GeneraliseConfig = GeneraliseConfig()
    """Methods for domains that the training does not see; all are off by default."""
    optim: OptimConfig = OptimConfig()
    """Optimiser, schedule, length."""
    ema: EmaConfig | None = None
    """Moving average of the weights; null = none."""
    engine: EngineConfig = EngineConfig()
    """Precision, logging, checkpoints."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How frames are scored."""

    @property
    def half_size_updates(self) -> int:
        """How many updates, from the first on, see crops of half the size."""
        return round(self.data.half_size_share * self.optim.iterations)

    @model_validator(mode="after")
    def _check(self) -> "RunConfig":
        if self.generalise.mean_teacher is not None and self.ema is None:
            raise ValueError(
                "generalise.mean_teacher: the teacher is the moving average of the weights, and "
                "there is none; add `ema: {}` or leave mean_teacher out"
            )
        for key in ("generalise.feature_distance", "generalise.texture"):
            section = getattr(self.generalise, key.partition(".")[2])
            if section is not None and (section.teacher_weights or self.model.weights) == "none":
                raise ValueError(
                    f"{key}: the frozen network needs ImageNet weights, and there are none; set "
                    f"{key}.teacher_weights (or model.weights) to torchvision, ibn_net or a file"
                )
        return self
