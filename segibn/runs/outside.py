"""Networks of others in the words of a command: ``hf:FOLDER``, ``model.onnx``. No torch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segibn.errors import ConfigError
from segibn.labels import CLASS_SCHEMES
from segibn.text import printable, read_small_text

if TYPE_CHECKING:
    import numpy as np

KINDS = ("hf", "hf-384", "torchvision", "smp")
CODE, GRAPH = "code", "onnx"
_NAMELESS = ("torchvision", "smp", CODE, GRAPH)  # whose files need not say what classes are called
_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Said:
    """What a command says of networks of others; None = nothing."""

    class_names: str | None = None  # a class scheme, or a file of one name a line
    class_map: Path | None = None  # see `ClassMap.read`
    pixels: str | None = None  # what a graph or a function takes, a key of ``PIXELS``
    allow_code: bool = False  # whether ``module:function`` may be called

    def require_use(self, sources: Iterable[str | Path]) -> None:
        """Raise ConfigError where an option changes nothing of any of the networks."""
        kinds = {kind_of(source) for source in sources}
        for option, value, of in (
            ("--class-names", self.class_names, _NAMELESS),
            ("--pixels", self.pixels, ("smp", GRAPH, CODE)),
            ("--allow-code", self.allow_code, (CODE,)),
        ):
            if value and not kinds.intersection(of):
                raise ConfigError(f"{option} is for networks of others ({', '.join(of)})")

    def names(self) -> tuple[str, ...]:
        """Return the class names, in the order of the network's outputs; () = none are given."""
        if self.class_names is None:
            return ()
        if self.class_names in CLASS_SCHEMES:
            from segibn.data.datasets.catalog import scheme_label_set

            return scheme_label_set(self.class_names).class_names
        text = read_small_text(Path(self.class_names), 1 << 16, ConfigError)
        return tuple(line.strip() for line in text.splitlines() if line.strip())


NOTHING = Said()


def kind_of(source: str | Path) -> str | None:
    """Return what a word means: one of ``KINDS``, ``onnx``, ``code``; None = a run of ours."""
    kind, colon, rest = str(source).partition(":")
    if colon and rest and kind in KINDS:
        return kind
    if Path(source).suffix == ".onnx":
        return GRAPH
    is_code = isinstance(source, str) and _CODE.fullmatch(source) and not Path(source).exists()
    return CODE if is_code else None


def require_allowed(source: str | Path, said: Said) -> None:
    """Raise ConfigError where Python code would be run that nobody allowed."""
    if kind_of(source) == CODE and not said.allow_code:
        raise ConfigError(
            f"{printable(source)} is Python code, which can do anything: --allow-code runs it; or "
            "give a run, a file, hf:, torchvision: or smp:"
        )


def colors_of(class_names: tuple[str, ...]) -> "np.ndarray":
    """Return (K, 3) uint8 RGB: Cityscapes' colours for its classes, others unlike these."""
    import numpy as np

    from segibn.labels.cityscapes import CITYSCAPES
    from segibn.labels.own_table import spread_colors

    known = {info.name: info.color for info in CITYSCAPES.classes if info.name in class_names}
    others = iter(spread_colors(len(class_names) - len(known), list(known.values())))
    return np.array([known[name] if name in known else next(others) for name in class_names], np.uint8)
