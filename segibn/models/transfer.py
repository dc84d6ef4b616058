"""Start a training from another one's weights: the same network, maybe with other classes.

In: a network and a checkpoint of this package. Out: the network filled in place, and a report of
what was taken. Only the classifiers may differ: with other classes they start fresh.
"""

from collections.abc import Sequence
from pathlib import Path

from segibn.errors import CheckpointError
from segibn.models.pretrained import WeightsReport
from segibn.models.segmenter import Segmenter
from segibn.models.state import compare_states, shortened
from segibn.models.weights import read_checkpoint

_CLASSIFIERS = ("head.classifier.", "aux_head.classifier.")


def init_from_checkpoint(model: Segmenter, path: Path, class_names: Sequence[str]) -> WeightsReport:
    """Fill a network with the weights of a checkpoint.

    Args:
        model: changed in place.
        path: a checkpoint of this package, with or without training state; of a run with a moving
            average these are the averaged weights.
        class_names: of the network's outputs. Where the checkpoint's are the same, in the same
            order, its classifiers are taken too; else they stay fresh. So does an auxiliary head
            that the checkpoint does not have.

    Returns:
        What was taken, what is fresh and what of the checkpoint was not used.

    Raises:
        CheckpointError: not a checkpoint, or of another architecture.
    """
    content = read_checkpoint(path)
    state, own = content["model"], model.state_dict()
    skipped: tuple[str, ...] = ()
    if list(content["class_names"]) != list(class_names):
        skipped += _CLASSIFIERS
    if model.aux_head is None or not any(key.startswith("aux_head.") for key in state):
        skipped += ("aux_head.",)
    fresh = tuple(key for key in own if key.startswith(skipped))
    unused = tuple(key for key in state if key.startswith(skipped))
    wanted = {key: value for key, value in own.items() if key not in fresh}
    taken = {key: value for key, value in state.items() if key not in unused}
    differences = compare_states(wanted, taken)
    if differences:
        raise CheckpointError(
            f"init_from: {path} holds another architecture than the config describes:\n"
            f"{shortened(differences)}\n"
            "Take model.backbone and model.head from the config it was trained with"
        )
    model.load_state_dict(taken, strict=False)
    return WeightsReport(str(path), tuple(taken), fresh, unused)
