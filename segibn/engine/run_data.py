"""What a run is trained and scored on: found and checked before any work is done."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from segibn.builders.sampling import require_memory
from segibn.builders.sets import TrainingSet, training_sets
from segibn.config.schema import RunConfig
from segibn.data.frames import Frames
from segibn.data.overlap import require_apart
from segibn.engine.scoring import eval_frames, require_upright, some_of
from segibn.inference.options import InferenceOptions
from segibn.labels.label_set import LabelSet


@dataclass(frozen=True)
class RunData:
    """What a run is trained and scored on, found on disk but not read yet."""

    sets: tuple[TrainingSet, ...]  # of ``data.train``, then those of ``data.mix``
    val: Frames | None
    cached_gib: float  # what frames that are to be kept in memory will take

    @property
    def labels(self) -> LabelSet:
        """Reads the label maps of ``data.train``; its classes are those of the run."""
        return self.sets[0].label_set

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """What its sets tell of several classes together, by `FIRST_GROUP`."""
        return next((one.label_set.groups for one in self.sets if one.label_set.groups), ())


def index_run(config: RunConfig, datasets_root: Path) -> RunData:
    """Find the data of a run; a missing set must show now, not when it is scored at the end."""
    data = config.data
    sets = training_sets(data, datasets_root)
    val = None
    if data.val is not None:
        val = eval_frames(data.val, datasets_root, data.classes, sets[0].label_set.class_names)
        require_upright(InferenceOptions.as_scored(config.evaluation), val.samples, data.val.name)
    for one in sets:
        require_upright(InferenceOptions(input_size=one.resize), one.samples, one.title, "data.resize")
    if val is not None:
        require_apart([one.samples for one in sets], val.samples)
        deque(Frames(tuple(some_of(val.samples)), val.label_set), maxlen=0)  # they can be read
    return RunData(sets, val, require_memory(data, sets))
