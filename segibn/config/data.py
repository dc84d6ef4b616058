"""The section ``data``: data sets, what is done to their frames, and how they are read."""

import fractions
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeGuard

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from segibn.config import values
from segibn.config.values import Frozen
from segibn.data.datasets.catalog import DATASETS, OWN, dataset_source, dataset_sources
from segibn.labels import CLASS_SCHEMES

if TYPE_CHECKING:
    ClassScheme: TypeAlias = str
    DatasetName: TypeAlias = str
else:
    ClassScheme = Literal[CLASS_SCHEMES]
    DatasetName = Literal[(*DATASETS, OWN)]


class LabelRow(Frozen):
    """One row of a user's own label table (data set ``folder``)."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: values.Label
    """What the value stands for."""
    label_id: values.Byte
    """The value in the label files."""
    train_id: values.Byte
    """Class index for training, contiguous from 0; 255 = ignored."""
    class_name: values.Label | None = Field(default=None, alias="class")
    """Name of the class, where several rows have one ``train_id``; null = that of its first row."""
    color: tuple[values.Byte, values.Byte, values.Byte] | None = None
    """RGB, for pictures only; null = a colour unlike all others, black for ignored rows."""


class FolderConfig(Frozen):
    """Where the files of a user's own data set are; ``{split}`` in a folder becomes the split."""

    name: Annotated[values.Name, Field(pattern=r"^\w[\w.-]*$")] | None = None
    """Name of the set in tables and signatures, to tell several apart; null = ``folder``."""
    images: values.Text
    """Folder of the images, relative to the data sets' root: ``mydata/images/{split}``."""
    targets: values.Text
    """Folder of the label PNGs, relative to the data sets' root."""
    image_suffix: values.Text = ""
    """What follows the sample name in image file names, extension included; empty = any image."""
    target_suffix: values.Text = ".png"
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


class HoldOutConfig(Frozen):
    """One side of a split that is divided, as by ``data.val: {fraction: 0.2}``."""

    part: Literal["train", "val"]
    """Which side: val = the frames held out, train = all others."""
    fraction: values.Between
    """Share of the frames to hold out, about: each falls by a hash of its sequence's name."""
    by: Literal["auto", "sequence", "frame"] = "auto"
    """What falls as one: sequence = a subfolder's frames, or without subfolders those whose names
    differ in the last number; frame = each alone; auto = by sequence where there are several."""
    seed: values.Seed = 0
    """Another one holds out others; the run's own changes nothing here."""


def divides(val: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a config's ``data.val`` is ``{fraction: 0.2}``, a share of ``data.train``."""
    return isinstance(val, Mapping) and "fraction" in val and val.keys() <= {"fraction", "by", "seed"}


class DatasetConfig(Frozen):
    """One split of one data set."""

    name: DatasetName
    """Which data set; its folder has the same name (BDD100K: ``bdd100k``)."""
    split: values.Label = "train"
    """Split name as in the official layout; ``train+val`` joins two."""
    names_file: values.Text | None = None
    """Text file of sample names to narrow the split to, relative to the config file."""
    fraction: values.PositiveFraction = 1.0
    """Share of the samples, drawn with a fixed seed; a smaller share is part of a larger one."""
    hold_out: HoldOutConfig | None = None
    """Side of the split that is used, where it is divided; null = all of it."""
    encoding: Literal["auto", "2018", "2021"] = "auto"
    """BDD100K drivable area only: which official encoding the files have, checked against them."""
    label_map: values.Name | None = None
    """Which map to the 19 classes, where there are several: Mapillary Vistas needs one; GTA5 has
    ``robustnet`` beside the official one (null): license plates are car, groups of poles pole."""
    folder: FolderConfig | None = None
    """Data set ``folder`` only: where the files are and what their values mean."""

    @property
    def title(self) -> str:
        """Name of the set in tables: ``camvid:val@small``, ``folder:train-held-out-0.2``."""
        names = f"@{Path(self.names_file).stem}" if self.names_file else ""
        part = f"*{self.fraction:g}" if self.fraction < 1 else ""
        label_map = f"/{self.label_map}" if self.label_map else ""
        name = (self.folder and self.folder.name) or self.name
        return f"{name}{label_map}:{self.split_title}{names}{part}"

    @property
    def split_title(self) -> str:
        """The split, and which side of it: ``train``, ``train-held-out-0.2``."""
        side = self.hold_out
        if side is None:
            return self.split
        how = f"-by-{side.by}" if side.by != "auto" else ""
        seed = f"-seed-{side.seed}" if side.seed else ""
        which = "held-out" if side.part == "val" else "all-but"
        return f"{self.split}-{which}-{side.fraction:g}{how}{seed}"

    @model_validator(mode="after")
    def _check(self) -> "DatasetConfig":
        if (self.name == "folder") != (self.folder is not None):
            raise ValueError("`folder:` (images, targets, labels) belongs to `name: folder`, and is needed there")
        if self.encoding != "auto" and not dataset_source(self.name).encodings:
            owners = ", ".join(one.name for one in dataset_sources() if one.encodings)
            raise ValueError(f"`encoding` belongs to {owners}; remove it for {self.name}")
        maps = () if self.label_map is None else dataset_source(self.name).label_maps
        if self.label_map is not None and self.label_map not in maps:
            there_are = f"{self.name} has {' and '.join(maps)}" if maps else f"{self.name} has none"
            raise ValueError(f"`label_map` {self.label_map}: {there_are}; change or remove it")
        return self


class MixedSource(Frozen):
    """One more data set to train on, besides ``data.train``."""

    dataset: DatasetConfig
    """Which split of which data set; read in the classes of ``data.train``."""
    share: values.Between
    """Share of the samples of every batch; what all of these leave comes from ``data.train``."""
    resize: values.Size | None = None
    """Its frames are resized to this before cropping; null = as ``data.resize`` says."""
    groups: bool = False
    """Learn also from what it tells of several classes together, as IDD-Lite's vehicles; not ignored then."""


class UniformSampling(Frozen):
    """Every frame once in each pass, cropped anywhere."""

    name: Literal["uniform"] = "uniform"
    """uniform."""


class ClassUniformSampling(Frozen):
    """A share of the samples goes to the classes in equal parts, whatever their size.

    A class, then one of its points in the whole set, which the crop contains; other samples are
    uniform. As RobustNet (arXiv 2103.15597) and NVIDIA's segmentation code do.
    """

    name: Literal["class_uniform"]
    """class_uniform."""
    share: values.PositiveFraction = 0.5
    """Share of the samples that is drawn by class; 0.5 in RobustNet's scripts."""


class RareClassSampling(Frozen):
    """The rarer a class, the more often it is drawn: DAFormer (arXiv 2111.14887, section 3.2).

    A class with probability softmax((1 - f) / temperature), f its share of the labelled pixels;
    then a frame with enough of it; then a crop with a point of it (DAFormer: up to ten tries).
    """

    name: Literal["rare_class"]
    """rare_class."""
    share: values.PositiveFraction = 1.0
    """Share of the samples that is drawn by class, the others being uniform; 1 in DAFormer."""
    temperature: values.Temperature = 0.01
    """The lower, the more it is the rarest classes that come; DAFormer's value."""
    min_pixels: values.PixelCount = 3000
    """Fewest pixels of a class in a frame after ``data.resize``; DAFormer's, at native size."""


SamplingConfig = Annotated[
    UniformSampling | ClassUniformSampling | RareClassSampling,
    Field(discriminator="name"),
    BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value),
]


class DataConfig(Frozen):
    """What the network is shown in training, and what it is scored on meanwhile."""

    train: DatasetConfig
    """The source domain."""
    mix: Annotated[tuple[MixedSource, ...], Field(max_length=64)] = ()
    """More sources, each with its share of the samples and in shuffled passes of its own."""
    sampling: SamplingConfig = UniformSampling()
    """Which samples are drawn in each source and where they are cropped, by name and settings."""
    val: DatasetConfig | None = None
    """Held-out frames of the source domain, scored every ``engine.evaluate_every`` and at the end;
    ``{fraction: 0.2}``, with ``by`` and ``seed`` if wanted, holds out a share of ``train``."""
    classes: ClassScheme | None = None
    """Class scheme to train; null = the data set's own (19 Cityscapes classes, 3 drivable)."""
    resize: values.Size | None = None
    """Training frames are resized to this before cropping; null = native size."""
    crop_size: values.Size = (512, 1024)
    """Height and width of the training crop; frames that are smaller are padded with ignore."""
    half_size_share: values.Fraction = 0.0
    """Share of the updates, the first ones, that see crops and scales of half the size."""
    scale_range: tuple[values.Scale, values.Scale] = (0.5, 2.0)
    """Random scale of the frame before cropping, uniform in this range."""
    aspect_range: tuple[values.Scale, values.Scale] = (1.0, 1.0)
    """Random factor on width over height before cropping."""
    flip_probability: values.Fraction = 0.5
    """Chance of a left-right mirror."""
    night_probability: values.Fraction = 0.0
    """Chance that a sample becomes one by night: dark, with headlights, lamps and a black ``sky``, a class it needs."""
    color_jitter: values.Strengths | None = None
    """Strengths of brightness, contrast, saturation, hue jitter; null = none."""
    color_jitter_probability: values.Fraction = 0.5
    """Chance that a sample is jittered at all."""
    blur_sigma: tuple[values.BlurSigma, values.BlurSigma] | None = None
    """Range of the Gaussian blur's sigma in pixels, applied to every sample; null = none."""
    noise_sigma: tuple[values.NoiseSigma, values.NoiseSigma] | None = None
    """Range of the Gaussian noise's sigma in grey levels, after the blur; null = none."""
    jpeg_quality: tuple[values.JpegQuality, values.JpegQuality] | None = None
    """Range of the JPEG quality that the crop is compressed with, after the noise; null = none."""
    degrade_probability: values.Fraction = 0.5
    """Chance that a sample gets noise, and, independently, that it is compressed."""
    augmentation: tuple[dict[values.Text, dict[str, Any]], ...] = ()
    """Transforms of albumentations on finished crops, in turn: ``[{HorizontalFlip: {p: 0.5}}]``."""
    augmentation_file: values.Text | None = None
    """A pipeline of albumentations for finished crops, ``yaml.safe_dump`` of its ``to_dict``;
    relative to the config file. null = none."""
    workers: values.Workers | Literal["auto"] = "auto"
    """Loader processes for each training process; auto = cores shared out, at most 8."""
    cache: Literal["none", "memory", "disk"] = "none"
    """memory = decode (and resize) every training frame once and keep it; disk = write it once as plain
    pixels, four bytes each, to SEGIBN_CACHE or .segibn beside the data sets. Samples are the same, bit by bit."""
    cache_limit_gib: values.GiB = 8.0
    """Refuse ``cache: memory`` above this, before any work is done."""

    @model_validator(mode="before")
    @classmethod
    def _divide(cls, tree: Any) -> Any:
        """Write out ``val: {fraction: 0.2}`` as the two sides of ``train``."""
        val, train = (tree.get("val"), tree.get("train")) if isinstance(tree, Mapping) else (0, 0)
        if not divides(val) or not isinstance(train, Mapping) or train.get("hold_out"):
            return tree
        sides = {part: {**train, "hold_out": {"part": part, **val}} for part in ("train", "val")}
        return {**tree, **sides, "val": {**sides["val"], "fraction": 1.0}}

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.augmentation and self.augmentation_file:
            raise ValueError("give augmentation or augmentation_file, not both")
        for name in ("scale_range", "aspect_range", "blur_sigma", "noise_sigma", "jpeg_quality"):
            limits = getattr(self, name)
            if limits and limits[0] > limits[1]:
                raise ValueError(f"{name} {limits}: give [low, high], low <= high")
        mixed = sum(fractions.Fraction(repr(source.share)) for source in self.mix)
        if mixed >= 1:
            raise ValueError(
                f"mix: the shares add up to {float(mixed):g} and leave nothing for data.train; keep their sum below 1"
            )
        for name in (source.name for source in self.sources):
            known = () if name == OWN else dataset_source(name).schemes
            if self.classes in (None, *known):
                continue
            if len(known) < 2:
                raise ValueError(f"classes {self.classes}: {name} has only its own classes; remove the key")
            owners = " or ".join(one.name for one in dataset_sources() if self.classes in one.schemes)
            raise ValueError(f"classes {self.classes} needs {owners}, not {name}")
        wanted = getattr(self.sampling, "min_pixels", 0)
        if self.resize is not None and wanted > self.resize[0] * self.resize[1]:
            raise ValueError(f"sampling.min_pixels {wanted}: more than resize {self.resize} has")
        return self

    @property
    def sources(self) -> tuple[DatasetConfig, ...]:
        """The data sets that are trained on: ``train``, then those of ``mix``."""
        return (self.train, *(source.dataset for source in self.mix))

    @property
    def title(self) -> str:
        """Name of what is trained on: ``gta5:train``, ``gta5:train+camvid:train``."""
        return "+".join(dataset.title for dataset in self.sources)
