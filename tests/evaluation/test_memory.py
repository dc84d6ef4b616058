"""A set may be as long as it likes: frames are counted and let go."""

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from segibn.evaluation.boundary import BoundaryIoU
from segibn.evaluation.calibration import Calibration
from segibn.evaluation.evaluate import ScoreTally, evaluate
from segibn.evaluation.score_folders import score_semseg
from segibn.evaluation.scores import Conditions
from segibn.files.encode import write_label_png

SIZE = (128, 256)
NAMES = tuple(f"class{index}" for index in range(19))


def frames(count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield frames that are made when they are asked for."""
    for number in range(count):
        image = np.full((*SIZE, 3), number % 19, np.uint8)
        yield f"frame{number}", image, image[..., 0].copy()


def predict(image: np.ndarray) -> np.ndarray:
    return image[..., 0].copy()


def predict_surely(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return predict(image), np.full(SIZE, 0.75, np.float32)


def peak_bytes(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("everything", [False, True], ids=["counts", "boundary-and-calibration"])
def test_peak_memory_does_not_grow_with_the_number_of_frames(everything: bool):
    def score(count: int) -> None:
        more = [BoundaryIoU(NAMES), Calibration(NAMES)] if everything else []
        predictor = predict_surely if everything else predict
        evaluate(
            lambda images: [predictor(image) for image in images],
            frames(count),
            [ScoreTally(NAMES, Conditions("toy"), [f"frame{n}" for n in range(count)]), *more],
        )

    score(2)  # what is imported and cached once
    few, many = peak_bytes(lambda: score(10)), peak_bytes(lambda: score(210))
    # 608 bytes of counts a frame, a name and their copies; one label map alone has 32768.
    assert (many - few) / 200 < 3000


def test_scoring_folders_does_not_keep_the_maps(tmp_path):
    for number in range(210):  # many more than are read ahead where counting is slow
        target = np.full(SIZE, number % 19, np.uint8)
        for folder in ("few", "many") if number < 10 else ("many",):
            write_label_png(tmp_path / folder / f"f{number}.png", target)

    def score(folder: str) -> None:
        score_semseg(tmp_path / folder, tmp_path / folder)

    score("few")
    growth = peak_bytes(lambda: score("many")) - peak_bytes(lambda: score("few"))
    assert growth / 200 < SIZE[0] * SIZE[1] / 2
