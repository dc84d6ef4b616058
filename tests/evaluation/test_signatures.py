"""Reports under different conditions never share a table in silence."""

from typing import Any

import numpy as np
import pytest

from segibn.evaluation.cross_domain import format_cross_domain
from segibn.evaluation.metrics import POLICIES
from segibn.evaluation.scores import Conditions, Scores
from segibn.evaluation.signatures import MEANING, differing_fields, parse_signature

WARNING = "Not all of these numbers can be compared"
COUNTS = np.array([[3, 1, 0], [1, 3, 0]])


def signature(frames: int = 4, **changed: Any) -> str:
    given = {"evaluation_set": "camera", "resolution": "8x8"} | changed
    return Scores(COUNTS, ("road", "car"), Conditions(**given), frames).signature


def row(ibn: str, test: str, sign: str | None, **more: Any) -> dict[str, Any]:
    given = {"train": "game", "test": test, "ibn": ibn, "seed": 0, "miou": 0.6}
    return given | {"pixel_accuracy": 0.9, "signature": sign} | more


def test_equal_signatures_make_a_table_without_warning():
    rows = [row(ibn, "camera", signature()) for ibn in ("none", "a")]
    assert WARNING not in format_cross_domain(rows)


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "cityscapes"])
def test_two_policies_in_one_table_are_told(policy: str):
    rows = [row("none", "camera", signature(policy="cityscapes")), row("a", "camera", signature(policy=policy))]
    table = format_cross_domain(rows)
    assert WARNING in table
    fields = differing_fields([row["signature"] for row in rows])
    assert set(fields) <= {"absent", "void-pred"}
    assert all(f"- {field} ({MEANING[field]}): " in table for field in fields)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"inference": "slide4x4"}, "infer"),
        ({"scales": (0.5, 1.0)}, "scales"),
        ({"flip": True}, "flip"),
        ({"resolution": "4x4"}, "res"),
        ({"evaluation_set": "camera@night"}, "set"),
        ({"frames": 3}, "n"),
    ],
)
def test_every_condition_that_differs_within_a_column_is_named(changed: dict, field: str):
    rows = [row("none", "camera", signature()), row("a", "camera", signature(**changed))]
    table = format_cross_domain(rows)
    assert WARNING in table
    value = parse_signature(rows[1]["signature"])[field]
    assert f"- {field} ({MEANING[field]}): " in table
    on = ", on camera" if field in ("set", "n", "res") else ""
    assert f"`{value}` for ibn a of game{on}\n" in table


@pytest.mark.parametrize(
    ("flipped", "told"),
    [
        ({("none", "night"), ("a", "night")}, "`no` for camera; `yes` for night"),
        ({("a", "camera"), ("a", "night")}, "`no` for ibn none of game; `yes` for ibn a of game"),
        ({("a", "night")}, "; `yes` for ibn a of game on night, seed 0"),
    ],
)
def test_cells_of_other_conditions_are_named_by_no_more_than_it_takes(flipped: set, told: str):
    cells = [(ibn, test) for ibn in ("none", "a") for test in ("camera", "night")]
    rows = [row(*cell, signature(flip=cell in flipped)) for cell in cells]
    assert told + "\n" in format_cross_domain(rows) + "\n"


def test_columns_may_be_sets_of_other_sizes_but_not_other_conditions():
    other = {"evaluation_set": "night", "resolution": "6x6", "frames": 9}
    rows = [row("a", "camera", signature()), row("a", "night", signature(**other))]
    assert WARNING not in format_cross_domain(rows)
    rows[1]["signature"] = signature(**other, flip=True)
    assert f"- flip ({MEANING['flip']}): `no` for " in format_cross_domain(rows)


def test_a_row_without_a_signature_among_signed_ones_is_named():
    rows = [row("none", "camera", signature()), row("a", "camera", None)]
    assert "- no signature: ibn a of game on camera, seed 0" in format_cross_domain(rows)


def test_another_version_or_metric_is_told():
    ours = signature()
    older = ours.replace("|v:", "|v:0.0.")
    drivable = f"drivable-{ours}"
    assert differing_fields([ours, older]) == ["v"]
    assert differing_fields([ours, drivable]) == ["metric"]
    assert WARNING in format_cross_domain([row("a", "x", ours), row("b", "x", older)])
