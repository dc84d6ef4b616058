"""Where a score departs from a named protocol: what deviates -> a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segibn.evaluation.protocol import Protocol, TestSet
from segibn.evaluation.rows import ON_TARGET, Row

LAST = "last"  # ``selection`` of a row: how its checkpoint came to be the one that is scored
UNKNOWN = "not-stated"  # ``selection`` of a network that does not say


def run_deviations(protocol: Protocol, train: str, config: Mapping[str, Any], selection: str) -> dict[str, str]:
    """Compare a training with a protocol; ``train`` and ``selection`` as in rows of a table."""
    found = {}
    if train not in protocol.train:
        found["data.train"] = f"trained on {train}, not {' or '.join(protocol.train)}"
    for setting in protocol.settings:
        value: Any = config
        for key in setting.path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        value = tuple(value) if isinstance(value, list) else value
        if value not in setting.accepted:
            accepted = " or ".join(map(str, setting.accepted))
            found[setting.path] = f"{setting.path} is {value}, not {accepted}"
    if selection != LAST:
        found["checkpoint"] = f"checkpoint: {selection}, not the last iteration's"
    return found


def evaluation_deviations(
    protocol: Protocol, test: TestSet | None, label: str, actual: Mapping[str, Any]
) -> dict[str, str]:
    """Compare one evaluation with the line of a protocol's table, None if it has no such set.

    ``actual``: "test", the set with what narrows it; "frames", how many; "input-size", (H, W) or
    "height H", "window" and "stride", None = native and whole; "scales", "flip", "precision".
    """
    if test is None:
        return {"test": f"{label} ({actual['test']}) is not a test set of the protocol"}
    label_map = "" if test.label_map is None else f"/{test.label_map}"
    wanted = {
        "test": f"{test.dataset}{label_map}:{test.split}",
        "frames": actual["frames"] if test.frames is None else test.frames,
        "input-size": f"height {test.input_height}" if test.input_height else test.input_size,
        "window": protocol.window,
        "stride": protocol.stride,
        "scales": (1.0,),
        "flip": False,
        "precision": "float32",
    }
    return {
        key: f"{label}: {key.replace('-', ' ')} {_text(actual[key])}, not {_text(want)}"
        for key, want in wanted.items()
        if actual[key] != want
    }


def sign(signature: str, protocol: str | None = None, deviations: Iterable[str] = (), selection: str = LAST) -> str:
    """Append protocol, deviations and an unusual choice of the checkpoint to a signature."""
    parts = [signature]
    if protocol is not None:
        parts.append(f"protocol:{protocol}")
        if keys := ",".join(deviations):
            parts.append(f"deviates:{keys}")
    if selection != LAST:
        parts.append(f"checkpoint:{selection}")
    return "|".join(parts)


def protocol_lines(rows: Sequence[Row]) -> list[str]:
    """Say under a table which protocol its rows follow, and every deviation once; Markdown."""
    lines: list[str] = []
    for name in dict.fromkeys(row["protocol"] for row in rows if row.get("protocol") is not None):
        ours = [
            (f"{row.get('network', '')} ibn {row['ibn']} seed {row['seed']} on {row['train']}", row["deviations"])
            for row in rows
            if row.get("protocol") == name
        ]
        texts = dict.fromkeys(text for _, found in ours for text in found)
        verdict = "with these deviations:" if texts else "without deviations."
        lines += ["", f"Protocol `{name}` (`segibn/evaluation/protocols.py`), {verdict}", ""]
        for text in texts:
            these = dict.fromkeys(run for run, found in ours if text in found)
            whose = f" ({'; '.join(these)})" if len(these) < len({run for run, _ in ours}) else ""
            lines.append(f"- {text}{whose}")
    if any(row.get("selection") == ON_TARGET for row in rows):
        lines += ["", "A checkpoint that was chosen on the target is no measure of generalisation."]
    return lines[:-1] if lines and not lines[-1] else lines


def _text(value: Any) -> str:
    if value is None:
        return "native"
    if isinstance(value, tuple):
        return ("x" if all(isinstance(v, int) for v in value) else ", ").join(map(str, value))
    return str(value)
