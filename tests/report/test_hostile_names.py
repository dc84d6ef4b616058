"""What files say is text, wherever it is shown: on a page, in a card, on a terminal."""

import json
import logging
import re
import sys
from contextlib import suppress
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

import segibn.cli
from segibn.cli.report import main
from segibn.config.load import validate
from segibn.errors import SegibnError
from segibn.evaluation.scores import Conditions, Scores
from segibn.files.writing import write_json
from segibn.report.card import fill, score_fields
from segibn.runs.card import environment_fields, network_fields, training_fields
from segibn.text import markdown_table

MARKUP = "<img src=x onerror=alert(1)>|`[a](javascript:b)\\|"
EVIL = f"{MARKUP}\x1b[2J\u202e\n# head"
MARKS = ("\x1b", "\u202e")


class Tags(HTMLParser):
    """Collects tags that a page should not have, and its text."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [tag] if dict(attrs).get("src") == "x" or "onerror" in dict(attrs) else []

    def handle_data(self, data):
        self.text += data


def test_a_report_shows_hostile_names_as_text(tmp_path):
    names = (MARKUP, f"b{MARKUP}")
    scores = Scores(np.eye(2, 3, dtype=np.int64), names, Conditions(MARKUP), 1)
    file = tmp_path / "a<img src=x>.json"
    content = scores.to_dict() | {"network": EVIL, "train": EVIL, "command": EVIL}
    write_json(file, content | {"versions": {EVIL: EVIL}})
    assert main([str(file), "--output", str(tmp_path / "page.html")]) == 0
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Tags(html)
    assert page.found == []
    assert page.text.count("onerror=alert(1)") > 5  # it is shown
    assert not [mark for mark in MARKS if mark in html]


def test_a_card_shows_hostile_names_as_text():
    folder = {"images": "a", "targets": "b"}
    rows = [{"name": f"{n}<img src=x>|`", "label_id": n, "train_id": n, "color": [n, n, n]} for n in range(2)]
    train = {"name": "folder", "folder": {**folder, "labels": rows}, "split": "a|b<img src=x>`"}
    config = validate({"name": "<img src=x>|`", "data": {"train": train}}, source="test")
    names = [row["name"] for row in rows]
    fields = network_fields(config, names, np.zeros((2, 3), np.uint8), 10) | training_fields(config)
    fields |= environment_fields({"command": EVIL, "device": EVIL, "versions": {EVIL: EVIL}})
    score = {"test": EVIL, "signature": EVIL, "num_images": 1, "miou": 0.5, "iou": {EVIL: 0.01}}
    fields |= score_fields([score | {"pixel_accuracy": 0.5}])
    text, _ = fill(fields)
    outside_code = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", text))
    assert "<img" not in outside_code
    assert "](java" not in outside_code
    assert "\n# head" not in text
    assert not [mark for mark in MARKS if mark in text]
    table = [line for line in text.splitlines() if line.startswith("| ") and "img" in line]
    assert len(table) > 5
    widths = {len(re.sub(r"\\.", "", line).split("|")) for line in table}
    assert widths <= {4, 5, 6}  # of two, three and four cells
    assert re.sub(r"\\.", "", markdown_table(["a"], [[EVIL]])[-1]).count("|") == 2


def test_a_terminal_gets_hostile_names_escaped(monkeypatch, capsys):
    def fail(_):
        logging.getLogger("segibn").warning("%s\nis read", EVIL)
        raise SegibnError(f"{EVIL}: broken\n  twice")

    logger = logging.getLogger("segibn")
    state = SimpleNamespace(handlers=list(logger.handlers), level=logger.level)
    monkeypatch.setattr(sys, "argv", ["segibn"])
    try:
        with pytest.raises(SystemExit, match="2"):
            segibn.cli.run_main(fail)
    finally:
        logger.handlers, logger.level = state.handlers, state.level
    shown = capsys.readouterr().err
    assert not [mark for mark in MARKS if mark in shown]
    assert "\\x1b[2J\\u202e" in shown
    assert shown.endswith(": broken\n  twice\n")
    assert "\nis read\n" in shown


ODD = (None, -1, 0, 1e308, [], {}, "x", 2**63)
ROW = {"train": "a:train", "test": "b:val", "ibn": "none", "seed": 0, "miou": 0.5}
ROW |= {"pixel_accuracy": 0.5, "signature": "miou|n:1", "class_names": ["a", "b"]}
ROW |= {"iou": {"a": 0.5, "b": 0.5}, "confusion": [[1, 1, 0], [1, 1, 0]]}
LINE = {"a": 0.5, "b": 0.5, "difference": 0.0, "low": -0.1, "high": 0.1}


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_files_that_hold_something_else_give_a_page_or_one_error(odd, tmp_path):
    file, page = tmp_path / "odd.json", str(tmp_path / "page.html")
    scores = Scores(np.eye(2, 3, dtype=np.int64), ("a", "b"), Conditions("s"), 1).to_dict()
    files = [[ROW | {key: odd}] for key in ROW]
    files += [[ROW | {"class_names": [odd, "b"]}], [ROW | {"confusion": [[odd]]}]]
    files += [scores | {"frame_counts": odd}, {"comparisons": odd}, {"comparisons": [odd]}]
    files += [{"comparisons": [{"miou": LINE, "classes": {"a": LINE | {"low": odd}}}]}]
    for content in files:
        file.write_text(json.dumps(content))
        with suppress(SegibnError):
            assert main([str(file), "--output", page]) == 0
    run = tmp_path / "run"
    run.mkdir()
    for key in ("iteration", "val_miou"):
        record = {"iteration": 1, "val_miou": 0.5} | {key: odd}
        (run / "metrics.jsonl").write_text(json.dumps(record))
        assert main([str(run), "--no-frames", "--output", page]) == 0
