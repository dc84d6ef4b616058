"""The style sheet of the charts, as shipped with the package."""

from importlib.resources import files


def chart_css() -> str:
    """Return ``charts.css``.

    It uses the page's variables: --paper, --ink, --muted, --line, --accent, --good, --bad and
    --series-1 .. --series-6, with colours of its own where the page sets no series.
    """
    return files("segibn.report.charts").joinpath("charts.css").read_text(encoding="utf-8")
