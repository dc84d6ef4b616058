"""Named protocols on the command line: which sets they mean and how a run is scored on them."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segibn.cli.arguments import parse_labelled_set, parse_labelled_sets
from segibn.cli.inference import inference_options
from segibn.data.datasets.catalog import DATASETS
from segibn.errors import ConfigError
from segibn.evaluation.protocols import PROTOCOLS, Protocol, TestSet, describe_protocols

if TYPE_CHECKING:
    from segibn.config.data import DatasetConfig
    from segibn.data.framing import Framing
    from segibn.evaluation.deviations import Deviation
    from segibn.inference.options import InferenceOptions
    from segibn.runs.trained import TrainedRun


class _ListProtocols(argparse.Action):
    """Prints the table and exits, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(describe_protocols())
        parser.exit()


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --protocol, --list-protocols and --allow-target-selection."""
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        help="score as this one says: test sets (all of them unless --on names some), input size, "
        "label maps, checkpoint; what deviates is printed and signed",
    )
    parser.add_argument(
        "--list-protocols", action=_ListProtocols, nargs=0, help="print all of them and exit"
    )
    parser.add_argument(
        "--allow-target-selection",
        action="store_true",
        help="also score a checkpoint that was chosen on a test set; its score is marked",
    )


def protocol_sets(name: str | None, on: Sequence[str] | None) -> "dict[str, DatasetConfig]":
    """Return label -> test set, from --on or all of a protocol's.

    Under a protocol, ``NAME:SPLIT`` without a label of its own gets the protocol's label, and the
    protocol's label map.

    Raises:
        ConfigError: neither is given; or a set that this version cannot read.
    """
    if on:
        sets = parse_labelled_sets(on)
        if name is None:
            return sets
        given = [(text, *parse_labelled_set(text)) for text in on]
        return dict(_under_protocol(PROTOCOLS[name], *item) for item in given)
    if name is None:
        raise ConfigError("say what to score on: --on SET [SET ...], or --protocol NAME")
    return {test.label: _dataset(test) for test in PROTOCOLS[name].tests}


def set_of_protocol(name: str | None, dataset: "DatasetConfig") -> TestSet | None:
    """Return the protocol's line for a data set, None where it has none."""
    tests = PROTOCOLS[name].tests if name is not None else ()
    return next((test for test in tests if test.dataset == dataset.name), None)


def protocol_options(
    arguments: argparse.Namespace,
    scored: "InferenceOptions",
    name: str | None,
    dataset: "DatasetConfig",
) -> "InferenceOptions":
    """Return how frames reach the network: as the protocol says, unless the arguments differ."""
    from segibn.inference.options import InferenceOptions

    test = set_of_protocol(name, dataset)
    if name is None or test is None:
        return inference_options(arguments, scored)
    sized = InferenceOptions(input_size=test.input_size)
    options, given = inference_options(arguments, sized), PROTOCOLS[name]
    if options.scales == (1.0,) and not options.flip and options.window is None:
        options = replace(options, scales=given.scales, flip=given.flip, window=given.window)
    return options


def protocol_framing(name: str | None, dataset: "DatasetConfig") -> "Framing | None":
    """Return how frames and label maps are resized and cut before scoring; None = they are not."""
    from segibn.data.framing import Framing

    test = set_of_protocol(name, dataset)
    if test is None or (test.height is None and test.scale is None and test.crop is None):
        return None
    return Framing(test.height, test.scale, test.crop, test.as_robustnet)


def deviations(
    name: str,
    run: "TrainedRun",
    selection: str,
    label: str,
    dataset: "DatasetConfig",
    num_images: int,
    options: "InferenceOptions",
) -> "list[Deviation]":
    """Compare what was done with the protocol."""
    from segibn.engine.scoring import set_name, train_name
    from segibn.evaluation.deviations import evaluation_deviations, run_deviations

    given = PROTOCOLS[name]
    config: Mapping[str, Any] = run.config.model_dump()
    found = run_deviations(given, train_name(run.config.data), config, selection)
    size: Any = options.input_size
    if options.input_height is not None:
        size = f"height {options.input_height}"
    return found + evaluation_deviations(
        given,
        set_of_protocol(name, dataset),
        label,
        dataset=set_name(dataset),
        num_images=num_images,
        input_size=size,
        window=options.window,
        scales=options.scales,
        flip=options.flip,
        precision=options.precision,
    )


def _under_protocol(
    protocol: Protocol, text: str, label: str, dataset: "DatasetConfig"
) -> "tuple[str, DatasetConfig]":
    test = next((test for test in protocol.tests if test.dataset == dataset.name), None)
    if test is None:
        return label, dataset
    if "=" not in text and dataset.label_map in (None, test.label_map):
        label = test.label if dataset.names_file is None else label
    ours = {"label_map": test.label_map} if dataset.label_map is None else {}
    return label, dataset.model_copy(update=ours)


def _dataset(test: TestSet) -> "DatasetConfig":
    """Return a protocol's set as a config has it.

    Raises:
        ConfigError: this version does not read such a data set.
    """
    from segibn.config.data import DatasetConfig

    if test.dataset not in DATASETS:
        raise ConfigError(
            f"{test.label}: this version does not read {test.dataset}; name the others with --on"
        )
    content: dict[str, Any] = {"name": test.dataset, "split": test.split}
    if test.label_map is not None:
        content["label_map"] = test.label_map
    return DatasetConfig.model_validate(content)
