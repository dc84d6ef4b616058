"""The readers of YAML and JSON of plain values from anybody.

What could hang a program or fill its memory is refused before it is built: aliases that multiply,
deep nesting, more nodes than a config has, numbers of thousands of digits, tags of other types.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from segibn.errors import ConfigError, SegibnError
from segibn.text import printable, read_small_text

MAX_BYTES = 1 << 18  # of a file; a label table of 256 rows takes a tenth of it
MAX_NODES = 20_000  # values and keys, aliases written out; that table has 3,600
MAX_DEPTH = 50  # nesting; a config has six levels
_MAX_DIGITS = 400
_HINTS = {  # for signs in what PyYAML says
    "'\\t'": "indent with blanks, not with tabs",
    "cannot start any token": "put this text in quotes",
    "unknown escape": "write a path in single quotes, or with / for each \\",
    "<block end>": "indent alike what belongs together, and put text with { [ : # in quotes",
    "<document start>": "put text with { [ : # in quotes",
    "<stream end>": "close each bracket and quote; in a shell, quote a value that has blanks",
}
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PLAIN = {_MERGE, *(_TAG + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map"))}
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


def read_yaml_file(path: Path) -> Any:
    """Read a regular UTF-8 file of plain YAML, as `parse_yaml` does."""
    return parse_yaml(read_small_text(path, MAX_BYTES, ConfigError), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of one YAML document, dates as texts; ConfigError names source and line."""
    try:
        return _PlainLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        said = ", ".join(filter(None, (error.context, error.problem)))
        hints = [f"; {hint}" for sign, hint in _HINTS.items() if sign in said][:1]
        raise _refused(source, "".join([said, place, *hints])) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refused(source, f"a character that text has not (line {line})") from None
    except (ValueError, OverflowError, LookupError):  # "\UFFFFFFFF", !!bool x: PyYAML passes it on
        raise _refused(source, "an escape or a value is out of range") from None


def parse_json(text: str | bytes, source: str, error: type[SegibnError] = SegibnError) -> Any:
    """Return the value of a JSON text, integers of at most 64 bits; ``error`` names the line."""
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as problem:  # malformed, or not in UTF-8
        reason = str(problem)
    raise error(f"{printable(source)}: not valid JSON, or cut short ({printable(reason)})")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or abs(int(digits)) >= 1 << 64:
        raise ValueError(f"{digits[:40]} has more than 64 bits")
    return int(digits)


def _refused(source: str, reason: str) -> ConfigError:
    return ConfigError(f"{printable(source)} is not valid YAML: {printable(reason)}")


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader with limits, counted while nodes are composed: nothing is built before."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0
        self._sizes: dict[yaml.Node, int] = {}  # aliases written out

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """Tell the tag of an untagged node; dates, times and numbers in base 60 are texts."""
        tag = super().resolve(kind, value, implicit)
        return tag if tag in _PLAIN and ":" not in (value or "") else _TAG + "str"

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Compose a node or what an alias stands for, and count both alike."""
        event, before = self.peek_event(), self._nodes
        is_alias = isinstance(event, yaml.AliasEvent)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _problem(f"more than {MAX_DEPTH} levels of nesting", event)
        node = super().compose_node(parent, index)
        if node.tag not in _PLAIN:
            raise _problem(f"tag {node.tag.replace(_TAG, '!!')[:40]}: plain values only, without it", event)
        if is_alias and node not in self._sizes:
            raise _problem("an alias inside what it stands for", event)
        self._nodes += self._sizes[node] if is_alias else 1
        if self._nodes > MAX_NODES:
            raise _problem(f"more than {MAX_NODES:,} values, aliases written out", event)
        self._sizes[node] = self._nodes - before
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a mapping whose keys are texts and differ; PyYAML would keep the last of two."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
                shown = f"'{key.value[:40]}'" if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
                raise _problem(f"key {shown} is no text; write it in quotes", key)
            if key.value in seen:
                raise _problem(f"key '{key.value[:40]}' stands twice", key)
            seen.add(key.value)
        return node

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        """Return the text of a scalar; one that no encoding or terminal takes is refused."""
        text = super().construct_scalar(node)
        if _UNWRITABLE.search(text):
            raise _problem(f"control characters or lone surrogates in '{text[:40]}'", node)
        if len(text) > _MAX_DIGITS and node.tag in (_TAG + "int", _TAG + "float"):
            raise _problem(f"'{text[:40]}' is no number that is read here", node)
        return text


def _problem(what: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=at.start_mark)
