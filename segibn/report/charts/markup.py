"""HTML and SVG as text that is escaped unless it says that it is markup already.

In: names, attributes, children. Out: ``Markup``, which is also well-formed XML.
"""

import math
from collections.abc import Iterable, Mapping
from html import escape

from segibn.text import printable_lines

_EMPTY = frozenset(("input", "img", "br", "col", "rect", "circle", "line", "path", "polygon"))
DASH, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
Attribute = str | float | bool | None


class Markup(str):
    """Text that is HTML; everything else is escaped where it enters an element."""

    __slots__ = ()


def el(
    tag: str, *children: object, attrs: Mapping[str, Attribute] | None = None, **named: Attribute
) -> Markup:
    """Write one element.

    Args:
        tag: its name.
        children: ``Markup`` stays; all else is turned into text and escaped; None is left out.
        attrs: attributes by their own names.
        named: more of them: ``class_`` is ``class``, and other underscores are hyphens. A value
            of None or False leaves the attribute out.
    """
    given = {_attribute_name(key): value for key, value in named.items()} | dict(attrs or {})
    written = "".join(
        f' {key}="{escape(_attribute(value))}"'
        for key, value in given.items()
        if value is not None and value is not False
    )
    inner = join(children)
    if tag in _EMPTY and not inner:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def join(parts: Iterable[object]) -> Markup:
    """Concatenate, escaping what is not ``Markup``."""
    return Markup("".join(_text(part) for part in parts if part is not None))


def anchor(name: str, kind: str = "class") -> str:
    """Return the id of a class or another thing on the page, ``class-NAME``.

    Letters, digits and hyphens stay and spaces become hyphens; any other character becomes its
    code point between underscores, so that two names never share an id unless they differ in
    spaces and hyphens alone.
    """
    plain = "".join(
        char if char.isalnum() or char == "-" else "-" if char == " " else f"_{ord(char):x}_"
        for char in name
    )
    return f"{kind}-{plain}"


def percent(fraction: float | None, digits: int = 1) -> str:
    """Format a fraction in per cent without the sign: 0.4567 -> "45.7"; a dash where undefined."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    return f"{100 * fraction:.{digits}f}"


def signed(fraction: float | None) -> str:
    """Format a change in per cent or points with a plus or a true minus sign; see ``percent``."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    return f"{100 * fraction:+.1f}".replace("-", MINUS)


def share(fraction: float) -> str:
    """Format a share in per cent with its sign; one too small for a digit is no zero."""
    if 0 < fraction < 0.0005:
        return "less than 0.1 %"
    return f"{100 * fraction:.1f} %"


def pixels(count: int) -> str:
    """Format a number of pixels: "12,345 px"."""
    return f"{count:,} px"


def coordinate(value: float) -> str:
    """Write a place in a drawing to a tenth, without a trailing zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _attribute(value: Attribute) -> str:
    if value is True:
        return ""
    return coordinate(value) if isinstance(value, float) else printable_lines(value)


def _text(part: object) -> str:
    return part if isinstance(part, Markup) else escape(printable_lines(part), quote=False)
