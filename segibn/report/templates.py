"""The templates of this room, filled: plain values in, HTML or Markdown out.

What a file or a user named is escaped twice: characters that act on a reader's screen by
``printable_lines``, those that act on a browser by Jinja. ``Markup`` alone stays as it is.
"""

import base64
import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray

import segibn
from segibn.text import counted, markdown, printable_lines

FOLDER = Path(__file__).with_name("templates")
FOLDED_FROM = 40  # classes above which lists and matrices of all of them are folded
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def render(name: str, **values: Any) -> Markup:
    """Fill a template of HTML."""
    return Markup(_environment(_as_html).get_template(name).render(values).strip())


def render_markdown(name: str, **values: Any) -> str:
    """Fill a template of Markdown."""
    return _environment(_as_markdown).get_template(name).render(values)


def source(name: str) -> str:
    """A style sheet or script as it is."""
    return (FOLDER / name).read_text(encoding="utf-8")


def page_head(styles: Sequence[str], scripts: Sequence[str]) -> dict[str, Any]:
    """Return what ``head.html`` and the end of a page take: styles, scripts, their hashes, version."""
    style, head, body = (Markup("\n".join(map(source, names))) for names in (styles, ["theme.js"], scripts))
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (head, body)]
    about = {"version": segibn.__version__, "hashes": hashes}
    return about | {"style": style, "head_script": head, "body_script": body}


@cache
def _environment(text_of: Callable[[object], object]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=text_of,
    )
    filters = (anchor, counted, data_uri, loss_text, median, number, percent, share, spans)
    environment.filters |= {text_filter.__name__: text_filter for text_filter in filters}
    environment.globals |= {"DASH": DASH, "FOLDED_FROM": FOLDED_FROM}
    return environment


def _as_html(value: object) -> object:
    if value is None or isinstance(value, Markup):
        return value or ""
    return printable_lines(value)


def _as_markdown(value: object) -> Markup:
    return value if isinstance(value, Markup) else Markup(markdown(value))


def anchor(name: str, kind: str = "class") -> str:
    """The id of a class or another thing on the page; names share one if spaces alone differ."""
    plain = (c if c.isalnum() or c == "-" else f"_{ord(c):x}_" for c in name.replace(" ", "-"))
    return f"{kind}-{''.join(plain)}"


def number(value: float | None, digits: int = 1, sign: str = "", none: str = DASH) -> str:
    """Format a number with a true minus sign; ``none`` where it is undefined or infinite."""
    if value is None or not math.isfinite(value):
        return none
    return f"{value:{sign}.{digits}f}".replace("-", MINUS)


def percent(fraction: float | None, digits: int = 1, sign: str = "") -> str:
    """Format a fraction in per cent without the "%": 0.4567 -> "45.7"; see ``number``."""
    return number(None if fraction is None else 100 * fraction, digits, sign)


def share(fraction: float) -> str:
    """Format a share in per cent with its sign; one too small for a digit is no zero."""
    return "less than 0.1 %" if 0 < fraction < 0.0005 else f"{100 * fraction:.1f} %"


def loss_text(value: float | None) -> str:
    """Format a loss: "0.123", large ones with four digits; see ``number``."""
    return f"{value:.4g}" if value is not None and abs(value) >= 1e4 else number(value, 3)


def median(values: NDArray[np.float64]) -> float | None:
    """Of the finite ones; None if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def spans(text: str) -> Markup:
    """Turn the bold words and the code of a line of Markdown into HTML."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(printable_lines(text))))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html))


def data_uri(data: bytes, kind: str) -> str:
    """Embed a picture: ``data:image/<kind>;base64,...``."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
