"""What a cross-domain protocol says: on what and how networks are trained and scored."""

from dataclasses import dataclass
from typing import Any

from segibn.data.framing import Framing
from segibn.text import counted

Size = tuple[int, int]
Sure = str  # how sure a fact is: a file of the authors' repository, ``PATH@COMMIT``, or a word of `SURE`
SURE: dict[Sure, str] = {
    "PATH@COMMIT": "read in that file of the authors' repository",
    "quoted": "read in a later paper or repository that quotes it",
    "paper": "read in the paper",
    "recalled": "from the paper as remembered; not checked against a copy",
    "ours": "the source is silent or was not seen: our choice",
}


@dataclass(frozen=True)
class TestSet:
    """A column: which frames, and how they reach the network."""

    label: str
    dataset: str
    split: str
    frames: int | None  # None = as many as there are
    sure: Sure
    input_size: Size | None = None
    """(H, W) that the network sees; None = their own. Scores are at label size all the same."""
    input_height: int | None = None  # the same by height alone, the width in proportion
    framing: Framing | None = None  # of frame AND label map, before that
    label_map: str | None = None  # name of the map to the 19 classes, where a data set has several
    remark: str = ""

    __test__ = False  # the name is the field's; pytest is not to collect it


@dataclass(frozen=True)
class Setting:
    """What a run's config has under this protocol."""

    path: str
    accepted: tuple[Any, ...]
    sure: Sure


@dataclass(frozen=True)
class Protocol:
    """How one paper, or family of papers, trains and tests."""

    title: str
    train: tuple[str, ...]  # sets to train on: any of these
    train_sure: Sure
    tests: tuple[TestSet, ...]
    checkpoint_sure: Sure  # of ``checkpoint``
    settings: tuple[Setting, ...]
    window: Size | None = None  # (H, W) of a sliding window; None = whole frames
    stride: Size | None = None  # (H, W) from one window to the next; needs ``window``
    checkpoint: str = "last iteration"  # which one the authors score; here it is the last iteration's in all of them
    inference_sure: Sure = "ours"
    repository: str = ""  # where ``PATH@COMMIT`` lies
    unlike: str = ""  # what the source does otherwise than this package can, or than this table says
    note: str = ""


def describe_protocol(name: str, given: Protocol) -> str:
    """Return a protocol as text: a line for each fact, with how sure it is."""
    inference = "whole frames"
    if given.window and given.stride:
        inference = "windows of {}x{}, one every {}x{}".format(*given.window, *given.stride)
    lines = [f"{name}: {given.title}"]
    lines.append(f"  train on    {' or '.join(given.train)} [{given.train_sure}]")
    lines += [f"  test on     {_test_text(test)} [{test.sure}]" for test in given.tests]
    lines.append(f"  inference   {inference}, scales 1.0, no flip [{given.inference_sure}]")
    lines.append(f"  checkpoint  {given.checkpoint} [{given.checkpoint_sure}]")
    for setting in given.settings:
        values = " or ".join(map(str, setting.accepted))
        lines.append(f"  config      {setting.path} = {values} [{setting.sure}]")
    lines += [f"  code        {given.repository}"] if given.repository else []
    lines += [f"  unlike      {given.unlike}"] if given.unlike else []
    return "\n".join(lines)


def _test_text(test: TestSet) -> str:
    parts, framing = [f"{test.label} = {test.dataset}:{test.split}"], test.framing or Framing()
    parts += [counted(test.frames, "frame")] if test.frames else []
    parts += [f"label map {test.label_map}"] if test.label_map else []
    parts += [f"frame and label to height {framing.height}"] if framing.height else []
    parts += [f"frame and label times {framing.scale:g}"] if framing.scale else []
    parts += ["cut to {}x{} at the centre".format(*framing.crop)] if framing.crop else []
    seen = f"seen at a height of {test.input_height}" if test.input_height else "own size"
    parts += ["seen at {}x{}".format(*test.input_size) if test.input_size else seen]
    parts += [test.remark] if test.remark else []
    return "; ".join(parts)
