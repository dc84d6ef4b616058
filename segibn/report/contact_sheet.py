"""What a data set holds, as one page: frames under their labels, shares of classes, sizes, what is odd."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from markupsafe import Markup

import segibn
from segibn.report.templates import render, source

Color = tuple[int, int, int]


@dataclass(frozen=True)
class SheetFrame:
    """One frame of the page."""

    name: str
    picture: bytes  # JPEG, its labels laid over
    note: str  # its size, and what is odd about it
    is_odd: bool = False


@dataclass(frozen=True)
class SheetPart:
    """One split of a data set."""

    title: str
    samples: int
    sizes: Sequence[tuple[str, int]]  # H x W, how many
    classes: Sequence[tuple[str, Color, float, int]]
    """Name, colour, share of the labelled pixels, frames that hold it."""
    problems: Sequence[str]
    notes: Sequence[str]
    frames: Sequence[SheetFrame]


def build_sheet(parts: Sequence[SheetPart], title: str) -> str:
    """Return the whole page, which needs nothing else."""
    head = source("theme.js")
    return render(
        "contact_sheet.html",
        title=title,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        version=segibn.__version__,
        hashes=[b64encode(sha256(head.encode()).digest()).decode()],
        style=Markup("\n".join(map(source, ("page.css", "charts.css", "contact_sheet.css")))),
        head_script=Markup(head),
        parts=parts,
    )
