"""The report as a file: what it holds, what it lets in, what it chooses."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from segibn.cli.report import main
from segibn.errors import SegibnError
from segibn.evaluation.frame_counts import FrameCounts
from segibn.evaluation.scores import Conditions, Scores
from segibn.files.writing import write_json
from segibn.report.frames import choose_frames, distinct_colors, view_frame

EVIL = "<script>alert(1)</script>"


class Elements(HTMLParser):
    """Collects (tag, attributes) and the text of scripts."""

    def __init__(self, html):
        super().__init__()
        self.found, self.scripts, self.text, self._open = [], [], "", None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open != "style":
            self.text += data


@pytest.fixture(scope="module")
def page(street_report):
    return Elements(street_report.read_text(encoding="utf-8"))


def test_page_refers_to_nothing_outside_itself(page):
    for tag, attributes in page.found:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name, "data:")
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert "link" not in {tag for tag, a in page.found if a.get("rel") != "icon" and tag == "link"}


def test_only_scripts_of_the_page_itself_may_run(page):
    policy = next(a["content"] for t, a in page.found if t == "meta" and "http-equiv" in a)
    head, data, body = page.scripts
    for script in (head, body):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in re.search(r"script-src([^;]*)", policy)[1]
    assert not any(name.startswith("on") for _, a in page.found for name in a)
    assert json.loads(data)["runs"][0]["classes"][2]["name"] == EVIL


def test_links_within_the_page_have_their_targets(page):
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for tag, a in page.found if tag == "a" and a["href"] != "#"}
    assert targets <= set(ids)
    frames = [target for target in targets if target.startswith("frame-0-town_5f_")]
    assert len(frames) == 4


def test_every_picture_has_an_alternative_text(page):
    pictures = [attributes for tag, attributes in page.found if tag == "img"]
    assert len(pictures) == 4 * 4 + 2
    assert all(picture["alt"] for picture in pictures)


def test_page_tells_run_and_signature(page):
    for text in ("resnet18, IBN-a, fcn", "miou|set:folder-val|n:7|K:4", "Learning curves", "40"):
        assert text in page.text


def test_scores_that_are_there_are_not_made_again(streets, street_run, tmp_path):
    from segibn.cli.evaluate import main as evaluate

    file, page = tmp_path / "scores.json", tmp_path / "page.html"
    evaluate([str(street_run), "--datasets", str(streets), "--output", str(file)])
    content = json.loads(file.read_text()) | {"command": "the command of that file"}
    write_json(file, content)
    main([str(street_run), str(file), "--datasets", str(streets), "--output", str(page)])
    text = Elements(page.read_text(encoding="utf-8")).text
    assert "the command of that file" in text
    assert text.count("How it was measured") == 1


def test_scores_of_other_weights_are_made_again(streets, street_run, tmp_path):
    rng = np.random.default_rng(0)
    names = ("road & lane", "tree", EVIL, "never there")
    frames = tuple(f"town_{number}" for number in range(7))
    confusions = rng.integers(0, 300, (7, 4, 5))
    counts = np.stack([[np.diagonal(c), c.sum(axis=1), c[:, :4].sum(axis=0), c[:, 4]] for c in confusions])
    scores = Scores(
        confusions.sum(axis=0), names, Conditions("folder-val"), 7, frame_counts=FrameCounts(frames, counts)
    )
    run = tmp_path / "stale"
    run.mkdir()
    for name in ("config.yaml", "checkpoints"):
        (run / name).symlink_to(street_run / name)
    write_json(run / "scores" / "folder_val.json", scores.to_dict())
    page = tmp_path / "page.html"
    main([str(run), "--datasets", str(streets), "--frames", "1", "--output", str(page)])
    cards = [a for t, a in Elements(page.read_text()).found if a.get("class") == "card"]
    assert len(cards) == 2
    assert f"{100 * scores.miou:.1f} %" not in page.read_text()
    assert "No learning curve" in page.read_text()


def test_scores_alone_make_a_page_that_says_what_adds_frames(tmp_path, capsys):
    scores = Scores(np.array([[5, 1, 0], [2, 8, 0]]), ("a", EVIL), Conditions("x-val"), 1)
    write_json(tmp_path / "scores.json", scores.to_dict())
    main([str(tmp_path / "scores.json"), "--output", str(tmp_path / "page.html")])
    page = Elements((tmp_path / "page.html").read_text())
    assert len(page.scripts) == 3
    assert "segibn report RUN SCORES.json" in page.text
    assert capsys.readouterr().out.splitlines()[-1].startswith("then: open ")


def test_study_has_its_table_and_classes_of_every_test_set(street_run, tmp_path):
    study = tmp_path / "study"
    (study / "runs").mkdir(parents=True)
    (study / "runs" / "streets_seed0").symlink_to(street_run)
    row = {"train": "x:train", "ibn": "a", "seed": 0, "pixel_accuracy": 0.5}
    classes = {"class_names": ["a", EVIL], "iou": {"a": 0.25, EVIL: None}}
    rows = [
        row | classes | {"test": f"{name}:val", "miou": 0.25, "confusion": [[5, 1, 0], [0, 0, 0]]}
        for name in ("x", "y")
    ]
    write_json(study / "cross_domain.json", rows)
    main([str(study), "--no-frames", "--output", str(tmp_path / "page.html")])
    page = Elements((tmp_path / "page.html").read_text())
    for text in ("Across domains", "IoU of each class on y:val", "streets_seed0", EVIL):
        assert text in page.text
    assert len(page.scripts) == 3


def test_measurements_of_another_form_are_a_note(tmp_path):
    details = {"calibration": {"bins": EVIL}, "boundary": [1]}
    scores = Scores(np.eye(2, 3, dtype=int), ("a", "b"), Conditions("x"), 1, details=details)
    write_json(tmp_path / "scores.json", scores.to_dict())
    write_json(tmp_path / "compared.json", {"comparisons": [{"level": EVIL}, 3]})
    files = [str(tmp_path / name) for name in ("scores.json", "compared.json")]
    main([*files, "--output", str(tmp_path / "page.html")])
    page = Elements((tmp_path / "page.html").read_text())
    assert page.text.count("something else than expected") == 4
    assert len(page.scripts) == 3


def test_report_without_frames_needs_no_torch(street_run, tmp_path):
    code = "import sys; from segibn.cli.report import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    arguments = [str(street_run), "--no-frames", "--output", str(tmp_path / "page.html")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_missing_data_is_a_note_and_no_error(street_run, tmp_path):
    page = tmp_path / "page.html"
    assert main([str(street_run), "--datasets", str(tmp_path), "--output", str(page)]) == 0
    text = Elements(page.read_text()).text
    assert "no frames" in text
    assert "SEGIBN_DATASETS" in text


def test_other_files_and_folders_are_refused_by_name(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(SegibnError, match=r"x\.json: no scores"):
        main([str(tmp_path / "x.json")])
    with pytest.raises(SegibnError, match="neither a run folder"):
        main([str(tmp_path)])


def test_frames_are_ranked_by_the_mean_over_their_own_classes():
    rng = np.random.default_rng(1)
    confusions = rng.integers(0, 9, (8, 3, 4))
    confusions[2] = 0  # a frame without valid pixels
    confusions[:4, 1] = 0
    expected = {}
    for number, confusion in enumerate(confusions):
        values = []
        for index in range(3):
            union = confusion[index].sum() + confusion[:, index].sum() - confusion[index, index]
            if union:
                values.append(confusion[index, index] / union)
        if values:
            expected[f"f{number}"] = sum(values) / len(values)
    counts = np.stack([[np.diagonal(c), c.sum(axis=1), c[:, :3].sum(axis=0), c[:, 3]] for c in confusions])
    frames = FrameCounts(tuple(f"f{number}" for number in range(8)), counts)
    order = sorted(expected, key=expected.get)
    chosen = choose_frames(frames, "cityscapes", 5)
    assert [name for name, kind, _ in chosen if kind == "worst"] == order[:5]
    assert [name for name, kind, _ in chosen if kind == "best"] == order[:4:-1]


def test_maps_come_back_from_their_colours():
    rng = np.random.default_rng(2)
    palette = np.array([[0, 0, 0], [70, 74, 80], [0, 0, 0], [0, 0, 255], [0, 0, 255]], np.uint8)
    colors = distinct_colors(palette)
    assert len({tuple(color) for color in colors.tolist()}) == 6
    assert np.abs(colors[:5].astype(int) - palette).max() <= 1
    target = rng.choice([0, 1, 2, 3, 4, 255], (20, 30)).astype(np.uint8)
    pred = rng.integers(0, 5, (20, 30)).astype(np.uint8)
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    view = view_frame(("x", "best", 1), image, target, pred, palette)
    shown = np.asarray(Image.open(io.BytesIO(view.truth)).convert("RGB")).astype(int)
    back = (shown[..., None, :] == colors.astype(int)).all(axis=-1).argmax(axis=-1)
    assert np.array_equal(np.where(back == 5, 255, back), target)
    valid = target != 255
    assert view.wrong == pytest.approx((target != pred)[valid].mean())
    assert view.confusions[3, 1] == ((target == 3) & (pred == 1)).sum()
    inside = (target == 3) & (pred == 3)
    assert view.iou[3] == inside.sum() / (((target == 3) | (pred == 3)) & valid).sum()


@pytest.mark.parametrize(("count", "is_folded"), [(40, False), (41, True)])
def test_long_lists_of_classes_are_folded(count, is_folded, tmp_path):
    confusion = np.eye(count, count + 1, dtype=int) * 50 + np.eye(count, count + 1, 1, dtype=int)
    names = tuple(f"class {number}" for number in range(count))
    write_json(
        tmp_path / "s.json", Scores(confusion, names, Conditions(evaluation_set="toy", resolution="8x8"), 3).to_dict()
    )
    assert main([str(tmp_path / "s.json"), "--output", str(tmp_path / "r.html")]) == 0
    html = (tmp_path / "r.html").read_text()
    assert (f"<summary>All {count} classes</summary>" in html) == is_folded
    assert (f"<summary>The matrix of {count} classes</summary>" in html) == is_folded
    matrix = html.partition('class="chart-heat"')[2].partition("</table>")[0]
    assert matrix.count("<tr data-class=") == count
