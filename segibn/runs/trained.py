"""A trained network with its classes and how frames reach it, ready for pictures and for scores."""

import hashlib
import re
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from segibn.builders.sets import build_label_set
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import scheme_label_set
from segibn.devices import computes_bfloat16, device_named
from segibn.errors import CheckpointError, ConfigError, SegibnError
from segibn.evaluation import rows
from segibn.evaluation.evaluate import predicted
from segibn.files.writing import read_json, sha256_of
from segibn.inference.config import InferenceConfig
from segibn.inference.network import Network
from segibn.inference.options import WHOLE, InferenceOptions, InstanceShare
from segibn.inference.predictor import Predictor, confident_label_maps, label_maps
from segibn.labels import CLASS_SCHEMES
from segibn.labels.class_map import ClassMap
from segibn.labels.label_set import LabelSet
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter
from segibn.runs.find import run_of
from segibn.runs.frames import Picture, as_frame
from segibn.runs.prediction import Prediction

Pictures = list[Picture] | tuple[Picture, ...]
Triple = tuple[float, float, float]
CPU = torch.device("cpu")
NOT_STATED = "not stated"
"""``train`` of a row whose network does not say what it was trained on."""


def share_file(checkpoint: Path) -> Path:
    """Where the share is kept that was chosen for a checkpoint; CheckpointError outside a run."""
    folder = run_of(checkpoint)
    if folder is None:
        raise CheckpointError(f"{checkpoint} lies in no run folder, where its share would be kept")
    return folder / "instance_share.json"


def asked_share(asked: InstanceShare | str | None, checkpoint: Path) -> InstanceShare | None:
    """Return the share that is asked for, or that ``segibn calibrate --share`` chose; None: none."""
    if asked != "calibrated":
        return None if asked == "none" else asked
    path = share_file(checkpoint)
    if not path.is_file():
        raise CheckpointError(
            f"{path} is not there: no share was chosen for this run. Choose one on its source "
            f"domain: segibn calibrate {path.parent} --share"
        )
    chosen = read_json(path)
    try:
        if chosen["checkpoint_sha256"] != sha256_of(checkpoint):
            raise CheckpointError(f"{path} was chosen for other weights than {checkpoint}")
        return TypeAdapter(InstanceShare | None).validate_python(chosen["instance_share"])
    except (KeyError, TypeError, ValidationError) as error:
        raise CheckpointError(f"{path} holds no share: {error}") from error


def training_name(checkpoint: Path) -> str:
    """Name of the run that a checkpoint lies in, without its seed, or of its file."""
    folder = run_of(checkpoint)
    return checkpoint.stem if folder is None else re.sub(r"_seed\d+$", "", folder.name)


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a frame before the network: resized, then ``(pixel - mean) / std``."""

    size: tuple[int, int] | None = None
    """(H, W) that frames are resized to (bilinear); None = their own size."""
    height: int | None = None
    """The same by height alone, the width in proportion."""
    channels: str = "RGB"
    value_range: tuple[int, int] = (0, 255)  # of pixels, before mean and std
    mean: Triple = PIXEL_MEAN
    std: Triple = PIXEL_STD
    layout: str = "NCHW"


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A network, or several that are averaged, with classes; ``load`` and ``build`` make one."""

    networks: tuple[Network, ...]
    """This run's, then those that are averaged with it."""
    class_names: tuple[str, ...]
    """K names, in train id order."""
    palette: np.ndarray
    """(K, 3) uint8 RGB."""
    iteration: int | None = None
    """Updates that it was trained for; 0 = untrained; None = not known."""
    config: RunConfig | None = None
    """The run's resolved config; None where there is none (an exported graph)."""
    source: str = ""
    """File that the weights came from; a config's name for an untrained network."""
    options: InferenceOptions = WHOLE
    """How frames reach the networks."""
    device: torch.device = CPU
    """Where they compute."""
    others: tuple["TrainedRun", ...] = ()
    """Runs whose probabilities are averaged with those of this one."""
    averaged: str = ""
    """Which networks' weights its own are the mean of, by ``segibn export --average``."""
    files: tuple[Path, ...] = ()
    """What the weights of somebody's network came from; () = ``source`` is the file."""
    class_map: ClassMap | None = None
    """What its classes are in a data set, where they are called otherwise."""

    @cached_property
    def predictor(self) -> Predictor:
        """What predicts frames; see ``segibn.inference.predictor``."""
        return Predictor(self.networks, self.device, self.options)

    @property
    def name(self) -> str:
        """Name of the run's config, such as gta5_ibn; of others that of the file or folder."""
        return Path(self.source).name if self.config is None else self.config.name

    @property
    def sha256(self) -> str:
        """Of the file of the weights; of several files that of their hashes."""
        if len(self.files) > 1:
            return hashlib.sha256("".join(map(sha256_of, self.files)).encode()).hexdigest()
        return sha256_of(*(self.files or (self.checkpoint,)))

    @property
    def title(self) -> str:
        """Name and seed."""
        more = f" and {len(self.others)} more" if self.others else ""
        seed = "" if self.config is None else f" (seed {self.config.seed})"
        return f"{self.name}{seed}{more}"

    @property
    def training(self) -> RunConfig:
        """The config; a CheckpointError for an exported graph, which has none."""
        if self.config is None:
            raise CheckpointError(f"{self.source} does not say how it was trained; give the run or checkpoint")
        return self.config

    @property
    def checkpoint(self) -> Path:
        """``source`` as a path."""
        return Path(self.source)

    @property
    def module(self) -> Segmenter:
        """The network itself; of an exported graph a shell around ONNX Runtime."""
        return cast(Segmenter, self.networks[0])

    @property
    def preprocessing(self) -> Preprocessing:
        """What happens to a frame before the network; ``predict`` does all of it."""
        return Preprocessing(self.options.input_size, self.options.input_height)

    @property
    def scheme(self) -> str | None:
        """Name of the class list, such as cityscapes19; None for a user's own."""
        if self.config is not None and self.config.data.classes is not None:
            return self.config.data.classes
        known = (name for name in CLASS_SCHEMES if scheme_label_set(name).class_names == self.class_names)
        return next(known, None)

    @cached_property
    def label_set(self) -> LabelSet | None:
        """The label table of the data set that was trained on; None where only files tell it."""
        if self.config is None:
            return None
        try:
            return build_label_set(self.config.data.train, self.scheme)
        except SegibnError:  # drivable area in an encoding that is found out from the files
            return None

    def to(self, device: torch.device | str, options: InferenceOptions | None = None) -> "TrainedRun":
        """Return the run on another device, or with other options; weights move in place."""
        place = device_named(device, "device ") if isinstance(device, str) else device
        moved = replace(self, device=place, options=options or self.options)
        _ = moved.predictor  # now, not at the first frame
        return moved

    def asked(self, inference: InferenceConfig, device: torch.device) -> "TrainedRun":
        """Return the run on a device, where frames reach it as was asked."""
        can = computes_bfloat16(device)
        share = asked_share(inference.instance_share, self.checkpoint)
        if self.files and inference.ensemble:
            raise ConfigError(f"{self.source}: only runs of segibn are averaged with others")
        return self.to(device, inference.options_for(self.options, bfloat16=can, share=share))

    def record(self) -> dict[str, Any]:
        """Return what identifies the run in a results file, and those it was averaged with."""
        if self.config is None:  # of an exported graph or somebody's network, which says less of itself
            said = getattr(self.networks[0], "description", None)
            return {
                "config": said.config if said else self.name,
                "train": NOT_STATED,
                "network": f"{self.name}, {said.backbone}" if said else self.name,
                "head": said.head if said else "",
                "ibn": said.ibn if said else "",
                "seed": None,
                "iteration": self.iteration,
                "checkpoint_sha256": self.sha256,
            }
        config, backbone = self.config, self.config.model.backbone
        return {
            "config": config.name,
            "train": config.data.title,
            "network": backbone.network,
            "head": config.model.head.name,
            "ibn": backbone.ibn_title,
            "seed": config.seed,
            "iteration": self.iteration,
            "checkpoint_sha256": self.sha256,
            **({"averaged": self.averaged} if self.averaged else {}),
            **({} if config.init_from is None else {"start": training_name(Path(config.init_from))}),
            **({"ensemble": [run.record() for run in self.others]} if self.others else {}),
        }

    @overload
    def predict(self, images: Picture, *, confidence: bool = ..., batch_size: int = ...) -> Prediction: ...
    @overload
    def predict(self, images: Pictures, *, confidence: bool = ..., batch_size: int = ...) -> list[Prediction]: ...
    def predict(
        self, images: Picture | Pictures, *, confidence: bool = False, batch_size: int = 4
    ) -> Prediction | list[Prediction]:
        """Predict one picture, or a list of several in its order.

        Args:
            images: path of a picture, PIL image, array (H, W, 3) uint8 RGB or tensor (3, H, W)
                uint8 RGB, of any size; or a list or tuple of such. An EXIF orientation is applied.
            confidence: whether to say how sure the network is of each pixel too; takes longer.
            batch_size: of a list, how many pictures of one size the network sees at once.

        ImageFileError, ValueError: a file or array is no picture; the message says the fix.
        """
        pictures = images if isinstance(images, list | tuple) else [images]
        if any(isinstance(picture, int | float) for picture in pictures):
            raise TypeError("a list holds pictures, not numbers; make an array of it first")
        named = (
            (picture if isinstance(picture, str) else f"number {index}", as_frame(picture))
            for index, picture in enumerate(pictures)
        )
        predict = partial(confident_label_maps if confidence else label_maps, self.predictor)
        names, palette, table, scheme = self.class_names, self.palette, self.label_set, self.scheme
        found = []
        for (_, frame), maps in predicted(named, predict, batch_size):
            ids, sure = maps if confidence else (maps, None)
            found.append(Prediction(frame, ids, names, palette, sure, table, scheme))
        return found if pictures is images else found[0]

    def __repr__(self) -> str:
        network, state = "a network of others" if self.files else "exported graph", ""
        if self.config is not None:
            model = self.config.model
            kind = rows.Network("", model.backbone.network, model.backbone.ibn_title)
            network = f"{kind.title}, {model.head.name}"
            state = f" iteration {self.iteration}," if self.iteration else " untrained,"
        return f"TrainedRun({self.name}: {network}; {len(self.class_names)} classes,{state} on {self.device})"
