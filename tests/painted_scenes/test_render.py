"""Sample scenes: deterministic, all classes, labels that both styles share."""

import numpy as np
import pytest

from painted_scenes.camera import NEAR, Camera, clip_near
from painted_scenes.placement import THING_LIMIT, sample_scene
from painted_scenes.render import Frame, render_frame
from painted_scenes.styles import sample_style
from segibn.labels.cityscapes import CITYSCAPES

SIZE = (64, 128)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return [render_frame(3, "game", "train", index, SIZE) for index in range(14)]


def test_all_nineteen_classes_occur_in_a_few_frames(frames: list[Frame]):
    train_ids = np.concatenate([CITYSCAPES.to_train_ids(f.label_ids).ravel() for f in frames])
    counts = np.bincount(train_ids, minlength=256)[:19]
    assert dict(zip(CITYSCAPES.class_names, counts > 0, strict=True)) == dict.fromkeys(CITYSCAPES.class_names, True)


def test_label_maps_hold_only_values_of_the_cityscapes_table(frames: list[Frame]):
    known = {label.label_id for label in CITYSCAPES.labels}
    assert set(np.unique([f.label_ids for f in frames])) <= known


def test_streets_have_the_proportions_of_streets(frames: list[Frame]):
    train_ids = np.stack([CITYSCAPES.to_train_ids(f.label_ids) for f in frames])
    share = np.bincount(train_ids.ravel(), minlength=256)[:19] / train_ids.size
    names = dict(zip(CITYSCAPES.class_names, share, strict=True))
    assert 0.15 < names["road"] < 0.45
    assert names["building"] + names["vegetation"] > 0.15
    lower, upper = train_ids[:, SIZE[0] * 3 // 4 :], train_ids[:, : SIZE[0] // 4]
    assert (upper == 10).mean() > 0.1 > (upper == 0).mean()
    assert (lower == 0).mean() > 0.4
    assert not (lower == 10).any()


def test_drivable_area_lies_on_the_road_and_holds_the_own_lane(frames: list[Frame]):
    for frame in frames:
        assert set(np.unique(frame.drivable)) <= {0, 1, 2}
        assert (frame.label_ids[frame.drivable > 0] == 7).all()
    shares = [(frame.drivable == 1).mean() for frame in frames]
    assert np.mean(shares) > 0.04


def test_instance_ids_agree_with_label_ids(frames: list[Frame]):
    for frame in frames:
        ids = frame.instance_ids.astype(int)
        assert frame.instance_ids.dtype == np.uint16
        assert (np.where(ids >= 1000, ids // 1000, ids) == frame.label_ids).all()
    cars = {int(i) for frame in frames for i in np.unique(frame.instance_ids) if i // 1000 == 26}
    assert {26000, 26001} <= cars


@pytest.mark.parametrize("index", [0, 3, 5, 9])
def test_both_looks_of_a_scene_share_labels_exactly(index: int, frames: list[Frame]):
    camera = render_frame(3, "camera", "train", index, SIZE)
    assert (camera.label_ids == frames[index].label_ids).all()
    assert (camera.instance_ids == frames[index].instance_ids).all()
    assert (camera.drivable == frames[index].drivable).all()
    assert (camera.image != frames[index].image).mean() > 0.5


def test_same_arguments_give_the_same_frame_and_others_do_not(frames: list[Frame]):
    again = render_frame(3, "game", "train", 1, SIZE)
    assert (again.image == frames[1].image).all()
    assert (again.label_ids == frames[1].label_ids).all()
    for other in (
        render_frame(4, "game", "train", 1, SIZE),
        render_frame(3, "game", "val", 1, SIZE),
        render_frame(3, "game", "bdd-train", 1, SIZE),
    ):
        assert (other.label_ids != frames[1].label_ids).mean() > 0.1


def test_a_larger_frame_shows_the_same_scene():
    small = render_frame(3, "game", "train", 2, (64, 128)).label_ids
    large = render_frame(3, "game", "train", 2, (128, 256)).label_ids
    assert (large[::2, ::2] == small).mean() > 0.9


def test_looks_differ_in_brightness_and_colour_spread():
    game = [render_frame(5, "game", "train", i, (32, 64)).image for i in range(6)]
    camera = [render_frame(5, "camera", "train", i, (32, 64)).image for i in range(6)]

    def saturation(image: np.ndarray) -> float:
        return float((image.max(axis=2).astype(int) - image.min(axis=2)).mean())

    assert np.mean([saturation(i) for i in game]) > 1.5 * np.mean([saturation(i) for i in camera])
    assert np.std([i.mean() for i in camera]) > 1.5 * np.std([i.mean() for i in game])


def test_an_unknown_look_is_named():
    with pytest.raises(ValueError, match=r"'cartoon'.*game, camera"):
        sample_style("cartoon", np.random.default_rng(0))


def test_vehicles_on_the_road_do_not_stand_in_each_other():
    solid = {"car", "bus", "truck", "train"}
    for index in range(20):
        scene = sample_scene(1, "train", index)
        assert len(scene.things) <= THING_LIMIT
        placed = [t for t in scene.things if t.kind in solid and t.variant != "crossing"]
        for number, one in enumerate(placed):
            for other in placed[:number]:
                beside = abs(one.lateral - other.lateral) > 1.8
                apart = one.z > other.z + other.length or other.z > one.z + one.length
                assert beside or apart


def test_projection_agrees_with_the_ground_seen_by_each_pixel():
    camera = Camera(size=(120, 200), focal=180.0, height=1.4, horizon=50.0, roll=0.01)
    first, x, z = camera.ground
    for row, column in ((20, 30), (60, 150)):
        point = np.array([x[row, column], 0.0, z[row, column]])
        assert camera.project(point) == pytest.approx((column + 0.5, first + row + 0.5), abs=1e-3)


def test_clipping_keeps_what_lies_before_the_near_plane():
    behind = np.array([[0.0, 0, -1], [1, 0, -1], [1, 1, -1]])
    assert len(clip_near(behind)) == 0
    across = np.array([[0.0, 0, -1], [0, 0, 3], [2, 0, 3], [2, 0, -1]])
    clipped = clip_near(across)
    assert clipped[:, 2].min() == pytest.approx(NEAR)
    assert np.ptp(clipped[:, 0]) == 2
