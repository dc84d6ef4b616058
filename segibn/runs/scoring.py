"""On what and how trained runs are scored so that scores compare: sets, protocol, checkpoints.

A checkpoint chosen by its score on the test domain is no measurement of generalisation: papers that
did so were not reproducible by two points.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segibn.config.data import DatasetConfig
from segibn.engine.scoring import Preparation
from segibn.errors import ConfigError
from segibn.evaluation.deviations import LAST, UNKNOWN, evaluation_deviations, run_deviations
from segibn.evaluation.protocols import PROTOCOLS
from segibn.evaluation.rows import ON_TARGET, is_own_domain
from segibn.inference.config import AS_SCORED, InferenceConfig
from segibn.inference.options import InferenceOptions
from segibn.runs.loading import device_of
from segibn.runs.sets import protocol_test
from segibn.runs.trained import NOT_STATED, TrainedRun


@dataclass(frozen=True)
class Scoring:
    """On what and how runs are scored, each by itself."""

    sets: Mapping[str, DatasetConfig]  # label (the ``test`` of a row) -> data set
    datasets_root: Path
    inference: InferenceConfig = AS_SCORED
    device: str | None = None  # None = a GPU if there is one
    protocol: str | None = None  # in ``PROTOCOLS``; None = each run as it was scored in training
    allow_target_selection: bool = False  # score a checkpoint that was chosen on a test set too

    def placed(self, run: TrainedRun, label: str) -> TrainedRun:
        """Return a run on the device, seeing a set as the protocol says, unless asked otherwise."""
        place, test = device_of(self.device), protocol_test(self.protocol, self.sets[label])
        if self.protocol is None or test is None:
            return run.asked(self.inference, place)
        given, size = PROTOCOLS[self.protocol], (test.input_size, test.input_height)
        run = replace(run, options=InferenceOptions(*size)).asked(self.inference, place)
        if not run.options.is_single_view:
            return run
        views = {"window": given.window, "stride": given.stride, "scales": (1.0,), "flip": False}
        return run.to(place, replace(run.options, **views))

    def preparation(self, label: str) -> Preparation | None:
        """Return how the protocol resizes and cuts the frames and label maps of a set."""
        test = protocol_test(self.protocol, self.sets[label])
        if test is None or (framing := test.framing) is None:
            return None
        return Preparation(framing.name, lambda _, *arrays: framing(*arrays))

    def deviations(self, run: TrainedRun, label: str, selection: str, num_images: int) -> dict[str, str]:
        """Compare what was done with the protocol; ``run`` with the options it was scored with."""
        given, dataset = PROTOCOLS[self.protocol or ""], self.sets[label]
        options, config = run.options, run.config
        said = (NOT_STATED, {}) if config is None else (config.data.title, config.model_dump())
        height = options.input_height
        done = {
            "test": dataset.title,
            "frames": num_images,
            "input-size": options.input_size if height is None else f"height {height}",
            "window": options.window,
            "stride": None if options.window is None else options.steps,
            "scales": tuple(options.scales),
            "flip": options.flip,
            "precision": options.precision,
        }
        test = protocol_test(self.protocol, dataset)
        return run_deviations(given, *said, selection) | evaluation_deviations(given, test, label, done)

    def selection(self, run: TrainedRun) -> str:
        """Return "last", "chosen-on-target", "best-on-source" or "iteration-N-of-M".

        An earlier checkpoint than the last of a run that was scored on a test set while it trained
        (``data.val``) counts as chosen on it, whatever its file is called: whoever picked it had
        seen those scores. ConfigError: so it is, and that is not allowed.
        """
        if run.config is None:
            return UNKNOWN
        data, total = run.config.data, run.config.optim.iterations
        assert run.iteration is not None
        if run.iteration >= total:
            return LAST
        if (target := self._target_of(run)) is not None:
            if self.allow_target_selection:
                return ON_TARGET
            raise ConfigError(
                f"{run.checkpoint} is iteration {run.iteration} of {total}, of a run whose "
                f"data.val is the test set {target}: a checkpoint chosen on the target does not "
                "measure generalisation. Give the run folder (its last checkpoint), or "
                "--allow-target-selection, which marks the score"
            )
        if run.checkpoint.name == "best.pt" and data.val is not None:
            return "best-on-source"
        return f"iteration-{run.iteration}-of-{total}"

    def _target_of(self, run: TrainedRun) -> str | None:
        """The label of a foreign test set that the run was validated on, if there is one.

        Two lists of frames of one data set (``@day.txt``, ``@night.txt``) are taken for two
        domains, as everywhere else: only the very same list is of the training domain.
        """
        val, train = run.training.data.val, run.training.data.title
        if val is None or is_own_domain(train, val.title):
            return None
        for label, dataset in self.sets.items():
            names = {dataset.names_file, val.names_file}
            overlaps = dataset.name == val.name and (len(names) == 1 or None in names)
            if overlaps and not is_own_domain(train, label):
                return label
        return None
