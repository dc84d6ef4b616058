"""Signatures side by side: rows of one table in, a warning out where they are not comparable.

Columns may be different sets, sizes and numbers of frames; all else has to agree over a table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segibn.text import listed

MEANING = {
    "metric": "what was computed",
    "set": "evaluation set",
    "n": "number of frames",
    "K": "number of classes",
    "absent": "classes that the targets or all maps lack",
    "void-pred": "void predictions on valid pixels",
    "res": "size of the maps that were compared",
    "infer": "how a frame met the network",
    "scales": "scales that were averaged",
    "flip": "mirrored frames averaged",
    "v": "version of segibn",
}
"""Field of a signature -> what it says."""
_OF_A_COLUMN = ("set", "n", "res")
# Rows that were measured under a protocol have sentences of their own about these.
_SAID_ELSEWHERE = ("deviates", "checkpoint")


def parse_signature(signature: str) -> dict[str, str]:
    """Split ``miou|set:x|n:3|...`` into its fields; the first one is called ``metric``."""
    metric, *parts = signature.split("|")
    return {"metric": metric, **dict(part.partition(":")[::2] for part in parts)}


def differing_fields(signatures: Iterable[str], apart_from: Sequence[str] = ()) -> list[str]:
    """Name the fields in which signatures differ, in the order they stand in."""
    parsed = [parse_signature(signature) for signature in signatures]
    keys = dict.fromkeys(key for fields in parsed for key in fields)
    return [key for key in keys if key not in apart_from and len({fields.get(key) for fields in parsed}) > 1]


def signature_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say below a table in which conditions its cells differ: Markdown, the first line empty."""
    signed = [row for row in rows if row.get("signature")]
    if not signed:
        return []
    lines = [text for key, text in _differences(signed) if key not in _OF_A_COLUMN]
    for test in dict.fromkeys(row["test"] for row in signed):
        found = _differences([row for row in signed if row["test"] == test])
        lines += [f"{text}, on {test}" for key, text in found if key in _OF_A_COLUMN]
    unsigned = [row for row in rows if not row.get("signature")]
    if unsigned:
        lines.append(f"- no signature: {_listed(map(_cell, unsigned))}")
    if not lines:
        return []
    return ["", "**Not all of these numbers can be compared.** They differ in", "", *lines]


def _differences(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    signatures = [row["signature"] for row in rows]
    for field in differing_fields(signatures, _SAID_ELSEWHERE):
        values = [parse_signature(text).get(field, "not given") for text in signatures]
        # a column or a network alone, where that is enough to tell which
        name = next((n for n in (_column, _network, _run) if _tells(map(n, rows), values)), _cell)
        groups: dict[str, list[str]] = {}
        for row, value in zip(rows, values, strict=True):
            groups.setdefault(value, []).append(name(row))
        title = f"{field} ({MEANING[field]})" if field in MEANING else field
        told = [f"`{value}` for {_listed(names)}" for value, names in groups.items()]
        yield field, f"- {title}: {'; '.join(told)}"


def _tells(names: Iterable[str], values: Sequence[str]) -> bool:
    pairs = set(zip(names, values, strict=True))
    return len(pairs) == len({name for name, _ in pairs})


def _listed(names: Iterable[str]) -> str:
    return listed(dict.fromkeys(names), 4)


def _column(row: Mapping[str, Any]) -> str:
    return str(row["test"])


def _network(row: Mapping[str, Any]) -> str:
    network = " ".join(filter(None, [str(row.get("network") or ""), f"ibn {row['ibn']}"]))
    return f"{network} of {row['train']}"


def _run(row: Mapping[str, Any]) -> str:
    return f"{_network(row)}, seed {row['seed']}"


def _cell(row: Mapping[str, Any]) -> str:
    return f"{_network(row)} on {row['test']}, seed {row['seed']}"
