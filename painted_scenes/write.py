"""Sample data as files, in the official layouts of GTA5, Cityscapes and BDD100K.

``gta5/`` is in the game style, ``cityscapes/`` and ``bdd100k/`` in the camera style. The folder
appears when everything in it is written; an interrupted run leaves nothing. The same arguments give
the same bytes, whatever the number of processes.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from painted_scenes.names import bdd100k_name, cityscapes_name, gta5_name
from painted_scenes.render import Frame, render_frame
from painted_scenes.spec import SETS, SampleSpec
from segibn.errors import SegibnError
from segibn.files.encode import write_image, write_label_png
from segibn.files.pool import map_in_processes
from segibn.files.writing import read_json, write_bytes, write_json
from segibn.labels.cityscapes import CITYSCAPES

GENERATOR_VERSION = 3
"""Raised whenever the same arguments would give other pictures."""

MANIFEST = "segibn_sample_data.json"
BDD_TEST_FRAMES = 8


@dataclass(frozen=True)
class FrameJob:
    """One frame of one data set, to be rendered and written below ``root``."""

    root: Path
    dataset: str
    split: str
    index: int
    seed: int
    size: tuple[int, int]


def write_sample_data(
    output: Path, spec: SampleSpec, *, workers: int | None = None, progress: Callable[[int], None] | None = None
) -> bool:
    """Write sample data into ``output``; False if that holds exactly this already.

    Args:
        output: a folder that does not exist, is empty, or was made by this function; SegibnError
            where it holds anything else.
        workers: processes; None = one for each core.
        progress: called with the number of frames done.
    """
    _check(spec)
    output = Path(output).absolute()
    manifest = _manifest(spec)
    if _inspect(output) == manifest:
        return False
    staging = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    try:
        staging.mkdir(parents=True)
        _write_frames(frame_jobs(staging, spec), workers, progress)
        write_json(staging / MANIFEST, manifest)
        _put_in_place(staging, output)
    except OSError as error:
        raise SegibnError(f"{output}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return True


def frame_jobs(root: Path, spec: SampleSpec) -> list[FrameJob]:
    """List every frame that ``spec`` asks for."""
    jobs = []
    for dataset in spec.sets:
        train, val = spec.frames
        counts = {"train": 0 if dataset in spec.val_only else train, "val": val}
        if dataset == "bdd100k":
            counts["test"] = BDD_TEST_FRAMES
        for split, count in counts.items():
            jobs += [FrameJob(root, dataset, split, i, spec.seed, spec.size) for i in range(count)]
    return jobs


def write_frame(job: FrameJob) -> None:
    """Render one frame and write its files."""
    style = "game" if job.dataset == "gta5" else "camera"
    split = f"bdd-{job.split}" if job.dataset == "bdd100k" else job.split
    frame = render_frame(job.seed, style, split, job.index, job.size)
    _WRITERS[job.dataset](job, frame)


def _write_gta5(job: FrameJob, frame: Frame) -> None:
    name = gta5_name(job.split, job.index)
    root = job.root / "gta5"
    write_image(root / "images" / f"{name}.png", frame.image)
    write_label_png(root / "labels" / f"{name}.png", frame.label_ids, _id_palette())


def _write_cityscapes(job: FrameJob, frame: Frame) -> None:
    city, name = cityscapes_name(job.split, job.index)
    root = job.root / "cityscapes"
    write_image(root / "leftImg8bit" / job.split / city / f"{name}_leftImg8bit.png", frame.image)
    truth = root / "gtFine" / job.split / city
    write_label_png(truth / f"{name}_gtFine_labelIds.png", frame.label_ids)
    instances = cv2.imencode(".png", frame.instance_ids)[1].tobytes()
    write_bytes(truth / f"{name}_gtFine_instanceIds.png", instances)


def _write_bdd100k(job: FrameJob, frame: Frame) -> None:
    """Drivable maps in the 2018 layout; the same frames as the 10k set with its masks (2021)."""
    name = bdd100k_name(job.seed, job.split, job.index)
    root = job.root / "bdd100k"
    for folder in ("100k", "10k"):
        write_image(root / "images" / folder / job.split / f"{name}.jpg", frame.image)
    if job.split == "test":
        return
    maps = root / "drivable_maps" / "labels" / job.split
    write_label_png(maps / f"{name}_drivable_id.png", frame.drivable)
    masks = root / "labels" / "sem_seg" / "masks" / job.split
    write_label_png(masks / f"{name}.png", CITYSCAPES.to_train_ids(frame.label_ids))


_WRITERS = {"gta5": _write_gta5, "cityscapes": _write_cityscapes, "bdd100k": _write_bdd100k}


def _id_palette() -> np.ndarray:
    """Cityscapes colours by label id, (34, 3) uint8."""
    colors = {label.label_id: label.color for label in CITYSCAPES.labels if label.label_id >= 0}
    return np.array([colors[label_id] for label_id in range(len(colors))], np.uint8)


def _write_frames(jobs: list[FrameJob], workers: int | None, progress: Callable[[int], None] | None) -> None:
    workers = min(workers or len(os.sched_getaffinity(0)), max(len(jobs) // 4, 1))
    results = map_in_processes(write_frame, jobs, workers, 4, "painting the frames")
    for done, _ in enumerate(results, start=1):
        if progress is not None:
            progress(done)


def _check(spec: SampleSpec) -> None:
    unknown = sorted({*spec.sets, *spec.val_only} - set(SETS))
    if unknown:
        raise SegibnError(f"unknown data set {unknown[0]!r}; there are {', '.join(SETS)}")
    if min(spec.frames) < 1:
        raise SegibnError(f"frames {spec.frames}: ask for at least one of train and one of val")
    if min(spec.size) < 32 or any(side % 8 for side in spec.size):
        raise SegibnError(f"size {spec.size}: height and width are multiples of 8, at least 32")


def _manifest(spec: SampleSpec) -> dict[str, object]:
    """What the folder says about itself, as JSON gives it back."""
    made = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(spec).items()}
    return {"made_by": "segibn make_sample_data", "generator_version": GENERATOR_VERSION, **made}


def _inspect(output: Path) -> object:
    """Return the manifest of a folder made by us, or None for a missing or empty one."""
    if not output.exists():
        return None
    if not output.is_dir():
        raise SegibnError(f"{output}: is a file; choose a folder for --output")
    present = {path.name for path in output.iterdir()}
    if not present:
        return None
    if MANIFEST not in present:
        raise SegibnError(f"{output}: holds files that this program did not make; choose a new or empty folder")
    strangers = sorted(present - {MANIFEST, *SETS})
    if strangers:
        raise SegibnError(
            f"{output}: holds '{strangers[0]}' beside the sample data, which a new set would "
            "delete; move it away or choose another folder"
        )
    return read_json(output / MANIFEST)


def _put_in_place(staging: Path, output: Path) -> None:
    """Let the finished folder take the place of an empty or an older one."""
    if not output.exists():
        staging.rename(output)
        return
    old = output.with_name(f".{output.name}.{secrets.token_hex(4)}.old")
    output.rename(old)
    staging.rename(output)
    shutil.rmtree(old)
