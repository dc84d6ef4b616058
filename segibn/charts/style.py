"""The one style of all charts, and the two ways out of it: SVG for the page, pixels for files.

A chart function returns a matplotlib ``Figure`` whose texts are plain (no math, no markup) and in
the colours of the page's light theme; ``svg`` turns these into the page's variables.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from segibn.text import printable_lines

if TYPE_CHECKING:  # matplotlib takes time to import, and most verbs draw nothing
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

PAPER, INK, MUTED, LINE = "#ffffff", "#1a1e23", "#59616b", "#d9dde2"
GOOD, BAD = "#17703f", "#b1261f"
SERIES = ("#1f5fae", "#b95a00", "#0b7a63", "#a3307d", "#3f82bd", "#75652b")
MARKS = ("o", "s", "^", "D", "o", "s")  # of the series; those from the fifth on are hollow
FILE_SIZE = (576.0, 288.0)  # of a chart that is a file: width, height in points; 960 x 480 pixels
_FILE_DPI = 120

_NAMES = {PAPER: "paper", INK: "ink", MUTED: "muted", LINE: "line", GOOD: "good", BAD: "bad"}
_NAMES |= {color: f"series-{number}" for number, color in enumerate(SERIES, start=1)}
_VARIABLES = {color: f"var(--{name})" for color, name in _NAMES.items()}
_STYLE = Path(__file__).with_name("charts.mplstyle")
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_TIP, _BREAK = "tip:", "\N{SYMBOL FOR NEWLINE}"


@contextmanager
def chart_style(**more: Any) -> Iterator[None]:
    """Draw in the style, whatever a user's matplotlibrc says; also a decorator of functions."""
    from matplotlib import style

    with style.context([_STYLE, more], after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # boxes, in files only
        yield


def new_figure(size: tuple[float, float] = FILE_SIZE, **axes: Any) -> "tuple[Figure, Any]":
    """Make a figure of (width, height) points and its axes, as ``Figure.subplots`` does."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
    return figure, figure.subplots(**axes)


def add_legend(figure: "Figure", handles: "Sequence[Artist]", labels: Sequence[str], **look: Any) -> None:
    """Put a legend below the axes, in as many columns as its longest label leaves room for."""
    longest = max(map(len, labels))
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 72 // (6 * longest + 45))))
    # a label that begins with an underscore would be left out
    shown = [re.sub("^_", " _", printable_lines(label)) for label in labels]
    figure.legend(handles, shown, loc="outside lower left", ncols=columns, **look)


def tell(artist: "Artist", text: str) -> None:
    """Say what a part of a chart means, under the pointer and to screen readers."""
    artist.set_gid(_TIP + printable_lines(text).replace("\n", _BREAK))


def pixels(figure: "Figure") -> NDArray[np.uint8]:
    """Draw for a picture file -> (H, W, 3) uint8 RGB, 960 wide for ``FILE_SIZE``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(_FILE_DPI)
    canvas = FigureCanvasAgg(figure)
    with chart_style():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def svg(figure: "Figure", key: str, title: str, description: str = "") -> Markup:
    """Draw for a page -> ``<svg>`` whose colours are variables and whose font is the page's.

    ``key``, of its own on the page, makes the ids in it differ from those of other charts.
    """
    drawn = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with chart_style(**{"svg.hashsalt": key}):
        figure.savefig(drawn, format="svg", metadata=nothing, transparent=True)
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(drawn.getvalue())
    for element in root.iter():
        _adapt(element)
    if description:
        root.insert(0, _text_element("desc", description))
    root.insert(0, _text_element("title", title))
    root.attrib = {"class": "chart-svg", "role": "img", "viewBox": root.get("viewBox", "")}
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(re.sub(r">\s+<", "><", text))


def _adapt(element: ElementTree.Element) -> None:
    """Make one element of matplotlib's the page's: ids, links, style, digits."""
    name = element.get("id", "")
    if element.tag == f"{{{_SVG}}}g" and name:
        del element.attrib["id"]
        if name.startswith(_TIP):
            element.set("class", "chart-tip")
            element.insert(0, _text_element("title", name[len(_TIP) :].replace(_BREAK, "\n")))
    if _XLINK in element.attrib:
        element.set("href", element.attrib.pop(_XLINK))
    if element.tag == f"{{{_SVG}}}style":
        element.text = ""  # a rule for all elements of the page; the page has it for charts
    if "style" in element.attrib:
        rules = dict(rule.split(": ", 1) for rule in element.attrib["style"].split("; ") if rule)
        rules.pop("font-family", None)
        element.set("style", "; ".join(f"{k}: {_VARIABLES.get(v, v)}" for k, v in rules.items()))
    for place in ("d", "x", "y", "width", "height", "transform"):
        if place in element.attrib:
            element.set(place, re.sub(r"(\d+\.\d)\d+", r"\1", element.attrib[place]))


def _text_element(tag: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{_SVG}}}{tag}")
    element.text = printable_lines(text)
    return element
