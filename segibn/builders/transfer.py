"""Start a training from another one's weights: the same network, maybe with other classes.

Only the classifiers may differ: with other classes they start fresh.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from segibn.builders.checkpoints import read_checkpoint
from segibn.errors import CheckpointError
from segibn.models.lora import fitted_state, has_lora, is_update
from segibn.models.segmenter import Segmenter
from segibn.models.weights.pretrained import WeightsReport
from segibn.models.weights.state import compare_states, naming, shortened

_CLASSIFIERS = ("head.classifier.", "aux_head.classifier.")


def init_from_checkpoint(model: Segmenter, path: Path, class_names: Sequence[str]) -> WeightsReport:
    """Fill a network, of outputs `class_names`, in place, as `plan_transfer` says."""
    with naming("init_from"):
        content = read_checkpoint(path)
    own = model.state_dict()
    with naming(path):
        state = fitted_state(content["model"], own)
    report = plan_transfer(own, state, class_names, content["class_names"], source=str(path))
    model.load_state_dict({key: state[key] for key in report.loaded}, strict=False)
    return report


def plan_transfer(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    class_names: Sequence[str],
    source_class_names: Sequence[str],
    *,
    source: str,
) -> WeightsReport:
    """Say what a network would take from the weights of another, a `source`; shapes alone count.

    Updates of LoRA that only one of the two has are merged into the weights, or start fresh. Where
    the class names are not the same in the same order, classifiers start fresh; so does an
    auxiliary head that the other one does not have.
    """
    state = fitted_state(state, own)
    skipped: tuple[str, ...] = ()
    if list(source_class_names) != list(class_names):
        skipped += _CLASSIFIERS
    if not (_has_aux_head(own) and _has_aux_head(state)):
        skipped += ("aux_head.",)
    fresh = tuple(key for key in own if key.startswith(skipped) or (is_update(key) and not has_lora(state)))
    unused = tuple(key for key in state if key.startswith(skipped))
    taken = {key: value for key, value in state.items() if key not in unused}
    differences = compare_states({key: value for key, value in own.items() if key not in fresh}, taken)
    if differences:
        raise CheckpointError(
            f"init_from: {source} holds another architecture than the config describes:\n"
            f"{shortened(differences)}\n"
            "Take model.backbone and model.head from the config it was trained with"
        )
    return WeightsReport(source, tuple(taken), fresh, unused)


def _has_aux_head(state: Mapping[str, Tensor]) -> bool:
    return any(key.startswith("aux_head.") for key in state)
