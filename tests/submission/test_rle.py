"""Run-length JSON, held against pycocotools, the masks in a zip, and the toolkit's own example."""

import json

import numpy as np
import pytest

from segibn.errors import ConfigError, ImageFileError, SubmissionError
from segibn.submission.check import check_submission
from segibn.submission.expected import Expected
from segibn.submission.formats import FORMATS
from segibn.submission.rle_maps import decode_rle, encode_rle
from segibn.submission.write import write_submission

coco = pytest.importorskip("pycocotools.mask")
DRIVABLE, SEMANTIC = FORMATS["bdd100k_drivable"], FORMATS["bdd100k_semseg"]
KEYS = ("0004a4c0-d4dff0ad", "cabc30fc-e7726578")
SIZES = {KEYS[0]: (30, 40), KEYS[1]: (12, 9)}


def _map(key, classes):
    height, width = SIZES[key]
    coarse = np.random.default_rng(KEYS.index(key)).integers(0, classes, (height // 3, width))
    return coarse.repeat(3, 0).astype(np.uint8)


def _write(path, form):
    k = form.labels.num_classes
    write_submission(path, form, SIZES, lambda keys: ((key, _map(key, k)) for key in keys))
    return json.loads(path.read_text())


def _check(path, content, form=DRIVABLE):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    report = check_submission(path, form, Expected("x", 2, SIZES, form.size))
    return {fault.what: fault.count for fault in report.faults}


@pytest.mark.parametrize("form", [DRIVABLE, SEMANTIC], ids=lambda form: form.name)
def test_pycocotools_decodes_a_mask_for_every_class_that_a_frame_has(tmp_path, form):
    frames = _write(tmp_path / "s.json", form)
    assert [frame["name"] for frame in frames] == [f"{key}.jpg" for key in sorted(SIZES)]
    for frame in frames:
        train_ids = _map(frame["name"][:17], form.labels.num_classes)
        first = 1 if form is DRIVABLE else 0  # background has no label
        present = [form.labels.class_names[i] for i in np.unique(train_ids) if i >= first]
        assert [label["category"] for label in frame["labels"]] == present
        assert [label["id"] for label in frame["labels"]] == [str(i) for i in range(len(present))]
        for label in frame["labels"]:
            assert label["rle"]["size"] == list(train_ids.shape)
            mask = coco.decode(label["rle"]).astype(bool)
            expected = train_ids == form.labels.class_names.index(label["category"])
            np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("wrap", [list, lambda frames: {"frames": frames, "config": None}])
def test_a_list_and_an_object_of_frames_are_read(tmp_path, wrap):
    frames = _write(tmp_path / "s.json", DRIVABLE)
    assert _check(tmp_path / "t.json", wrap(frames)) == {}


def test_masks_and_run_lengths_hold_the_same_values(tmp_path):
    from segibn.submission.rle_maps import encode_frame, examine_frame

    for form in (DRIVABLE, SEMANTIC):
        train_ids = _map(KEYS[0], form.labels.num_classes)
        labels = json.loads(encode_frame(form, KEYS[0], train_ids))["labels"]
        faults, values = examine_frame(labels, form, (30, 40))
        assert faults == []
        np.testing.assert_array_equal(values, form.labels.to_label_ids(train_ids))


def _first_label(change):
    def edit(frames):
        label = frames[0]["labels"][0]
        label.update(change(label))
        return frames

    return edit


def _rle(label, **changes):
    return {"rle": {**label["rle"], **changes}}


EDITS = {
    "missing": (lambda f: f[1:], {"frames without a map": 1}),
    "twice": (lambda f: [*f, f[0]], {"maps of a frame that has one already": 1}),
    "other frame": (
        lambda f: [*f, {"name": "00000000-00000000.jpg", "labels": []}],
        {"maps of frames that were not asked for": 1},
    ),
    "other name": (lambda f: [*f, {"name": "x.jpg"}], {"frames not named <id>.jpg": 1}),
    "no name": (lambda f: [*f, {}, 3], {"frames without a name": 2}),
    "category": (_first_label(lambda label: {"category": "road"}), {"frames with a label of no known category": 1}),
    "no rle": (_first_label(lambda label: {"rle": None}), {"labels without rle.counts (a string) and rle.size": 1}),
    "size": (_first_label(lambda label: _rle(label, size=[40, 30])), {"masks whose rle.size is not [30, 40]": 1}),
    "short": (_first_label(lambda label: _rle(label, counts=label["rle"]["counts"][:-3])), {"damaged run lengths": 1}),
    "overlap": (
        _first_label(lambda label: _rle(label, counts="0" + _count(1200))),
        {"frames with labels that overlap": 1},
    ),
}


def _count(number):
    """Encode one run as COCO does: five bits a character, a sign, lowest first."""
    text = ""
    while True:
        bits, number = number & 31, number >> 5
        more = number != 0 or bits & 16
        text += chr(48 + (bits | 32 if more else bits))
        if not more:
            return text


@pytest.mark.parametrize("name", EDITS)
def test_the_check_finds(tmp_path, name):
    edit, expected = EDITS[name]
    frames = edit(_write(tmp_path / "s.json", DRIVABLE))
    assert _check(tmp_path / "t.json", frames) == expected


@pytest.mark.parametrize("content", ["", "[", "3", "{}", '{"frames": 1}', "[" * 100_000])
def test_what_is_no_list_of_frames_is_named(tmp_path, content):
    with pytest.raises(SubmissionError, match=r"t\.json: (not valid JSON|holds no list)"):
        _check(tmp_path / "t.json", content)


def test_json_with_random_damage_is_refused_or_reported_never_a_crash(tmp_path):
    _write(tmp_path / "s.json", DRIVABLE)
    data = (tmp_path / "s.json").read_bytes()
    draw = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        broken = bytearray(data)
        for place in draw.integers(0, len(data), 2):
            broken[place] = draw.integers(32, 127)
        (tmp_path / "t.json").write_bytes(broken)
        try:
            report = check_submission(tmp_path / "t.json", DRIVABLE, Expected("x", 2, SIZES, (30, 40)))
            outcomes.update(fault.what for fault in report.faults)
        except SubmissionError:
            outcomes.add("refused")
    assert outcomes >= {"damaged run lengths", "refused"}


@pytest.mark.parametrize(
    "counts", ["", "~", "P", "o" * 50, "o" * 100_000 + "0", "0", "PYd0", "\0", "é", "00000000000O"]
)
def test_counts_that_would_lead_the_library_astray_never_reach_it(counts):
    with pytest.raises(ImageFileError, match="damaged run lengths"):
        decode_rle({"counts": counts, "size": [4, 5]}, (4, 5))


def test_random_masks_survive_and_agree_with_the_library():
    draw = np.random.default_rng(0)
    for _ in range(50):
        size = tuple(draw.integers(1, 40, 2).tolist())
        mask = draw.random(size) < draw.random()
        rle = encode_rle(mask)
        assert json.loads(json.dumps(rle)) == rle
        np.testing.assert_array_equal(decode_rle(rle, size), mask)


def test_without_the_library_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(ConfigError, match=r"pip install 'segibn\[rle\]'"):
        encode_rle(np.zeros((2, 2), bool))
