"""Users' pictures and videos are predicted: a trained run and sources in, files and report out."""

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from segibn import distributed, provenance
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.evaluate import Predict
from segibn.files.encode import write_image
from segibn.files.pictures import image_size
from segibn.files.writing import write_json, write_text
from segibn.inference.config import InferenceConfig
from segibn.inference.folding import fold_norms
from segibn.inference.predictor import confident_label_maps, is_out_of_memory, label_maps
from segibn.labels.drawing import legend
from segibn.labels.label_set import IGNORE_INDEX
from segibn.labels.palettes import distinct_palette
from segibn.media import FOLDERS
from segibn.media.codecs import CODECS
from segibn.media.faults import Faults, MediaError, format_faults, shown
from segibn.media.journal import Journal
from segibn.media.outputs import LEGEND, Outputs, chosen_classes, kinds_of
from segibn.media.predicting import Tally, Work
from segibn.media.sources import Source
from segibn.media.video import VideoReader
from segibn.runs.loading import device_of, load_any, load_averaged
from segibn.runs.outside import GRAPH, Said, kind_of
from segibn.runs.trained import CPU, TrainedRun
from segibn.runs.wanted import Wanted
from segibn.text import counted
from segibn.text.progress import FrameProgress

_FOLD_FROM = 20  # frames; folding takes what it saves on five


@dataclass(frozen=True)
class Report:
    """What came of it."""

    tally: Tally
    seconds: float
    outputs: Outputs
    class_names: tuple[str, ...]
    faults: list[MediaError]  # of the files that failed
    is_interrupted: bool = False

    @property
    def speed(self) -> float:
        """Frames a second."""
        return self.tally.frames / self.seconds if self.seconds > 0 else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Class -> its share of all pixels, the largest first."""
        shares = (self.tally.pixels / max(1, self.tally.pixels.sum())).tolist()
        return dict(sorted(zip(self.class_names, shares, strict=True), key=lambda pair: -pair[1]))

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some files failed, 130 interrupted."""
        return 130 if self.is_interrupted else 1 if self.faults else 0

    def complaint(self) -> str:
        """Say what went wrong, in lines; "" if nothing did."""
        folder = self.outputs.folder
        if self.is_interrupted:
            files = f"{counted(self.tally.files, 'file')} done and whole in {shown(folder)}"
            return f"interrupted: {files}; the same command with --resume resumes it\n"
        if not self.faults:
            return ""
        many = f"{counted(len(self.faults), 'file')} failed (also in {folder / 'failed.txt'})"
        return f"{many}:\n{format_faults(self.faults)}\n"

    def advice(self) -> str:
        """Say what a person does next."""
        folder = self.outputs.folder
        if self.faults:
            return "mend or remove these files, then the same command with --resume"
        colors = f"; {LEGEND} has the colours" if (folder / LEGEND).is_file() else ""
        return f"look into {shown(folder)}{colors}"

    def text(self) -> str:
        """Say what was done, in lines; of work that was interrupted nothing."""
        tally, folder, codec = self.tally, self.outputs.folder, self.outputs.codec
        if self.is_interrupted:
            return ""
        if not (tally.frames or tally.earlier):
            return "no frame could be predicted\n"
        before = f", {tally.earlier} more were done before" if tally.earlier else ""
        speed = f"{self.seconds:.1f} s ({self.speed:.1f} frames/s)"
        named = [f"{name} {n:.1%}" for name, n in self.shares.items() if n >= 0.001]
        lines = [f"{counted(tally.frames, 'frame')} in {speed}{before}", f"share of pixels: {', '.join(named)}"]
        for kind, name in FOLDERS.items():
            made = f" ({codec.title}; {codec.plays})" if kind == "video" else ""
            lines += [f"  {shown(folder / name)}{made}"] if (folder / name).is_dir() else []
        return "\n".join([*lines, ""])

    def write(self) -> None:
        """Write summary.json and, if files failed, failed.txt."""
        folder, failed = self.outputs.folder, self.outputs.folder / "failed.txt"
        summary = {
            "command": provenance.command_line(),
            "versions": provenance.versions(),
            "frames": self.tally.frames,
            "frames_done_before": self.tally.earlier,
            "seconds": round(self.seconds, 3),
            "frames_per_s": round(self.speed, 3),
            "class_shares": self.shares,
            "class_names": list(self.class_names),
            "failed": [{"file": shown(f.path), "reason": f.reason, "fix": f.fix} for f in self.faults],
        }
        write_json(folder / "summary.json", summary)
        failed.unlink(missing_ok=True)
        if self.faults:
            write_text(failed, format_faults(self.faults) + "\n")


def predict_all(
    source: str, sources: Sequence[Source], wanted: Wanted, how: InferenceConfig, device: str | None, said: Said
) -> Report:
    """Predict sources; prints at which size they are seen. Ctrl-C ends it with whole files.

    SegibnError: nothing can be begun or written, or in strict mode the first bad file.
    """
    if distributed.rank_and_world()[1] > 1:
        raise ConfigError(
            "predict is one process: start it once for each GPU, with --device cuda:0, cuda:1 ... "
            "and inputs and an --output of its own"
        )
    codec = wanted.codec(sources) or CODECS["mpeg4"]
    run = _load(source, how, device, said)
    is_many = len(sources) >= _FOLD_FROM or any(source.is_video for source in sources)
    if is_many and run.config is not None and run.device == CPU:  # on GPUs it was not measured
        for network in run.predictor.networks:
            fold_norms(network)
    sizes = _some_sizes(sources)
    run.options.require_upright(sizes, shown(sources[0].root))
    if sizes:
        print(run.options.describe_size(sizes[0]) + ("; there are other sizes" if len(set(sizes)) > 1 else ""))
    drawn = chosen_classes(run.class_names, wanted.classes)
    palette = distinct_palette(run.class_names) if wanted.palette == "distinct" else run.palette
    shown_as = (wanted.save, wanted.alpha, run.class_names, wanted.marks, wanted.video_shows, codec)
    outputs = Outputs(wanted.output, palette, drawn, *shown_as)
    faults = Faults(wanted.strict)
    predict = _predict(run, wanted)
    batch_size = run.options.batch_size
    started, is_interrupted = time.monotonic(), False
    with (
        Journal(outputs.folder, _settings(run, wanted), wanted.mode) as journal,
        FrameProgress("predict", len(sources)) as progress,
    ):
        work = Work(predict, batch_size, outputs, journal, faults, is_out_of_memory, progress)
        kinds = {kind for source in sources for kind in kinds_of(outputs.save, source.is_video)}
        if kinds - {"labels", "confidence"}:
            names = [run.class_names[train_id] for train_id in np.flatnonzero(outputs.drawn)]
            write_image(outputs.folder / LEGEND, legend(names, outputs.palette[outputs.drawn]))
        try:
            work.run(sources)
        except KeyboardInterrupt:
            is_interrupted = True
    seconds = time.monotonic() - started
    report = Report(work.tally, seconds, outputs, run.class_names, faults.found, is_interrupted)
    if not is_interrupted:
        report.write()
    return report


def _load(source: str, inference: InferenceConfig, device: str | None, said: Said) -> TrainedRun:
    if kind_of(source) != GRAPH:
        run = load_averaged(source, inference, said)
    elif device not in (None, "cpu"):
        raise ConfigError(f"--device {device}: an .onnx file runs on the cpu here")
    elif inference.ensemble or inference.precision not in ("auto", "float32"):
        raise ConfigError(
            f"{source}: an exported graph has its precision inside and is not averaged with "
            "others; give a run or checkpoint for --precision and --ensemble"
        )
    else:
        run, device = load_any(source, said), "cpu"
        inference = inference.replaced(precision="float32")
    return run.asked(inference, device_of(device))


def _predict(run: TrainedRun, wanted: Wanted) -> Predict:
    """Return what predicts frames; with their confidence only where it is asked for, as that takes longer."""
    if wanted.min_confidence is None and "confidence" not in (wanted.save or ()):
        return partial(label_maps, run.predictor)
    least = wanted.min_confidence or 0.0

    def predict(images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        pairs = confident_label_maps(run.predictor, images)
        for train_ids, confidence in pairs:
            train_ids[confidence < least] = IGNORE_INDEX
        return pairs

    return predict


def _some_sizes(sources: Sequence[Source]) -> list[tuple[int, int]]:
    """(H, W) of a few images, or of the first video; what cannot be read is left to prediction."""
    images = [source for source in sources if not source.is_video]
    sizes: list[tuple[int, int]] = []
    for source in (images or sources)[:: max(1, len(images) // 8)]:
        with suppress(SegibnError):
            if images:
                sizes.append(image_size(source.path))
                continue
            with VideoReader(source.path) as video, closing(iter(video)) as frames:
                return [(frame.shape[0], frame.shape[1]) for frame in islice(frames, 1)]
    return sizes


def _settings(run: TrainedRun, wanted: Wanted) -> dict[str, Any]:
    """Return what every file in the output depends on; a batch's size is not part of it."""
    inference = run.options.to_dict()
    inference.pop("batch_size")
    drawing = ("save", "alpha", "marks", "palette", "classes", "video_shows", "video_codec")
    own = {name: getattr(wanted, name) for name in drawing}
    if wanted.min_confidence is not None:
        own["min_confidence"] = wanted.min_confidence
    return {"model_sha256": [one.sha256 for one in (run, *run.others)], "inference": inference, **own}
