"""Batches do not depend on workers, ranks or resumes; errors keep their own message."""

import numpy as np
import pytest
import torch

from segibn.data.dataset import SegmentationDataset
from segibn.data.datasets.catalog import dataset_source
from segibn.data.frames import Frames, preload
from segibn.data.loader import TrainLoader, make_loader
from segibn.data.plan import Plan, PositionSampler, Stream
from segibn.data.samples import SamplePaths
from segibn.data.transforms import TrainTransform
from segibn.errors import ImageFileError

CITYSCAPES = dataset_source("cityscapes").label_set()
# Three workers are the point of a test, also where there are two cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
ITERATIONS = 4


def _loader(
    samples: list[SamplePaths],
    workers: int = 0,
    *,
    start: int = 0,
    rank: int = 0,
    world_size: int = 1,
    cached: bool = False,
) -> TrainLoader:
    transform = TrainTransform(
        (16, 32), color_jitter=(0.4, 0.4, 0.4, 0.1), color_jitter_probability=1.0, blur_sigma=(0.1, 1.0)
    )
    cache = preload(samples, CITYSCAPES) if cached else None
    dataset = SegmentationDataset(samples, CITYSCAPES, transform, seed=7, cache=cache)
    sampler = PositionSampler(
        Plan((Stream(len(samples)),), seed=7), 4 // world_size, start_iteration=start,
        end_iteration=ITERATIONS, rank=rank, world_size=world_size,
    )  # fmt: skip
    return make_loader(dataset, sampler, workers=workers)


def _assert_equal(batches: list[dict], others: list[dict]) -> None:
    assert len(batches) == len(others)
    for one, other in zip(batches, others, strict=True):
        assert one["name"] == other["name"]
        for key in ("image", "target", "position"):
            assert torch.equal(one[key], other[key])


@pytest.mark.parametrize(("workers", "cached"), [(1, False), (3, False), (3, True)])
def test_batches_do_not_depend_on_the_number_of_workers(samples: list[SamplePaths], workers: int, cached: bool) -> None:
    alone = list(_loader(samples))
    _assert_equal(list(_loader(samples, workers, cached=cached)), alone)


def test_two_ranks_see_together_what_one_rank_sees_alone(samples: list[SamplePaths]) -> None:
    ranks = [list(_loader(samples, rank=rank, world_size=2)) for rank in range(2)]
    together = [
        {
            key: a[key] + b[key] if key == "name" else torch.cat([a[key], b[key]])
            for key in ("image", "target", "name", "position")
        }
        for a, b in zip(*ranks, strict=True)
    ]
    _assert_equal(together, list(_loader(samples)))


def test_a_resumed_loader_gives_the_rest_of_the_run(samples: list[SamplePaths]) -> None:
    _assert_equal(list(_loader(samples, start=2)), list(_loader(samples))[2:])


def test_no_two_views_of_a_run_are_the_same(samples: list[SamplePaths]) -> None:
    images = torch.cat([batch["image"] for batch in _loader(samples, 2)])
    assert len({image.numpy().tobytes() for image in images}) == 4 * ITERATIONS


def test_a_batch_is_uint8_in_channels_last_order(samples: list[SamplePaths]) -> None:
    batch = next(iter(_loader(samples)))
    assert batch["image"].shape == (4, 3, 16, 32)
    assert batch["image"].dtype == batch["target"].dtype == torch.uint8
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert batch["position"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named_without_a_traceback(samples: list[SamplePaths], workers: int) -> None:
    broken = samples[2].image
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(ImageFileError) as caught:
        list(_loader(samples, workers))
    assert str(caught.value).startswith(str(broken))
    assert "Traceback" not in str(caught.value)


def test_frames_come_whole_and_in_order(samples: list[SamplePaths]) -> None:
    frames = list(Frames(tuple(samples), CITYSCAPES, threads=3, ahead=2))
    assert [name for name, _, _ in frames] == [sample.name for sample in samples]
    for _, image, target in frames:
        assert image.shape == (24, 40, 3)
        assert target.shape == (24, 40)
        assert image.dtype == target.dtype == np.uint8


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_every_frame_goes_to_exactly_one_rank(samples: list[SamplePaths], world_size: int) -> None:
    shares = [Frames(tuple(samples), CITYSCAPES, rank, world_size) for rank in range(world_size)]
    names = [[name for name, _, _ in share] for share in shares]
    assert sorted(name for share in names for name in share) == [sample.name for sample in samples]
    assert [len(share) for share in shares] == [len(one) for one in names]


def test_a_broken_frame_is_named(samples: list[SamplePaths]) -> None:
    samples[4].image.write_bytes(b"")
    frames = iter(Frames(tuple(samples), CITYSCAPES))
    for _ in range(4):
        next(frames)
    with pytest.raises(ImageFileError, match=samples[4].image.name):
        next(frames)


def test_leaving_early_stops_the_decoding(samples: list[SamplePaths]) -> None:
    frames = iter(Frames(tuple(samples), CITYSCAPES))
    next(frames)
    frames.close()
    assert list(frames) == []
