"""Fine-tuning table (IBN-Net, arXiv 1807.09441, section 4.2): networks and starts by share."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from segibn.evaluation.rows import Network, Row, SetScores, check_rows, describe_seeds, gather
from segibn.evaluation.signatures import signature_lines
from segibn.text import counted, markdown_table

FINE_TUNE_KEYS = ("share", "start", "fine_tuned", "train_images", "iteration")
"""Besides ``ROW_KEYS``: the share of the target's training set, a fraction; where the weights came
from ("gta5:train", "scratch"), and whether that is another training.
"""


@dataclass(frozen=True)
class Line:
    """A kind of network, and where it started: the beginning of a line."""

    network: Network
    start: str
    fine_tuned: bool

    @property
    def title(self) -> str:
        """Name in a chart, for example "resnet18, IBN-a from gta5:train"."""
        return f"{self.network.title} from {self.start}"


Curves = dict[Line, dict[float, SetScores]]
"""Line -> share -> scores; networks in the paper's order, each with what it started from."""


def group_rows(rows: Iterable[Row], test: str) -> Curves:
    """Gather the seeds of one test set's rows, see ``FINE_TUNE_KEYS``."""

    def line_of(row: Row) -> Line:
        network = replace(Network.of(row), train="", on_target=False)
        return Line(network, row["start"], row["fine_tuned"])

    found = gather([row for row in rows if row["test"] == test], line_of, "share")
    return {
        line: {share: SetScores.of(seeds) for share, seeds in sorted(found[line].items())}
        for line in sorted(found, key=lambda line: (line.network.rank, line.fine_tuned))
    }


def share_titles(rows: Iterable[Row]) -> dict[float, str]:
    """Return share -> "10 % (14)", the number of frames in brackets, in rising order."""
    counts: dict[float, set[int]] = defaultdict(set)
    for row in rows:
        counts[row["share"]].add(row["train_images"])
    return {share: f"{100 * share:g} % ({', '.join(map(str, sorted(counts[share])))})" for share in sorted(counts)}


def format_fine_tune(rows: Sequence[Row]) -> str:
    """Format one table for each test set as Markdown."""
    check_rows(rows, "fine-tuning rows", FINE_TUNE_KEYS)
    titles = share_titles(rows)
    text: list[str] = []
    for test in dict.fromkeys(row["test"] for row in rows):
        curves = group_rows(rows, test)
        alone = {line.network: points for line, points in curves.items() if not line.fine_tuned}
        body = []
        for line, points in curves.items():
            reference = alone.get(line.network, {}) if line.fine_tuned else {}
            cells = [_cell(points.get(share), reference.get(share)) for share in titles]
            body.append([line.network.title, line.start, *cells])
        text += markdown_table(["network", "starts from", *titles.values()], body)
        sets = sorted({row["train"].partition("*")[0] for row in rows})
        legend = (
            f"mIoU / pixel accuracy in % on {test}; {describe_seeds(rows)}. Columns: share of "
            f"{', '.join(sets)} that was trained on (frames), for {_updates(rows)}. In "
            "brackets: points of mIoU that the start from another training gains."
        )
        of_test = [row for row in rows if row["test"] == test]
        text += ["", legend, *signature_lines(of_test), ""]
    return "\n".join(text)


def _cell(point: SetScores | None, reference: SetScores | None) -> str:
    if point is None:
        return "-"
    if reference is None:
        return point.text()
    return f"{point.text()} ({100 * (point.miou.mean - reference.miou.mean):+.1f})"


def _updates(rows: Iterable[Row]) -> str:
    """Say how long each share was trained: "600 updates each", "60, 120, 180 and 600 updates"."""
    counts = [count for _, count in sorted({(row["share"], row["iteration"]) for row in rows})]
    if len(set(counts)) == 1:
        return f"{counted(counts[0], 'update')} each"
    return f"{', '.join(map(str, counts[:-1]))} and {counts[-1]} updates"
