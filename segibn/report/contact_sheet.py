"""What a data set holds, as one page: frames under their labels, shares of classes, sizes, what is odd."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from segibn.report.templates import page_head, render

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
    return render(
        "contact_sheet.html",
        **page_head(("page.css", "charts.css", "contact_sheet.css"), ()),
        title=title,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        parts=parts,
    )
