import json

import numpy as np
import pytest

import segibn
from segibn.errors import SegibnError
from segibn.evaluation.scores import Conditions, LabelConfusion, Scores

COUNTS = np.array([[3, 1, 0, 0], [0, 3, 1, 0], [0, 0, 0, 0]])
NAMES = ("road", "car", "train")


def make_scores(**changes: object) -> Scores:
    fields = {
        "confusion": COUNTS,
        "class_names": NAMES,
        "conditions": Conditions("cityscapes-val", resolution="1024x2048"),
        "num_images": 500,
    }
    return Scores(**(fields | changes))


def test_signature_names_every_condition():
    assert make_scores().signature == (
        "miou|set:cityscapes-val|n:500|K:3|absent:skip|void-pred:fn|res:1024x2048|infer:whole"
        f"|scales:1.0|flip:no|v:{segibn.__version__}"
    )


@pytest.mark.parametrize(
    "changed",
    [
        Conditions("gta5-val", resolution="1024x2048"),
        Conditions("cityscapes-val", policy="bdd100k", resolution="1024x2048"),
        Conditions("cityscapes-val", resolution="512x1024"),
        Conditions("cityscapes-val", resolution="1024x2048", inference="slide769"),
        Conditions("cityscapes-val", resolution="1024x2048", scales=(0.5, 1.0)),
        Conditions("cityscapes-val", resolution="1024x2048", flip=True),
    ],
    ids=["set", "policy", "resolution", "inference", "scales", "flip"],
)
def test_signature_changes_with_each_condition(changed: Conditions):
    assert make_scores(conditions=changed).signature != make_scores().signature


def test_json_round_trip_keeps_everything():
    by_label = LabelConfusion((0, 7), np.array([[5, 6], [7, 8]]))
    scores = make_scores(frames=("a", "b"), label_confusion=by_label)
    read_back = Scores.from_dict(json.loads(json.dumps(scores.to_dict())))
    assert read_back.to_dict() == scores.to_dict()
    assert read_back.miou == scores.miou
    assert read_back.frames == ("a", "b")


def test_json_holds_fractions_at_full_precision_and_no_nan():
    names = ("road", "car", "train", "bus")
    counts = np.zeros((4, 5), dtype=np.int64)
    counts[:3, :3] = COUNTS[:, :3]
    plain = make_scores(confusion=counts, class_names=names).to_dict({"command": "x", "seed": 1})
    assert plain["miou"] == pytest.approx(0.45, abs=1e-15)
    assert plain["iou"]["bus"] is None
    assert plain["averaged_classes"] == ["road", "car", "train"]
    assert plain["confusion"] == counts.tolist()
    assert (plain["command"], plain["seed"]) == ("x", 1)
    json.dumps(plain, allow_nan=False)


def test_extra_fields_cannot_overwrite_the_scores_own():
    with pytest.raises(ValueError, match="miou"):
        make_scores().to_dict({"miou": 1.0})


def test_a_file_that_is_no_scores_file_is_named():
    with pytest.raises(SegibnError, match=r"other\.json is not a segibn scores file"):
        Scores.from_dict({"a": 1}, "other.json")


def test_table_is_in_per_cent_and_ends_with_the_signature():
    lines = make_scores().format_table().splitlines()
    assert any(line.startswith("mIoU") and line.endswith("45.00") for line in lines)
    assert lines[-1] == make_scores().signature


def test_names_and_counts_have_to_fit():
    with pytest.raises(ValueError, match="2 class names"):
        make_scores(class_names=("road", "car"))
