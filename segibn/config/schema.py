"""What may stand in a config file: frozen pydantic models, every field documented.

Numbers may be written as YAML reads them ("1e-4" is a string to YAML 1.1; it becomes a float
here). Unknown keys are errors. Sizes are (H, W) in pixels. Defaults live here and nowhere else.
"""

import fractions
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeGuard

from pydantic import ConfigDict, Field, model_validator

from segibn.config.backbones import AnyBackboneConfig, BackboneConfig
from segibn.config.frozen import Frozen as _Frozen
from segibn.config.generalise import GeneraliseConfig
from segibn.config.sampling import SamplingConfig, UniformSampling
from segibn.config.values import (
    BelowOne,
    Between,
    BlurSigma,
    Byte,
    Channels,
    Dilation,
    Fraction,
    GiB,
    Height,
    Iterations,
    JpegQuality,
    Label,
    Name,
    NoiseSigma,
    NonNegative,
    Pictures,
    Positive,
    PositiveFraction,
    PositiveIterations,
    PositiveStrength,
    Samples,
    Scale,
    Seed,
    Size,
    Strength,
    Text,
    Workers,
)
from segibn.data.datasets.catalog import DATASETS, OWN, dataset_source, dataset_sources
from segibn.labels import CLASS_SCHEMES

if TYPE_CHECKING:
    ClassScheme: TypeAlias = str
    DatasetName: TypeAlias = str
else:
    ClassScheme = Literal[CLASS_SCHEMES]
    DatasetName = Literal[(*DATASETS, OWN)]

CONFIG_VERSION: Literal[2] = 2
"""Version of what is below; `segibn.config.upgrade` reads files of earlier ones."""

ATROUS_RATES = {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}
"""ASPP dilations for each output stride: DeepLabV3 (arXiv 1706.05587, section 4.1), which names
those at 16 and doubles them at 8; those at 32 halve them again."""


class LabelRow(_Frozen):
    """One row of a user's own label table (data set ``folder``)."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Label
    """What the value stands for."""
    label_id: Byte
    """The value in the label files."""
    train_id: Byte
    """Class index for training, contiguous from 0; 255 = ignored."""
    class_name: Label | None = Field(default=None, alias="class")
    """Name of the class in tables and comparisons, where several rows have one ``train_id``; null =
    the name of its first row."""
    color: tuple[Byte, Byte, Byte] | None = None
    """RGB, for pictures only; null = a colour unlike all others, black for ignored rows."""


class FolderConfig(_Frozen):
    """Where the files of a user's own data set are, below the data sets' root.

    ``{split}`` in a folder name is replaced by the split, so that one entry serves all splits.
    """

    name: Annotated[Name, Field(pattern=r"^\w[\w.-]*$")] | None = None
    """Name of the set in tables and signatures, to tell several apart; null = ``folder``."""
    images: Text
    """Folder of the images, relative to the data sets' root: ``mydata/images/{split}``."""
    targets: Text
    """Folder of the label PNGs, relative to the data sets' root."""
    image_suffix: Text = ""
    """What follows the sample name in image file names, extension included; empty = any image."""
    target_suffix: Text = ".png"
    """What follows the sample name in label file names, extension included."""
    labels: tuple[LabelRow, ...] = Field(max_length=256)
    """The label table: every value that may occur in the label files."""

    @model_validator(mode="after")
    def _check(self) -> "FolderConfig":
        if self.name in DATASETS:
            raise ValueError(f"name '{self.name}' is that of a public data set; choose another")
        classes = {row.train_id: row.class_name or row.name for row in reversed(self.labels)}
        ignored = classes.pop(255, None)
        if len(classes) < 2:
            have = f"one class ('{next(iter(classes.values()))}')" if classes else "no class"
            fix = f"give {'the background' if ignored else 'each class'} a train_id of its own"
            raise ValueError(f"labels: {have}, nothing to tell apart; {fix} (255 is ignored)")
        return self


class HoldOutConfig(_Frozen):
    """Which side of a split that is divided for training and validation.

    ``data.val: {fraction: 0.2}`` writes it for both sides.
    """

    part: Literal["train", "val"]
    """Which side: val = the frames held out, train = all others."""
    fraction: Between
    """Share of the frames to hold out, about. Each falls by a hash of its sequence's name, so that
    frames added later move no other one."""
    by: Literal["auto", "sequence", "frame"] = "auto"
    """What falls as one: sequence = the frames of one subfolder, or, without subfolders, those
    whose names differ in the last number alone; frame = each for itself; auto = by sequence where
    there are several."""
    seed: Seed = 0
    """Another one holds out others; that of the run changes nothing here."""


def divides(val: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a config's ``data.val`` is ``{fraction: 0.2}``, a share of ``data.train``."""
    known = {"fraction", "by", "seed"}
    return isinstance(val, Mapping) and "fraction" in val and val.keys() <= known


class DatasetConfig(_Frozen):
    """One split of one data set."""

    name: DatasetName
    """Which data set; its folder under the data sets' root has the same name (BDD100K:
    ``bdd100k``)."""
    split: Label = "train"
    """Split name as in the official layout; ``train+val`` joins two."""
    names_file: Text | None = None
    """Text file of sample names to narrow the split to, relative to the config file that says
    so."""
    fraction: PositiveFraction = 1.0
    """Share of the samples to use, drawn once with a fixed seed (the paper uses a quarter of
    GTA5); a smaller share is part of every larger one."""
    hold_out: HoldOutConfig | None = None
    """Side of the split that is used, where it is divided for training and validation; null = all
    of it."""
    encoding: Literal["auto", "2018", "2021"] = "auto"
    """BDD100K drivable area only: which of its two official encodings the files use. Whatever is
    said here is checked against the files."""
    label_map: Name | None = None
    """Which map to the 19 classes, where there are several. Mapillary Vistas needs one of the two
    public ones; GTA5 has ``robustnet`` beside the official one (null), which reads license plates
    as car and groups of poles as pole."""
    folder: FolderConfig | None = None
    """Data set ``folder`` only: where the files are and what their values mean."""

    @model_validator(mode="after")
    def _check(self) -> "DatasetConfig":
        if (self.name == "folder") != (self.folder is not None):
            raise ValueError(
                "`folder:` (images, targets, labels) belongs to `name: folder`, and is needed there"
            )
        if self.encoding != "auto" and not dataset_source(self.name).encodings:
            owners = ", ".join(one.name for one in dataset_sources() if one.encodings)
            raise ValueError(f"`encoding` belongs to {owners}; remove it for {self.name}")
        maps = () if self.label_map is None else dataset_source(self.name).label_maps
        if self.label_map is not None and self.label_map not in maps:
            there_are = f"{self.name} has {' and '.join(maps)}" if maps else f"{self.name} has none"
            raise ValueError(f"`label_map` {self.label_map}: {there_are}; change or remove it")
        return self


class MixedSource(_Frozen):
    """One more data set to train on, besides ``data.train``."""

    dataset: DatasetConfig
    """Which split of which data set; read in the classes of ``data.train``."""
    share: Between
    """Share of the samples of every batch; what all of these leave comes from ``data.train``."""


class DataConfig(_Frozen):
    """What the network is shown in training, and what it is scored on meanwhile."""

    train: DatasetConfig
    """The source domain."""
    mix: Annotated[tuple[MixedSource, ...], Field(max_length=64)] = ()
    """More sources, each with its share of the samples and in shuffled passes of its own."""
    sampling: SamplingConfig = UniformSampling()
    """Which samples are drawn and where they are cropped: ``uniform``, ``class_uniform`` or
    ``rare_class``, with their settings; on several sources, in each of them alike."""
    val: DatasetConfig | None = None
    """Held-out frames of the source domain, scored at the end and every
    ``engine.evaluate_every``; never the target domain, and none that is trained on.
    ``{fraction: 0.2}``, with ``by`` and ``seed`` if wanted, holds out a share of ``train``."""
    classes: ClassScheme | None = None
    """Class scheme to train; null = the data set's own (19 Cityscapes classes, 3 drivable)."""
    resize: Size | None = None
    """Training frames are resized to this before cropping; labels by nearest pixel. null = native
    size."""
    crop_size: Size = (512, 1024)
    """Height and width of the training crop; frames that are smaller are padded with ignore."""
    scale_range: tuple[Scale, Scale] = (0.5, 2.0)
    """Random scale of the frame before cropping, uniform in this range."""
    aspect_range: tuple[Scale, Scale] = (1.0, 1.0)
    """Random factor on width over height before cropping; [0.8, 1.25] stretches by up to a
    quarter either way."""
    flip_probability: Fraction = 0.5
    """Chance of a left-right mirror."""
    color_jitter: tuple[Strength, Strength, Strength, Strength] | None = None
    """Strengths of brightness, contrast, saturation, hue jitter; null = none."""
    color_jitter_probability: Fraction = 0.5
    """Chance that a sample is jittered at all."""
    blur_sigma: tuple[BlurSigma, BlurSigma] | None = None
    """Range of the Gaussian blur's sigma in pixels, applied to every sample; null = none."""
    noise_sigma: tuple[NoiseSigma, NoiseSigma] | None = None
    """Range of the Gaussian noise's sigma in grey levels, after the blur; null = none."""
    jpeg_quality: tuple[JpegQuality, JpegQuality] | None = None
    """Range of the JPEG quality, 1 to 100, that the crop is compressed with, after the noise; null
    = none."""
    degrade_probability: Fraction = 0.5
    """Chance that a sample gets noise, and, independently, that it is compressed."""
    augmentation_file: Text | None = None
    """A pipeline of albumentations as YAML (``yaml.safe_dump(albumentations.to_dict(pipeline))``)
    that changes finished crops, after all of the above; relative to the config file that says so.
    What it draws in from outside becomes ignored. null = none."""
    workers: Workers | Literal["auto"] = "auto"
    """Loader processes for each training process; auto = cores shared out, at most 8."""
    cache: Literal["none", "memory", "disk"] = "none"
    """memory = decode (and resize) every training frame once and keep it: for small sets; disk =
    read the tiles that ``segibn cache`` has made. Samples are the same, bit by bit."""
    cache_limit_gib: GiB = 8.0
    """Refuse ``cache: memory`` above this, before any work is done."""

    @model_validator(mode="before")
    @classmethod
    def _divide(cls, tree: Any) -> Any:
        """Write out ``val: {fraction: 0.2}`` as the two sides of ``train``."""
        if not isinstance(tree, Mapping):
            return tree
        val, train = tree.get("val"), tree.get("train")
        if not divides(val) or not isinstance(train, Mapping) or train.get("hold_out"):
            return tree
        sides = {part: {**train, "hold_out": {"part": part, **val}} for part in ("train", "val")}
        return {**tree, **sides, "val": {**sides["val"], "fraction": 1.0}}

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        for name in ("scale_range", "aspect_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} {(low, high)}: give [low, high], 0 < low <= high")
        for name in ("blur_sigma", "noise_sigma", "jpeg_quality"):
            limits = getattr(self, name)
            if limits and limits[0] > limits[1]:
                raise ValueError(f"{name} {limits}: give [low, high], low <= high")
        mixed = sum(fractions.Fraction(repr(source.share)) for source in self.mix)
        if mixed >= 1:
            raise ValueError(
                f"mix: the shares add up to {float(mixed):g} and leave nothing for data.train; "
                "keep their sum below 1"
            )
        wanted = getattr(self.sampling, "min_pixels", 0)
        if self.resize is not None and wanted > self.resize[0] * self.resize[1]:
            raise ValueError(
                f"sampling.min_pixels {wanted} is more than a frame of resize {self.resize} has"
            )
        return self

    @property
    def sources(self) -> tuple[DatasetConfig, ...]:
        """The data sets that are trained on: ``train``, then those of ``mix``."""
        return (self.train, *(source.dataset for source in self.mix))


class _Head(_Frozen):
    """What all heads have."""

    dropout_unit: Literal["value", "channel"] = "value"
    """What dropout drops: single values, as in the heads of torchvision, or whole channels of an
    image, as in those of mmsegmentation and RobustNet."""
    init: Literal["kaiming_fan_out", "kaiming_fan_in"] = "kaiming_fan_out"
    """How it starts. kaiming_fan_out = convolutions by He's rule on fan out, the classifier nearly
    undecided (deviation 0.01); kaiming_fan_in = all by fan in, as RobustNet's heads."""


class FCNHeadConfig(_Head):
    """conv 3x3, batch norm, ReLU, dropout, 1x1 classifier: the paper's head at stride 8."""

    name: Literal["fcn"]
    """fcn."""
    channels: Channels = 512
    """Width between the two convolutions."""
    dilation: Dilation = 1
    """Dilation of the 3x3 convolution; 6 at output stride 16 is both faster and better."""
    dropout: Fraction = 0.1
    """Share dropped before the classifier."""


class LinearHeadConfig(_Head):
    """Batch norm and a 1x1 classifier on the last feature (arXiv 2304.07193, section 7.4)."""

    name: Literal["linear"]
    """linear."""
    dropout: Fraction = 0.0
    """Share dropped before the classifier."""


class DeepLabV3HeadConfig(_Head):
    """Atrous spatial pyramid pooling (arXiv 1706.05587)."""

    name: Literal["deeplabv3"]
    """deeplabv3."""
    channels: Channels = 256
    """Width of each branch."""
    atrous_rates: tuple[Dilation, Dilation, Dilation] | None = None
    """Dilations of the three branches; null = (6,12,18) at stride 16, (12,24,36) at 8."""
    dropout: Fraction = 0.1
    """Share dropped before the classifier."""
    separable: bool = False
    """Depthwise-separable 3x3 convolutions in the pyramid (arXiv 1802.02611, section 3.1)."""


class DeepLabV3PlusHeadConfig(_Head):
    """DeepLabV3 with a light decoder on layer1 (arXiv 1802.02611)."""

    name: Literal["deeplabv3plus"]
    """deeplabv3plus."""
    channels: Channels = 256
    """Width of each branch and of the decoder."""
    low_level_channels: Channels = 48
    """Width that layer1 is reduced to before it joins."""
    atrous_rates: tuple[Dilation, Dilation, Dilation] | None = None
    """Dilations of the three branches; null = (6,12,18) at stride 16, (12,24,36) at 8."""
    dropout: Fraction = 0.1
    """Share dropped before the classifier, or with ``refine: split`` after the
    pyramid."""
    separable: bool = False
    """Depthwise-separable 3x3 convolutions in pyramid and decoder (section 3.1 of the paper)."""
    refine: Literal["joined", "split"] = "joined"
    """Where the decoder's two 3x3 convolutions are: both on the joined features (table 2 of the
    paper), or, split, the first on the pyramid's small result, as segmentation_models_pytorch."""


HeadConfig = Annotated[
    FCNHeadConfig | LinearHeadConfig | DeepLabV3HeadConfig | DeepLabV3PlusHeadConfig,
    Field(discriminator="name"),
]


class AuxHeadConfig(_Head):
    """A second, smaller FCN head that is used in training only."""

    layer: Literal["layer2", "layer3"] = "layer3"
    """Which feature map it reads."""
    channels: Channels = 256
    """Width between its two convolutions."""
    dropout: Fraction = 0.1
    """Share dropped before the classifier."""


class ModelConfig(_Frozen):
    """The network: backbone, head, and the weights it starts from."""

    backbone: AnyBackboneConfig = BackboneConfig()
    """The encoder."""
    head: HeadConfig = FCNHeadConfig(name="fcn")
    """The decoder."""
    aux_head: AuxHeadConfig | None = None
    """Auxiliary head for training; null = none."""
    align_corners: bool = False
    """How logits are resized; true for converted RobustNet networks, which were trained so."""
    weights: Text = "none"
    """Start of the backbone: ``ibn_net`` (official release), ``torchvision``, for timm's backbones
    ``timm``, ``none``, or a file (.pth, .pt, .safetensors)."""
    weights_match: Literal["exact", "plain", "partial"] = "exact"
    """How well the weights must fit the backbone. exact = every key and shape, else an error; plain
    = a plain network's file may fill an IBN backbone, halves of a norm taking its channels, norms
    after an addition starting fresh (``torchvision`` does so by itself); partial = take what has
    the same name and shape, log what stays fresh and what is left out."""

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        rates = getattr(self.head, "atrous_rates", None)
        stride = self.backbone.output_stride
        for other, standard in ATROUS_RATES.items():
            if stride is not None and rates == standard and other != stride:
                raise ValueError(
                    f"head.atrous_rates {rates} belong to output_stride {other}; at stride "
                    f"{stride} use {ATROUS_RATES[stride]} or leave them out"
                )
        is_timm = self.backbone.name == "timm"
        if self.weights in (("ibn_net", "torchvision") if is_timm else ("timm",)):
            ours = "timm" if is_timm else "ibn_net, torchvision"
            raise ValueError(
                f"weights {self.weights} are not of backbone {self.backbone.name}; use {ours}, "
                "none or a file"
            )
        if is_timm and self.weights_match == "plain":
            raise ValueError("weights_match plain is for IBN; timm's have exact and partial")
        return self


class OhemConfig(_Frozen):
    """Online hard example mining (arXiv 1604.03540): only hard pixels count."""

    threshold: PositiveFraction = 0.7
    """Pixels whose true class has a probability below this are hard."""
    min_kept: Fraction = 0.0625
    """Share of the valid pixels that counts in any case, the hardest ones first."""


class LossConfig(_Frozen):
    """What is minimised: a pixel loss and, if asked for, region losses; target 255 is ignored.

    The pixel loss is cross-entropy, its mean exact over processes and accumulated steps. OHEM, Dice
    and Lovasz are computed by each process for each step, and averaged.
    """

    class_weights: Annotated[tuple[Positive, ...], Field(max_length=255)] | None = None
    """Weight of each class in the pixel loss, in the order of train ids; null = all 1. Only their
    ratios matter."""
    label_smoothing: BelowOne = 0.0
    """Share of the pixel loss's target that is spread over all classes."""
    ohem: OhemConfig | None = None
    """Mean of the pixel loss over hard pixels alone; null = over all valid pixels."""
    dice_weight: NonNegative = 0.0
    """Weight of the soft Dice loss of the main head, mean over the classes present; 0 = none."""
    lovasz_weight: NonNegative = 0.0
    """Weight of Lovasz-softmax (arXiv 1705.08790) of the main head, likewise; 0 = none."""
    aux_weight: NonNegative = 0.4
    """Weight of the auxiliary head's pixel loss, where there is one."""

    @property
    def region_weights(self) -> dict[str, float]:
        """Weights of the region losses that are added, by name: of the keys ``<name>_weight``."""
        fields = [key for key in type(self).model_fields if key.endswith("_weight")]
        weights = {key.removesuffix("_weight"): getattr(self, key) for key in fields}
        return {name: weight for name, weight in weights.items() if weight and name != "aux"}


class OptimConfig(_Frozen):
    """Optimiser, schedule and length of the training."""

    name: Literal["sgd", "adamw"] = "sgd"
    """Which optimiser."""
    lr: Positive = 0.01
    """Peak learning rate of the backbone."""
    head_lr_factor: Positive = 1.0
    """Learning rate of the heads relative to ``lr``."""
    layer_decay: PositiveFraction = 1.0
    """Factor on the learning rate for each stage from the heads downwards: layer4 has
    ``lr * layer_decay``, layer3 ``lr * layer_decay ** 2``, ... and the stem
    ``lr * layer_decay ** 5``; 1 = one rate for the whole backbone."""
    momentum: Fraction = 0.9
    """SGD momentum; ignored by adamw."""
    weight_decay: NonNegative = 1e-4
    """L2 penalty (sgd) or decoupled decay (adamw)."""
    decay_norms_and_biases: bool = True
    """Whether weight decay also acts on norm parameters and biases, as in the paper's code."""
    clip_grad_norm: Positive | None = None
    """Gradients are scaled down to this norm, taken over all parameters; null = never."""
    schedule: Literal["poly", "cosine"] = "poly"
    """How the learning rate falls from iteration 0 to ``iterations``: as
    ``(1 - t) ** poly_power`` or as ``(1 + cos(pi * t)) / 2``, t the part that is done."""
    poly_power: PositiveStrength = 0.9
    """PositiveStrength of the poly schedule."""
    min_lr_factor: BelowOne = 0.0
    """Where either schedule ends, relative to the peak learning rate."""
    warmup_iterations: Iterations = 0
    """The learning rate rises linearly over this many first iterations."""
    warmup_factor: BelowOne = 0.0
    """Share of the scheduled learning rate that it rises from, one iteration before the first:
    0 wastes no update."""
    iterations: PositiveIterations = 40_000
    """Optimiser updates in all."""
    global_batch_size: Samples = 16
    """Samples for each update, over all processes."""

    @model_validator(mode="after")
    def _check(self) -> "OptimConfig":
        if self.warmup_iterations >= self.iterations:
            raise ValueError(
                f"warmup_iterations {self.warmup_iterations} must be below iterations "
                f"{self.iterations}"
            )
        if self.warmup_factor > 0 and self.warmup_iterations == 0:
            raise ValueError("warmup_factor needs warmup_iterations; set them or leave it out")
        default_power = type(self).model_fields["poly_power"].default
        if self.schedule != "poly" and self.poly_power != default_power:
            raise ValueError(f"schedule {self.schedule} has no power; leave poly_power out")
        return self


class EmaConfig(_Frozen):
    """Exponential moving average of the weights, kept beside those that are trained."""

    decay: Between = 0.999
    """Share of the old average that an update keeps; less at first: (1 + n) / (10 + n) after n
    updates, where that is smaller."""


class EngineConfig(_Frozen):
    """How the training loop runs; none of it should move a score."""

    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = "auto"
    """auto = bfloat16 where the device computes it natively, else float32; float16 (with a gradient
    scaler) and tf32 need CUDA."""
    channels_last: bool = True
    """Memory layout of images and weights."""
    compile: bool = False
    """Compile the network with ``torch.compile``: minutes at the start, faster steps on CUDA."""
    ibn_kernels: Literal["default", "triton"] = "default"
    """What computes instance and instance-batch norms; triton = kernels for CUDA that have not been
    measured on a GPU."""
    max_micro_batch: Samples | None = None
    """Most samples on a device at a time; a process with a larger share of the global batch takes
    it in equal steps and accumulates gradients. Batch norm's statistics are then those of a step.
    null = no limit."""
    log_every: PositiveIterations = 20
    """Iterations between two lines of metrics.jsonl."""
    checkpoint_every: PositiveIterations = 1000
    """Iterations between two checkpoints; an evaluation and the last iteration write one too."""
    keep_checkpoints: PositiveIterations = 1
    """How many of the latest checkpoints stay: 1 = ``last.pt`` alone, above that also
    ``iteration_*.pt``. ``best.pt``, the best on ``data.val``, is kept beside them."""
    evaluate_every: Iterations = 0
    """Iterations between two evaluations on ``data.val``; 0 = only after the last."""
    pictures: Pictures = 2
    """Validation frames of which each evaluation draws the prediction, for TensorBoard and the run
    folder."""


class EvaluationConfig(_Frozen):
    """How frames reach the network when it is scored; scores are always at label size."""

    input_size: Size | None = None
    """Frames are resized to this for the network, its logits back to the label's size; null =
    native."""
    input_height: Height | None = None
    """The same by height alone, the width in proportion: for sets with frames of several shapes."""

    @model_validator(mode="after")
    def _check(self) -> "EvaluationConfig":
        if self.input_size is not None and self.input_height is not None:
            raise ValueError("give input_size or input_height, not both")
        return self


class RunConfig(_Frozen):
    """One training run."""

    config_version: Literal[2] = CONFIG_VERSION
    """Version of this file's keys and their meaning, written into run folders and checkpoints; a
    file that does not say is taken for one of the first version and read as it was meant then."""
    name: Name
    """Name of the run, of its folder and of its results; the config file's stem if not given."""
    seed: Seed = 0
    """Seed of the weights, the sample order and the augmentation."""
    data: DataConfig
    """Data sets and augmentation."""
    model: ModelConfig = ModelConfig()
    """The network."""
    init_from: Text | None = None
    """Checkpoint of an earlier training to start from, instead of ``model.weights``; with other
    classes the classifiers start fresh. null = none."""
    loss: LossConfig = LossConfig()
    """What is minimised."""
    generalise: GeneraliseConfig = GeneraliseConfig()
    """Ingredients for domains that the training does not see; all are off by default."""
    optim: OptimConfig = OptimConfig()
    """Optimiser, schedule, length."""
    ema: EmaConfig | None = None
    """Moving average of the weights; null = none."""
    engine: EngineConfig = EngineConfig()
    """Precision, logging, checkpoints."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How frames are scored."""

    @model_validator(mode="after")
    def _check(self) -> "RunConfig":
        for source in self.data.sources:
            _check_classes(source.name, self.data.classes)
        self.generalise.check_surroundings(
            weights=self.model.weights, has_average=self.ema is not None
        )
        return self


def _check_classes(name: str, wanted: str | None) -> None:
    """Check that a data set may be read in the classes that a config asks for."""
    if wanted is None:
        return
    known = () if name == OWN else dataset_source(name).schemes
    if wanted in known:
        return
    if len(known) < 2:
        raise ValueError(f"data.classes {wanted}: {name} has only its own classes; remove the key")
    owners = " or ".join(one.name for one in dataset_sources() if wanted in one.schemes)
    raise ValueError(f"data.classes {wanted} needs {owners}, not {name}")
