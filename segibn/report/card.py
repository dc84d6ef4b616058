"""The model card: what a template asks for, filled from a run; nothing in it is made up.

In: fields by name (of the run and of its scores). Out: Markdown. Every place of the template
says what belongs there; what nobody states is "not stated".
"""

import re
from collections.abc import Mapping
from pathlib import Path

from segibn.errors import ConfigError

NOT_STATED = "not stated"

_FIELD = re.compile(r"{{ (?P<name>\w+) \| (?P<what>[^}]+?) }}")


def template() -> str:
    """Return the template that ships with segibn."""
    return Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")


def field_names(text: str | None = None) -> list[str]:
    """Return the fields of a template (None = the shipped one), in order."""
    return [match["name"] for match in _FIELD.finditer(text or template())]


def fill(fields: Mapping[str, str], text: str | None = None) -> str:
    """Fill a template.

    Args:
        fields: name -> Markdown. Those left out, and empty ones, become "not stated".
        text: None = the shipped template.

    Raises:
        ConfigError: a field that the template does not have.
    """
    text = text or template()
    unknown = sorted(set(fields) - set(field_names(text)))
    if unknown:
        raise ConfigError(
            f"the model card has no {', '.join(unknown)}; its fields are "
            + ", ".join(field_names(text))
        )
    return _FIELD.sub(lambda match: fields.get(match["name"], "").strip() or NOT_STATED, text)


def empty_card() -> str:
    """Return the template as a form: every field says in brackets what belongs there."""
    return _FIELD.sub(lambda match: f"[{match['what']}]", template())
