"""Cross-domain table: rows of single scores in, the IBN-Net paper's kind of table out (Markdown).

Domain names are free; ``gta5:val`` belongs to the domain ``gta5``, a name with a list file
(``bdd100k:val@night.txt``) is a domain of its own.
"""

from collections.abc import Iterable, Mapping, Sequence

from segibn.evaluation.deviations import protocol_lines
from segibn.evaluation.published import PROTOCOLS, PublishedRow, published_rows
from segibn.evaluation.rows import Network, Row, SetScores, by_network, check_rows, describe_seeds, is_own_domain
from segibn.evaluation.signatures import signature_lines
from segibn.text import markdown_table

Cells = dict[Network, dict[str, SetScores]]  # network -> test set -> scores
PUBLISHED_INTRO = "Published by others on the real data sets: other networks, training and data; not ours."


def format_cross_domain(
    rows: Sequence[Row], dataset_of: Mapping[str, str] | None = None, published_note: str = ""
) -> str:
    """Format the table as Markdown: ours with its legend, then published numbers in their own.

    ``dataset_of`` maps domains to data sets whose published numbers are shown, where names differ;
    ``published_note`` is a sentence in place of published numbers.
    """
    check_rows(rows)
    tests = list(dict.fromkeys(row["test"] for row in rows))
    cells = collect_cells(rows)
    body = [_line(network, scores, tests) for network, scores in cells.items()]
    lines = markdown_table(["train", "network", *tests], body)
    counts = {len(found.miou) for scores in cells.values() for found in scores.values()}
    single = " (one seed where no ± stands)" if 1 in counts and len(counts) > 1 else ""
    legend = (
        f"mIoU / pixel accuracy in %; {describe_seeds(rows)}{single}. In brackets: change of mIoU "
        "relative to the same network's score on the domain it was trained on."
    )
    lines += ["", legend, *signature_lines(rows), *protocol_lines(rows)]
    if published_note:
        lines += ["", published_note]
        return "\n".join([*lines, ""])
    shown, published, notes = published_beside(cells, tests, dataset_of or {}, rows)
    if published:
        body = []
        for row in published:
            scores = [f"{row.miou_percent[test]:.2f}" if test in row.miou_percent else "-" for test in shown]
            body.append([row.train, row.title, *scores, f"{row.source} [{row.protocol}]"])
        lines += ["", "### Published numbers (mIoU in %)", "", PUBLISHED_INTRO, ""]
        lines += [*markdown_table(["train", "network", *shown, "source [protocol]"], body), "", *notes]
    return "\n".join([*lines, ""])


def collect_cells(rows: Iterable[Row]) -> Cells:
    """Gather the seeds of each network on each test set, networks in the order of a table."""
    return {
        network: {test: SetScores.of(seeds) for test, seeds in found.items()}
        for network, found in by_network(rows, "test").items()
    }


def own_change(network: Network, tests: Mapping[str, SetScores], test: str) -> float | None:
    """Change of mIoU relative to the one test set of the network's own domain, a fraction.

    None on that domain, or if it has not just one set, or one with another mean of classes, or 0.
    """
    own = [name for name in tests if is_own_domain(network.train, name)]
    if len(own) != 1 or test in own or tests[own[0]].classes != tests[test].classes:
        return None
    reference = tests[own[0]].miou.mean
    return (tests[test].miou.mean - reference) / reference if reference else None


def _line(network: Network, scores: Mapping[str, SetScores], tests: Sequence[str]) -> list[str]:
    """Cells "mIoU / pixel acc (change against the own domain)"; a dash where nothing was scored."""
    line = [network.train, network.title]
    for test in tests:
        if not (found := scores.get(test)):
            line.append("-")
            continue
        change = own_change(network, scores, test)
        line.append(found.text() + ("" if change is None else f" ({100 * change:+.1f} %)"))
    return line


def published_beside(
    cells: Cells, tests: Sequence[str], dataset_of: Mapping[str, str], rows: Sequence[Row]
) -> tuple[list[str], list[PublishedRow], list[str]]:
    """Find published numbers for the columns ``tests`` -> data sets with any, rows, Markdown items.

    Only those of the protocol that all of our ``rows`` name; the items say how they were made.
    """
    protocols = {row.get("protocol") for row in rows}
    named = protocols.pop() if len(protocols) == 1 else None
    names = {
        name: dataset_of.get(name, name.partition(":")[0] if name.count(":") < 2 else name)
        for name in (*tests, *(network.train for network in cells))
        if name in dataset_of or "@" not in name
    }
    test_sets = list(dict.fromkeys(names[test] for test in tests if test in names))
    train_sets = {names[network.train] for network in cells if network.train in names}
    found = published_rows(train_sets, test_sets, named)
    same = "from which our rows deviate" if any(row.get("deviations") for row in rows) else "which our rows follow"
    made = dict.fromkeys(row.protocol for row in found)
    notes = [f"- [{key}] {PROTOCOLS[key]}: protocol `{named}`, {same}." for key in made]
    return [test for test in test_sets if any(test in row.miou_percent for row in found)], found, notes
