"""A trained network as one file for other programs, checked against the network."""

import itertools
import json
import statistics
import sys
import timeit
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segibn import __version__
from segibn.builders.checkpoints import FORMAT_VERSION, load_segmenter
from segibn.config.data import DatasetConfig
from segibn.config.schema import RunConfig
from segibn.description import KEY, LABELS, LOGITS, Description
from segibn.engine.checkpoint import FILE_KEYS
from segibn.errors import ConfigError, DatasetError, ImageFileError, SegibnError
from segibn.export.exported import GraphNetwork, graph_network, load_onnx
from segibn.export.openvino import export_openvino, openvino_compute
from segibn.export.phones import coreml_compute, export_coreml, export_tflite, tflite_compute
from segibn.export.quantize import CALIBRATION_FRAMES, export_int8
from segibn.export.writing import export, pt2_compute
from segibn.files.folders import list_files
from segibn.files.pictures import read_image
from segibn.files.writing import atomic_files, write_bytes
from segibn.inference.config import AS_SCORED
from segibn.inference.options import InferenceOptions, InstanceShare
from segibn.inference.predictor import Predictor, sharing
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter
from segibn.models.weights.state import compare_states, shortened
from segibn.models.weights.tensor_check import check_finite
from segibn.runs.evaluate import score_run
from segibn.runs.find import find_checkpoint
from segibn.runs.loading import load_any
from segibn.runs.trained import CPU, TrainedRun, asked_share, training_name
from segibn.text import counted

RUNTIMES = {
    ".onnx": "ONNX Runtime",
    ".pt2": "torch.export",
    ".xml": "OpenVINO",
    ".tflite": "LiteRT",
    ".mlpackage": "Core ML",
}
"""What runs a graph, by the suffix of its file."""
PHONES = (".tflite", ".mlpackage")
"""Those whose frames have one size."""

_NOTES = ("config", "classes", "class_names", "palette", "iteration", "versions", "averaged")
_IMAGES = (".jpg", ".jpeg", ".png")


def export_checkpoint(
    checkpoint: Path,
    output: Path,
    *,
    labels: bool,
    half: bool,
    calibrate: Path | None,
    time: bool,
    share: InstanceShare | str | None,
    on: tuple[DatasetConfig, Path] | None = None,
    input_size: tuple[int, int] | None = None,
    average: Mapping[Path, float] | None = None,
) -> RunConfig:
    """Write a network as the suffix of ``output`` says, print how it compares; -> its config.

    ``labels``: the graph takes (N, H, W, 3) uint8 and returns train ids (N, H, W) uint8.
    ``half``: weights in .safetensors have 16 bits, as close as those are; an .mlpackage computes in them.
    ``calibrate``: folder of frames to take the ranges of eight bits from; None = float32.
    ``time``: print the time of a frame too. ``share``: of each frame's own statistics. ``on``: labelled set and the
    folder above it, on which the file has to score what the network does; SegibnError: it does not, and nothing is
    left. ``input_size``: of the frames of a file for phones; None = as the network was scored. ``average``:
    checkpoints of the same network and the share that their weights have of those written.
    """
    segmenter, config, meta = load_segmenter(checkpoint)
    if average:
        meta["averaged"] = _average(segmenter, training_name(checkpoint), tuple(meta["class_names"]), average)
    shared = asked_share(share, checkpoint)
    if shared is not None:
        segmenter = sharing(segmenter, shared)
    if output.suffix == ".safetensors":
        count = write_safetensors(output, segmenter, config, meta, half)
        print(f"{output}: {count} tensors, config and classes")
        return config
    description = describe_network(config, meta, labels=labels, share=shared)
    if output.suffix in PHONES:
        description = _at_one_size(description, input_size, images=output.suffix == ".mlpackage")
    with nullcontext(output) if on is None else atomic_files(output) as path:
        report = _write(segmenter, path, description, labels, half, calibrate)
        if on is not None:
            points = 1.0 if half or calibrate else 0.1
            report += "; " + _compare_scores(checkpoint, _opened(path, description), share, *on, most_points=points)
        print(f"{output}: {report}")
        if time:
            print(frame_times(segmenter, _opened(path, description), RUNTIMES[path.suffix]))
    return config


def _average(segmenter: Segmenter, name: str, class_names: tuple[str, ...], others: Mapping[Path, float]) -> str:
    """Average a network's weights with others', in place -> which have which share, in words.

    A mean of fine-tuned weights and those that they started from often does better than both, on other domains most
    (WiSE-FT, Wortsman et al., CVPR 2022; of several trainings: model soups, ICML 2022).
    """
    own, rest = segmenter.state_dict(), 1 - sum(others.values())
    total = {key: rest * value.double() for key, value in own.items() if value.is_floating_point()}
    words = [f"{rest:.4g} of {name}"]
    for path, share in others.items():
        found = find_checkpoint(path)
        other, _, meta = load_segmenter(found)
        state = other.state_dict()
        if tuple(meta["class_names"]) != class_names:
            raise ConfigError(f"--average {path}: it has other classes; only networks of the same can be averaged")
        if differences := compare_states(own, state):
            raise ConfigError(f"--average {path}: it is of another architecture:\n{shortened(differences)}")
        for key, value in total.items():
            value += share * state[key].double()
        words.append(f"{share:g} of {training_name(found)}")
    for key, value in total.items():
        own[key].copy_(value)
    return ", ".join(words)


def _write(
    segmenter: Segmenter, path: Path, description: Description, labels: bool, half: bool, calibrate: Path | None
) -> str:
    """Write a graph -> how it compares with the network, in words."""
    if calibrate is not None:
        agreeing = export_int8(segmenter, path, description, calibration_frames(calibrate), labels=labels)
        return f"int8; {agreeing:.2%} of the pixels of frames have the class of float32"
    if path.suffix == ".mlpackage":
        difference = export_coreml(segmenter, path, description, labels=labels, half=half)
    else:
        writers = {".xml": export_openvino, ".tflite": export_tflite}
        difference = writers.get(path.suffix, export)(segmenter, path, description, labels=labels)
    size = "" if path.suffix not in PHONES else "frames of {}x{}; ".format(*description.input_size or ())
    if difference is None:
        return (
            f"{size}not compared with the network, as Core ML runs on macOS alone: export it there again, with --on SET"
        )
    if labels:
        return f"{size}{difference:.2%} of pixels differ from the network, all near ties"
    return f"{size}logits differ from the network by at most {difference:.1e}"


def _at_one_size(description: Description, size: tuple[int, int] | None, *, images: bool) -> Description:
    """Describe a file of frames of one size: that asked for, or what frames of 512x1024 are resized to."""
    size = size or InferenceOptions.as_scored(description).size_for((512, 1024))
    update: dict[str, Any] = {"input_size": size, "input_height": None}
    if images and description.output.name == "labels":  # Core ML has no arrays of uint8
        update["output"] = description.output.model_copy(update={"dtype": "int32"})
    return Description.model_validate({**description.model_dump(), **update})


def _opened(path: Path, description: Description) -> GraphNetwork:
    """Open a file that was just written as a network."""
    if path.suffix == ".onnx":
        return load_onnx(path)
    computes = {".pt2": pt2_compute, ".xml": openvino_compute, ".tflite": tflite_compute, ".mlpackage": coreml_compute}
    return graph_network(computes[path.suffix](path), description, path)


def _compare_scores(
    checkpoint: Path,
    graph: GraphNetwork,
    share: InstanceShare | str | None,
    dataset: DatasetConfig,
    root: Path,
    *,
    most_points: float,
) -> str:
    """Score network and graph on a set -> both mIoU; SegibnError: they differ by more than that many points."""
    about = graph.description
    known = about.class_names, about.colors, about.iteration
    network = load_any(checkpoint).asked(AS_SCORED.replaced(instance_share=share), CPU)
    # A file of one size is compared at it, whatever frames' proportions are.
    network = network.to(CPU, replace(network.options, input_size=about.input_size, input_height=about.input_height))
    file = TrainedRun((graph,), *known, source=str(checkpoint), options=InferenceOptions.as_scored(about))
    found = [100 * score_run(run, dataset, root).miou for run in (network, file.asked(AS_SCORED, CPU))]
    text = f"mIoU on {dataset.title}: {found[0]:.2f} % of the network, {found[1]:.2f} % of the file"
    if not abs(found[0] - found[1]) <= most_points:
        raise SegibnError(
            f"{text}; they may differ by {most_points:g} points, so nothing was written. Of eight bits: calibrate with "
            "frames like those that it will see, or export without --int8"
        )
    return text


def frame_times(segmenter: Segmenter, graph: GraphNetwork, runtime: str, pairs: int = 5) -> str:
    """Say the median times of a frame, uint8 to label map, in PyTorch and with an exported graph.

    Both take one random frame by turns on the CPU; the network becomes channels-last, in place.
    """
    options = InferenceOptions.as_scored(graph.description)
    size = options.size_for((512, 1024))
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    times: dict[Predictor, list[float]] = {Predictor(n, "cpu"): [] for n in (segmenter, graph)}
    for predict in (pairs + 1) * list(times):
        times[predict].append(timeit.timeit(lambda predict=predict: predict(frame), number=1))
    torch_s, file_s = (statistics.median(s[1:]) for s in times.values())  # the first warms up
    return (
        f"a frame of {size[0]}x{size[1]} on {counted(torch.get_num_threads(), 'thread')}: "
        f"PyTorch {1000 * torch_s:.0f} ms, {runtime} {1000 * file_s:.0f} ms "
        f"({file_s / torch_s:.2f} of the time)"
    )


def calibration_frames(folder: Path) -> Iterator[np.ndarray]:
    """Yield 32 frames of a folder and its subfolders, spread evenly over their sorted names.

    The next one stands for one that cannot be read. DatasetError: no folder, or no frame in it.
    """
    paths = list_files(folder, _IMAGES, recursive=True)
    if not paths:
        raise DatasetError(f"--calibrate {folder}: holds no images ({', '.join(_IMAGES)})")
    count = min(len(paths), CALIBRATION_FRAMES)
    bounds = [index * len(paths) // count for index in range(count + 1)]
    for first, end in itertools.pairwise(bounds):
        for path in paths[first:end]:  # the first that can be read
            try:
                yield read_image(path)
            except ImageFileError as error:
                print(f"skipped: {error}", file=sys.stderr)
            else:
                break


def describe_network(
    config: RunConfig, meta: dict[str, Any], *, labels: bool = False, share: InstanceShare | None = None
) -> Description:
    """Return what an exported file of label maps, or of logits, says of itself."""
    port, output = LABELS if labels else LOGITS
    backbone = config.model.backbone
    return Description(
        config=config.name,
        iteration=meta["iteration"],
        label_set=meta["classes"],
        class_names=tuple(meta["class_names"]),
        palette=tuple(tuple(color) for color in meta["palette"]),
        input=port,
        output=output,
        input_size=config.evaluation.input_size,
        input_height=config.evaluation.input_height,
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
        align_corners=config.model.align_corners,
        backbone=backbone.network,
        ibn=backbone.ibn_title,
        instance_share="" if share is None else str(share),
        head=config.model.head.name,
        averaged=meta.get("averaged", ""),
        segibn_version=__version__,
    )


def write_safetensors(
    path: Path, segmenter: Segmenter, config: RunConfig, meta: dict[str, Any], half: bool = False
) -> int:
    """Write a network for `load_segmenter` -> how many tensors; CheckpointError: one is too large for ``half``."""
    from safetensors.torch import save

    state = {key: value.contiguous() for key, value in segmenter.state_dict().items()}
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        check_finite(state, f"{path}, in 16 bits")
    values = {**meta, "config": _without_folders(config.model_dump(mode="json"))}
    notes = {key: json.dumps(values[key]) for key in _NOTES if key in values}
    notes |= {"format": "pt", "format_version": str(FORMAT_VERSION)}
    notes[KEY] = describe_network(config, meta).to_json()
    write_bytes(path, save(state, metadata=notes))
    return len(state)


def _without_folders(tree: Any) -> Any:
    """Keep of the files that a config names by whole paths their names: a network travels without them."""
    if isinstance(tree, dict):
        return {
            key: Path(value).name
            if isinstance(value, str) and key in FILE_KEYS and Path(value).is_absolute()
            else _without_folders(value)
            for key, value in tree.items()
        }
    return [_without_folders(value) for value in tree] if isinstance(tree, list) else tree
