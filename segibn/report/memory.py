"""A table of peaks of memory, rendered from what `benchmarks/inference_memory.py` writes."""

from pathlib import Path

from segibn.files import read_json

_HEAD = ("how frames meet the network", "looks", "frames", "network", "in all", "added")


def render_memory(path: Path) -> str:
    """Render the rows, in MiB, and what they hold for.

    Args:
        path: JSON with "rows", "size", "classes", "network", "device".
    """
    content = read_json(path)
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- |" + " ---: |" * (len(_HEAD) - 1)]
    for row in content["rows"]:
        way = row["way"].replace("|", " ")
        numbers = (row["network_mib"], row["peak_mib"], row["added_mib"])
        cells = [f"`{way}`", str(row["views"]), str(row["frames"])]
        cells += ["?" if number is None else f"{number:.0f}" for number in numbers]
        lines.append("| " + " | ".join(cells) + " |")
    height, width = content["size"]
    lines.append("")
    lines.append(
        f"MiB that the process grew by at most; {content['classes']} classes, frames of "
        f"{height}x{width}, {content['network']}, float32, {content['device']}."
    )
    return "\n".join(lines) + "\n"
