"""Networks of others in the words of a command: ``hf:FOLDER``, ``model.onnx``. No torch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segibn.errors import ConfigError
from segibn.labels import CLASS_SCHEMES
from segibn.text import read_small_text

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
