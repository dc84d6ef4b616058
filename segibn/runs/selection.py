"""How the checkpoint of a run came to be the one that is scored; refuses a choice on the target.

In generalisation a checkpoint chosen by its score on the test domain is no longer a measurement
of it: papers that did so were not reproducible by two points.
"""

from collections.abc import Mapping

from segibn.config.data import DatasetConfig
from segibn.config.set_names import set_name, train_name
from segibn.errors import ConfigError
from segibn.evaluation.deviations import LAST
from segibn.evaluation.rows import ON_TARGET, is_own_domain
from segibn.runs.trained import TrainedRun


def selection_of(run: TrainedRun, sets: Mapping[str, DatasetConfig]) -> str:
    """Return "last", "chosen-on-target", "best-on-source" or "iteration-N-of-M".

    An earlier checkpoint than the last of a run that was scored on a test set while it trained
    (``data.val``) counts as chosen on it, whatever its file is called: whoever picked it had seen
    those scores.
    """
    data, total = run.training.data, run.training.optim.iterations
    assert run.iteration is not None
    if run.iteration >= total:
        return LAST
    if target_of(run, sets) is not None:
        return ON_TARGET
    if run.checkpoint.name == "best.pt" and data.val is not None:
        return "best-on-source"
    return f"iteration-{run.iteration}-of-{total}"


def target_of(run: TrainedRun, sets: Mapping[str, DatasetConfig]) -> str | None:
    """Return the label of a foreign test set that the run was validated on, if there is one.

    Two lists of frames of one data set (``@day.txt``, ``@night.txt``) are taken for two domains,
    as everywhere else: only the very same list is of the training domain.
    """
    val, train = run.training.data.val, train_name(run.training.data)
    if val is None or is_own_domain(train, set_name(val)):
        return None
    for label, dataset in sets.items():
        names = {dataset.names_file, val.names_file}
        overlaps = dataset.name == val.name and (len(names) == 1 or None in names)
        if overlaps and not is_own_domain(train, label):
            return label
    return None


def refuse_target_selection(run: TrainedRun, sets: Mapping[str, DatasetConfig]) -> None:
    """Raise ConfigError where a checkpoint was chosen on a test set."""
    if selection_of(run, sets) == ON_TARGET:
        total = run.training.optim.iterations
        raise ConfigError(
            f"{run.checkpoint} is iteration {run.iteration} of {total}, of a run "
            f"whose data.val is the test set {target_of(run, sets)}: a checkpoint chosen on "
            "the target does not measure generalisation. Give the run folder (its last "
            "checkpoint), or --allow-target-selection, which marks the score"
        )
