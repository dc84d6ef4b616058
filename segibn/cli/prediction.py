"""One run of ``predict``: load the network, predict every source, say what came of it."""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from segibn import distributed, provenance
from segibn.cli.arguments import report_words
from segibn.cli.inference import device_of, ensemble_runs, inference_options
from segibn.cli.parser import print_next, print_then
from segibn.cli.scoring import load_ensemble
from segibn.errors import ConfigError, SegibnError
from segibn.files import image_size, sha256_of, write_image, write_json, write_text
from segibn.inference.options import InferenceOptions
from segibn.inference.predictor import is_out_of_memory, label_maps
from segibn.labels.drawing import legend
from segibn.media.codecs import CODECS, Codec, choose_codec
from segibn.media.faults import Faults, format_faults, shown
from segibn.media.journal import Journal, Mode
from segibn.media.outputs import FOLDERS, LEGEND, Outputs, chosen_classes
from segibn.media.predicting import Tally, Work
from segibn.media.sources import Source
from segibn.media.video import VideoReader
from segibn.runs.loading import load
from segibn.runs.trained import TrainedRun
from segibn.text import counted
from segibn.text.progress import FrameProgress

_LEAST_SHARE = 0.001  # of the pixels, for a class to be named


def predict_all(sources: Sequence[Source], arguments: argparse.Namespace) -> int:
    """Predict sources as the arguments of ``predict`` say; returns the exit code.

    Raises:
        SegibnError: nothing can be begun, an output cannot be written, or with ``--strict`` the
            first bad file.
    """
    _check(sources, arguments)
    codec = _codec(sources, arguments)
    model = load_model(arguments)
    _look_at_sizes(sources, model.options)
    drawn = chosen_classes(model.class_names, arguments.classes)
    outputs = Outputs(
        arguments.output,
        model.palette,
        drawn,
        arguments.save,
        arguments.alpha,
        arguments.video_shows,
        codec or CODECS["mpeg4"],
    )
    faults = Faults(arguments.strict)
    start = time.monotonic()
    interrupted = False
    with (
        Journal(outputs.folder, _settings(model, arguments), _mode(arguments)) as journal,
        FrameProgress("predict", len(sources)) as progress,
    ):
        work = Work(
            partial(label_maps, model.predictor),
            model.options.batch_size,
            outputs,
            journal,
            faults,
            is_out_of_memory,
            progress,
        )
        _write_legend(model, outputs, sources)
        try:
            work.run(sources)
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.monotonic() - start
    if interrupted:
        _say_interrupted(work.tally, outputs.folder)
        return 130
    _report(work.tally, seconds, faults, model, outputs, arguments)
    return 1 if faults.found else 0


def _some_sizes(sources: Sequence[Source]) -> list[tuple[int, int]]:
    """(H, W) of a few images, or of the first video; what cannot be read is left to prediction."""
    images = [source for source in sources if not source.is_video]
    sizes: list[tuple[int, int]] = []
    for source in (images or sources)[:: max(1, len(images) // 8)]:
        try:
            if images:
                sizes.append(image_size(source.path))
                continue
            with VideoReader(source.path) as video, closing(iter(video)) as frames:
                return [(frame.shape[0], frame.shape[1]) for frame in islice(frames, 1)]
        except SegibnError:
            continue
    return sizes


def _look_at_sizes(sources: Sequence[Source], options: InferenceOptions) -> None:
    """Refuse an input size that is turned, and say at which size frames are seen."""
    sizes = _some_sizes(sources)
    options.require_upright(sizes, shown(sources[0].root))
    if sizes:
        print(
            options.describe_size(sizes[0])
            + ("; there are other sizes" if len(set(sizes)) > 1 else "")
        )


def load_model(arguments: argparse.Namespace) -> TrainedRun:
    """Load the network, or those that are averaged, of ``arguments.run``.

    Raises:
        CheckpointError: there is none.
        ConfigError: options that do not fit it.
    """
    if Path(arguments.run).suffix != ".onnx":
        run = load_ensemble(arguments)
    elif arguments.device not in (None, "cpu"):
        raise ConfigError(f"--device {arguments.device}: an .onnx file runs on the cpu here")
    elif ensemble_runs(arguments) or arguments.precision not in (None, "auto", "float32"):
        raise ConfigError(
            f"{arguments.run}: an exported graph has its precision inside and is not averaged with "
            "others; give a run or checkpoint for --precision and --ensemble"
        )
    else:
        arguments.device, arguments.precision = "cpu", "float32"
        run = load(arguments.run)
    return run.to(device_of(arguments), inference_options(arguments, run.options))


def _check(sources: Sequence[Source], arguments: argparse.Namespace) -> None:
    if distributed.rank_and_world()[1] > 1:
        raise ConfigError(
            "predict is one process: start it once for each GPU, with --device cuda:0, cuda:1 ... "
            "and inputs and an --output of its own"
        )
    has_videos = any(source.is_video for source in sources)
    if arguments.save is not None and "video" in arguments.save and not has_videos:
        raise ConfigError("--save video: there is no video among the inputs; leave it out")
    if arguments.save == ("video",) and not all(source.is_video for source in sources):
        raise ConfigError(
            "--save video writes nothing for the images among the inputs; add labels or overlay"
        )


def _codec(sources: Sequence[Source], arguments: argparse.Namespace) -> Codec | None:
    """Return what videos are encoded in, tried before anything is predicted; None: there are none.

    Raises:
        ConfigError: OpenCV has no such encoder here.
    """
    writes_videos = arguments.save is None or "video" in arguments.save
    if writes_videos and any(source.is_video for source in sources):
        return choose_codec(arguments.video_codec)
    return None


def _mode(arguments: argparse.Namespace) -> Mode:
    if arguments.resume:
        return "resume"
    return "overwrite" if arguments.overwrite else "new"


def _settings(model: TrainedRun, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what every file in the output depends on; a batch's size is not part of it."""
    files = [one.checkpoint for one in (model, *model.others)]
    inference = model.options.to_dict()
    inference.pop("batch_size")
    return {
        "model_sha256": [sha256_of(path) for path in files],
        "inference": inference,
        "save": arguments.save,
        "alpha": arguments.alpha,
        "classes": arguments.classes,
        "video_shows": arguments.video_shows,
        "video_codec": arguments.video_codec,
    }


def _write_legend(model: TrainedRun, outputs: Outputs, sources: Sequence[Source]) -> None:
    kinds = {kind for source in sources for kind in outputs.kinds(source.is_video)}
    if kinds == {"labels"}:
        return
    names = [
        name for name, is_drawn in zip(model.class_names, outputs.drawn, strict=True) if is_drawn
    ]
    write_image(outputs.folder / LEGEND, legend(names, model.palette[outputs.drawn]))


def _say_interrupted(tally: Tally, folder: Path) -> None:
    print(
        f"interrupted: {counted(tally.files, 'file')} done and whole in {shown(folder)}; the same "
        "command with --resume goes on from there",
        file=sys.stderr,
    )


def _report(
    tally: Tally,
    seconds: float,
    faults: Faults,
    model: TrainedRun,
    outputs: Outputs,
    arguments: argparse.Namespace,
) -> None:
    """Write summary.json and failed.txt, and print both."""
    folder = outputs.folder
    shares = _shares(tally.pixels, model.class_names)
    speed = tally.frames / seconds if seconds > 0 else 0.0
    summary = {
        "command": provenance.command_line(),
        "versions": provenance.versions(),
        "frames": tally.frames,
        "frames_done_before": tally.earlier,
        "seconds": round(seconds, 3),
        "frames_per_s": round(speed, 3),
        "class_shares": shares,
        "failed": [{"file": shown(f.path), "reason": f.reason, "fix": f.fix} for f in faults.found],
    }
    write_json(folder / "summary.json", summary)
    failed = folder / "failed.txt"
    failed.unlink(missing_ok=True)
    before = f", {tally.earlier} more were done before" if tally.earlier else ""
    if tally.frames or tally.earlier:
        print(f"{counted(tally.frames, 'frame')} in {seconds:.1f} s ({speed:.1f} frames/s){before}")
        print(
            "share of pixels: "
            + ", ".join(
                f"{name} {share:.1%}" for name, share in shares.items() if share >= _LEAST_SHARE
            )
        )
        for name in FOLDERS.values():
            if (folder / name).is_dir():
                print(f"  {shown(folder / name)}{_made(name, outputs)}")
    else:
        print("no frame could be predicted")
    if faults.found:
        table = format_faults(faults.found)
        write_text(failed, table + "\n")
        many = counted(len(faults.found), "file")
        print(f"{many} failed (also in {failed}):\n{table}", file=sys.stderr)
        print_then("mend or remove these files, then the same command with --resume")
    else:
        colors = f"; {LEGEND} has the colours" if (folder / LEGEND).is_file() else ""
        print_then(f"look into {shown(folder)}{colors}")
        if words := report_words(arguments.run):
            print_next(*words)


def _made(name: str, outputs: Outputs) -> str:
    """Say of videos how they are encoded, and where that is shown."""
    return f" ({outputs.codec.title}; {outputs.codec.plays})" if name == FOLDERS["video"] else ""


def _shares(pixels: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Class -> its share of all pixels, the largest first."""
    total = max(1, int(pixels.sum()))
    pairs = sorted(zip(names, pixels.tolist(), strict=True), key=lambda pair: -pair[1])
    return {name: count / total for name, count in pairs}
