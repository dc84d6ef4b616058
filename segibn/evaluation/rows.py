"""Rows of scores, one for each network, seed and test set: what the tables are made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, NamedTuple, TypeVar

from segibn.errors import SegibnError

Line = TypeVar("Line")
Row = Mapping[str, Any]
ROW_KEYS = ("train", "test", "ibn", "seed", "miou", "pixel_accuracy")
"""Keys every row has; scores are fractions. Of other keys, ``network`` tells networks apart."""
ON_TARGET = "chosen-on-target"  # ``selection`` of a row whose checkpoint was chosen on a test set
_TEXTS = ("train", "test", "network", "ibn", "signature")
_IBN_ORDER = ("none", "a", "b", "c", "d", "ad", "a2")


@dataclass(frozen=True)
class Network:
    """What stands at the start of a line: a training domain and a kind of network."""

    train: str
    backbone: str
    ibn: str
    on_target: bool = False
    start: str = ""  # the run that it started from, "" = none

    @classmethod
    def of(cls, row: Row) -> "Network":
        """The network of a row, whatever its seed."""
        on_target = row.get("selection") == ON_TARGET
        start = str(row.get("start") or "")
        return cls(row["train"], str(row.get("network") or ""), row["ibn"], on_target, start)

    @property
    def title(self) -> str:
        """Name as printed, for example "resnet18, IBN-a"."""
        ibn = "no IBN" if self.ibn == "none" else f"IBN-{self.ibn}" if self.ibn else ""
        started = f"started from {self.start}" if self.start else ""
        title = ", ".join(filter(None, (self.backbone, ibn, started)))
        return f"{title} (checkpoint chosen on the target)" if self.on_target else title

    @property
    def rank(self) -> tuple[str, int, str, str]:
        """Sort key: by backbone, then plain networks first and variants in the paper's order."""
        return self.backbone, (*_IBN_ORDER, self.ibn).index(self.ibn), self.ibn, self.start


def network_titles(networks: Iterable[Network]) -> dict[Network, str]:
    """Return a name for each network that says no more than is needed to tell them apart."""
    found = list(networks)
    several = len({network.train for network in found}) > 1
    return {n: f"{n.title} from {n.train}" if several else n.title for n in found}


def check_rows(rows: Iterable[Row], source: str = "cross-domain rows", more_keys: Sequence[str] = ()) -> None:
    """Raise a SegibnError for the first row that lacks a key, repeats another or is no fraction."""
    keys = ("train", "test", "network", "ibn", "start", "seed", *more_keys)
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        fault, identity = _fault(row, more_keys), repr([row.get(key) for key in keys])
        if not fault and identity in seen:
            fault = f"repeats {', '.join(keys[:-1])} and {keys[-1]}"
        if fault:
            raise SegibnError(f"{source}: row {number} {fault}")
        seen.add(identity)


def _fault(row: Row, more_keys: Sequence[str]) -> str:
    if missing := [key for key in (*ROW_KEYS, *more_keys) if key not in row]:
        return f"has no {', '.join(missing)}"
    for key in _TEXTS:
        if not isinstance(row.get(key), str if key in ROW_KEYS else str | None):
            return f"has {key} {row[key]!r}; it must be text"
    if not isinstance(row["seed"], int | None):
        return f"has seed {row['seed']!r}; give an integer"
    for key in ("miou", "pixel_accuracy"):
        if not isinstance(row[key], int | float) or not 0 <= row[key] <= 1:
            return f"has {key} {row[key]!r}; it must be a fraction in 0..1"
    return ""


def is_own_domain(train: str, test: str) -> bool:
    """Whether ``gta5:val`` is of a domain of ``gta5:train``, ``camvid:train+gta5:train``."""
    if train == test:
        return True
    sources = [part.partition(":")[0] for part in train.split("+") if ":" in part] or [train]
    return "@" not in train + test and test.partition(":")[0] in sources


class Seeds(tuple[float, ...]):
    """What each seed of a network scored, fractions."""

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return fmean(self)

    @property
    def deviation(self) -> float:
        """Sample standard deviation, 0 of one seed."""
        return stdev(self) if len(self) > 1 else 0.0

    def text(self, scale: float = 100, digits: int = 1, sign: str = "") -> str:
        """Format in per cent: "47.5±2.0", or "47.5" for one seed; a dash for none."""
        if not self:
            return "-"
        spread = f"±{scale * self.deviation:.{digits}f}" if len(self) > 1 else ""
        return f"{scale * self.mean + 0.0:{sign}.{digits}f}{spread}"  # + 0.0: no change is +0.0


class SetScores(NamedTuple):
    """Scores of a network on a set, of each seed."""

    miou: Seeds
    pixel_accuracy: Seeds
    classes: frozenset[str]  # that have an IoU, so that their mean is over these

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "SetScores":
        """Both scores of some rows."""
        found = [iou for row in rows if isinstance(iou := row.get("iou"), dict)]
        classes = frozenset(k for iou in found for k, value in iou.items() if value is not None)
        miou, accuracy = (Seeds(row[key] for row in rows) for key in ("miou", "pixel_accuracy"))
        return cls(miou, accuracy, classes)

    def text(self) -> str:
        """Format "mIoU / pixel accuracy"."""
        return f"{self.miou.text()} / {self.pixel_accuracy.text()}"


def gather(rows: Iterable[Row], line: Callable[[Row], Line], column: str) -> dict[Line, dict[Any, list[Row]]]:
    """Gather the rows of each cell of a table, lines and columns in the order they come."""
    found: dict[Line, dict[Any, list[Row]]] = {}
    for row in rows:
        found.setdefault(line(row), {}).setdefault(row[column], []).append(row)
    return found


def by_network(rows: Iterable[Row], column: str) -> dict[Network, dict[Any, list[Row]]]:
    """Gather rows by network and a key: training domains as they come, then networks by rank."""
    found = gather(rows, Network.of, column)
    trains = list(dict.fromkeys(network.train for network in found))
    order = sorted(found, key=lambda network: (trains.index(network.train), network.rank))
    return {network: found[network] for network in order}


def describe_seeds(rows: Iterable[Row]) -> str:
    """Say what a cell's spread is taken over."""
    seeds = list(dict.fromkeys(row["seed"] for row in rows if row["seed"] is not None))
    if not seeds:
        return "networks whose seeds are not known"
    shown = ", ".join(map(str, seeds))
    if len(seeds) > 1:
        return f"mean ± sample standard deviation over seeds {shown}"
    return f"one seed ({shown}), so no spread is known"
