#!/usr/bin/env python
"""What a number format costs a trained network in mIoU: PyTorch and ONNX Runtime, down to int8.

Scores runs on labelled sets four ways, each time through the same evaluation. Eight bits are
calibrated on frames of the set the run was trained on, so that another look is as new to them as
to the network.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.tables.measurements import render_precision
from segibn import provenance
from segibn.builders.checkpoints import load_segmenter
from segibn.builders.loader import build_eval_frames
from segibn.engine.scoring import eval_frames, score
from segibn.export.exported import load_onnx
from segibn.export.quantize import CALIBRATION_FRAMES, export_int8
from segibn.export.writing import export
from segibn.files.writing import write_json
from segibn.inference.predictor import Predictor
from segibn.runs.export import describe_network
from segibn.runs.loading import load_checkpoint
from segibn.runs.sets import parse_evaluation_set
from segibn.runs.trained import TrainedRun

WAYS = ("PyTorch float32", "PyTorch bfloat16", "ONNX Runtime float32", "ONNX Runtime int8")


def calibration_frames(run: TrainedRun, root: Path) -> Iterator[np.ndarray]:
    """Yield frames of the run's own training set, spread evenly over it."""
    frames = build_eval_frames(run.config.data.train, root, run.scheme)
    step = max(1, len(frames) // CALIBRATION_FRAMES)
    for _, image, _ in islice(frames, 0, None, step):
        yield image


def networks(run: TrainedRun, root: Path, folder: Path) -> dict[str, tuple[Any, str]]:
    """Way -> the network and its precision, in the order of `WAYS`."""
    _, config, meta = load_segmenter(run.checkpoint)
    description = describe_network(config, meta)
    exact, eight = folder / "float32.onnx", folder / "int8.onnx"
    export(run.module, exact, description)
    export_int8(run.module, eight, description, calibration_frames(run, root))
    return {
        WAYS[0]: (run.module, "float32"),
        WAYS[1]: (run.module, "bfloat16"),
        WAYS[2]: (load_onnx(exact), "float32"),
        WAYS[3]: (load_onnx(eight), "float32"),
    }


def score_run(run: TrainedRun, sets: Sequence[str], root: Path) -> list[dict[str, Any]]:
    """Score a run in every way on every set."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for way, (model, precision) in networks(run, root, Path(folder)).items():
            options = replace(run.options, precision=precision)
            for text in sets:
                dataset = parse_evaluation_set(text)
                frames = eval_frames(dataset, root, run.scheme, run.class_names)
                predictor = Predictor(model, "cpu", options)
                scores = score(predictor, frames, dataset.title).to_dict()
                rows.append(run.record() | {"test": dataset.title, "way": way})
                rows[-1] |= {key: scores[key] for key in ("miou", "pixel_accuracy", "signature")}
                rows[-1] |= {"num_images": scores["num_images"], "iou": scores["iou"]}
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Score number formats on labelled sets.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders or .pt files")
    parser.add_argument("--datasets", type=Path, required=True, metavar="DIR")
    parser.add_argument("--on", nargs="+", required=True, metavar="NAME:SPLIT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    options = parser.parse_args(argv)
    rows = []
    for path in options.runs:
        rows += score_run(load_checkpoint(path), options.on, options.datasets)
    content = {"kind": "precision", "rows": rows, "command": provenance.command_line()}
    content |= {"revision": provenance.git_revision(), "machine": provenance.machine()}
    versions = provenance.versions() | {"onnxruntime": version("onnxruntime")}
    content |= {"versions": versions, "calibration_frames": CALIBRATION_FRAMES}
    print(render_precision(content))
    if options.json is not None:
        write_json(options.json, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
