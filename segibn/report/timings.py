"""A table of timings, rendered from the rows that the scripts of `benchmarks/` write."""

from pathlib import Path

from segibn.files import read_json

_HEAD = ("subject", "against", "time ratio", "quartiles", "ms", "against, ms")


def render_timings(path: Path) -> str:
    """Render the rows and what they hold for.

    Args:
        path: JSON, a list of rows of one script with the keys of `benchmarks.timing.Row`.
    """
    rows = read_json(path)
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        low, high = row["ratio_quartiles"]
        cells = (
            row["subject"],
            row["against"],
            f"{row['ratio']:.3f}",
            f"{low:.3f}-{high:.3f}",
            f"{1000 * row['seconds']:.2f}",
            f"{1000 * row['against_seconds']:.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    first = rows[0]
    lines += ["", f"{first['pairs']} pairs on {first['device']}; {first['conditions']}."]
    return "\n".join(lines) + "\n"
