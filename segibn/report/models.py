"""The README's table of models, rendered from the file that `benchmarks/models.py` writes."""

from pathlib import Path

from segibn.files import read_json

_HEAD = ("network", "M parameters", "G multiply-adds", "ms", "top-1 / top-5 error, published")


def render_models(path: Path) -> str:
    """Render the table and what its columns mean.

    Args:
        path: JSON with "size", "device" and "rows".
    """
    content = read_json(path)
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in content["rows"]:
        suffix = "" if row["ibn"] == "none" else f"-IBN-{row['ibn']}"
        cells = (
            f"`{row['name']}`{suffix}",
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['multiply_adds'] / 1e9:.1f}",
            f"{row['cpu_ms']:.0f}",
            _errors(row["top1_error"], row["top5_error"]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    height, width = content["size"]
    lines.append("")
    lines.append(
        f"Backbone alone, one frame of {height}x{width}; time on {content['device']}, float32. "
        "Errors in % on ImageNet, as published with the weights (IBN-Net's README, torchvision), "
        "not measured here."
    )
    return "\n".join(lines) + "\n"


def _errors(top1: float | None, top5: float | None) -> str:
    if top1 is None or top5 is None:
        return "-"
    return f"{top1:.2f} / {top5:.2f}"
